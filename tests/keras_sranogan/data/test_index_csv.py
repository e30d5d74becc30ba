"""index.csv in the forms that go round: read rightly, or refused by name; never passed over."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data.open import open_source
from keras_sranogan.data.overview import overview
from sranogan_edge.errors import DataError

PIXELS = (np.arange(400, dtype=np.uint32).reshape(20, 20) % 251).astype(np.uint8)
ROWS = (("train/NORMAL/a.png", "P1"), ("train/NORMAL/b.png", "P1"), ("train/NORMAL/c.png", "P2"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three normals."""
    return with_images(tmp_path / "films", *(file for file, _ in ROWS))


def with_images(root: Path, *files: str) -> Path:
    """A root with these images."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS).save(root / file)
    return root


def text(header: str = "file,patient", form: str = "{file},{patient}", end: str = "\n") -> str:
    """A table of the three, each row in a ``form``."""
    lines = [header]
    for file, patient in ROWS:
        folder, _, name = file.rpartition("/")
        lines.append(form.format(file=file, patient=patient, folder=folder, name=name, stem=name[0]))
    return end.join(lines) + end


def groups(root: Path) -> list[str]:
    """The groups of the train split's images."""
    return [item.group for item in open_source(str(root)).items("train")]


@pytest.mark.parametrize(
    "written",
    [
        text(),
        text(end="\r\n"),
        text(end="\r"),
        text("FILE,Patient"),
        text("file;patient", "{file};{patient}"),
        text("file\tpatient", "{file}\t{patient}"),
        text("file|patient", "{file}|{patient}"),
        "sep=;\n" + text("file;patient", "{file};{patient}"),
        '"sep=,"\n' + text(),
        "\n\n" + text(),
        "# made by a script\n" + text(),
        "Export of the ward;\n\n" + text("file;patient", "{file};{patient}"),
        text() + "\x1a",
        text("filename,patient_id"),
        text("Image Index,Patient ID"),
        text("Path,subject"),
        text("image_id,Age,case", "{file},44,{patient}"),
        text("name,group"),
        text("PatientID,ImagePath", "{patient},{file}"),
        text('"file","patient"', '"{file}", "{patient}"'),
        text(form="./{file},{patient}"),
        text(form="films/{file},{patient}"),
        text(form="/data/of/somebody/films/{file},{patient}"),
        text(form="C:\\data\\films\\train\\NORMAL\\{name},{patient}"),
        text(form="train\\NORMAL\\{name},{patient}"),
        text(form="{folder}/{stem},{patient}"),
        text(form="{folder}/{stem}.PNG,{patient}"),
        text(form="TRAIN/normal/{name},{patient}"),
        text(form="{folder}/{stem}.jpg,{patient}"),
        text(form="{name},{patient}"),
        text(form="{stem},{patient}"),
        text("split,class,file,patient", "train,NORMAL,{name},{patient}"),
        text("id,file,patient", "1,{name},{patient}"),
        text() + "train/NORMAL/elsewhere.png,P9\n\n",
    ],
)
def test_usual_forms_are_read(root: Path, written: str) -> None:
    """Whatever its columns, signs and paths look like, a table that names the images is understood."""
    (root / "index.csv").write_text(written, newline="")
    assert groups(root) == ["P1", "P1", "P2"]
    assert (
        "3 of 3 images have a patient or part (3 by index.csv); groups: 2"
        in overview(open_source(str(root)))[-1]
    )


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]
)
def test_encodings(root: Path, encoding: str) -> None:
    """Umlauts are read in each of the encodings that tables are saved in."""
    (root / "index.csv").write_bytes(text().replace("P1", "Müller").encode(encoding))
    assert groups(root) == ["Müller", "Müller", "P2"]


@pytest.mark.parametrize(("on_disk", "written"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_names_are_one(tmp_path: Path, on_disk: str, written: str) -> None:
    """An umlaut is the same letter, however a system writes it."""
    name = "train/NORMAL/ä{}.png"
    root = with_images(
        tmp_path,
        *(unicodedata.normalize(on_disk, name.format(n)) for n in range(2)),  # type: ignore[arg-type]
    )
    lines = [unicodedata.normalize(written, name.format(n)) + ",P1" for n in range(2)]  # type: ignore[arg-type]
    (root / "index.csv").write_text("\n".join(["file,patient", *lines]))
    assert groups(root) == ["P1", "P1"]


@pytest.mark.parametrize(
    "place",
    ["Index.csv", "INDEX.CSV", "train/index.csv", "train/NORMAL/index.csv", "index.tsv", "index.csv.txt"],
)
def test_places(root: Path, place: str) -> None:
    """It may lie at the root, with the split or with the class, in any case and with a like suffix."""
    (root / place).write_text(text(form="{name},{patient}"))
    assert groups(root) == ["P1", "P1", "P2"]


def test_a_spreadsheet_is_refused(root: Path) -> None:
    """A table in a program's own format is not passed over."""
    (root / "Index.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"Index\.xlsx: is a spreadsheet\. Save it as index\.csv"):
        groups(root)


def test_numbers_of_a_spreadsheet_and_cases_are_one_patient(root: Path) -> None:
    """1 and 1.0 are one patient, and so are p1 and P1."""
    (root / "index.csv").write_text("file,patient\na.png,1\nb.png,1.0\nc.png,2\n")
    assert groups(root) == ["1", "1", "2"]
    (root / "index.csv").write_text("file,patient\na.png,p1\nb.png,P1\nc.png,P2\n")
    assert groups(root) == ["p1", "p1", "P2"]


def test_parts_of_an_mvtec_folder(tmp_path: Path) -> None:
    """Inspection sets have an index too, and it may leave the whole of test out."""
    root = with_images(tmp_path, "train/good/a.png", "train/good/b.png", "test/bent/c.png")
    (root / "index.csv").write_text("file,part\ntrain/good/a.png,K7\ntrain/good/b.png,K7\n")
    source = open_source(str(root))
    assert [item.group for item in source.items("train")] == ["K7", "K7"]
    assert [item.group for item in source.items("test")] == ["test/bent/c"]
    assert "2 of 3 images have a patient or part" in overview(source)[-1]


def test_classes_tell_images_of_one_name_apart(tmp_path: Path) -> None:
    """The column class keeps an abnormal's patient from a normal of the same file name."""
    root = with_images(tmp_path, "train/NORMAL/a.png", "train/NORMAL/b.png", "train/SICK/a.png")
    (root / "index.csv").write_text("file,class,patient\na.png,NORMAL,P1\na.png,SICK,P2\nb.png,NORMAL,P1\n")
    assert groups(root) == ["P1", "P1"]
    (root / "index.csv").write_text("file,patient\na.png,P1\na.png,P2\nb.png,P1\n")
    with pytest.raises(DataError, match=r"train/NORMAL/a\.png is of 'P1' and of 'P2'"):
        groups(root)


def test_unknown_patients_are_their_own_where_nothing_is_learned(tmp_path: Path) -> None:
    """An empty cell is taken as it is in test, and refused in train, where it might leak."""
    root = with_images(tmp_path, "train/NORMAL/a.png", "test/NORMAL/b.png", "test/NORMAL/c.png")
    (root / "index.csv").write_text("file,patient\na.png,P1\nb.png,P2\nc.png,NA\n")
    assert [item.group for item in open_source(str(root)).items("test")] == ["P2", "test/NORMAL/c"]
    (root / "index.csv").write_text("file,patient\na.png,\nb.png,P2\nc.png,P3\n")
    with pytest.raises(DataError, match=r"names no patient for 1 of the 1 images of train"):
        groups(root)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"", r"is empty"),
        (b"file,patient\n", r"names none of the 3 images, such as train/NORMAL/a\.png"),
        (b"name,age\nx,3\n", r"no column 'patient' in its first line; found 'name', 'age'"),
        (b"patient,age\nx,3\n", r"no column 'file'"),
        (b"train/NORMAL/a.png,P1\ntrain/NORMAL/b.png,P1\n", r"no column 'file'"),
        (
            b"file,patient\ntrain/NORMAL/a.png,P1\n",
            r"names no patient for 2 of the 3 images of train, such as .*b\.png",
        ),
        (b"file,patient\nold/x.png,P1\nold/y.png,P2\n", r"names none of the 3 images"),
        (b"file,patient\na.png,P1\nb.png,P1\nb.png,P2\nc.png,P2\n", r"b\.png is of 'P1' and of 'P2'"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10", r"cannot be read as text"),
        (b"PK\x03\x04\x14\0\x06\0\x08", r"cannot be read as text"),
        (b"file,patient\n\xff\xfe\xfa,1\n", r"names none"),
    ],
)
def test_other_tables_are_refused_by_name(root: Path, written: bytes, reason: str) -> None:
    """A table that is there and not understood ends it: silence would let patients leak."""
    (root / "index.csv").write_bytes(written)
    with pytest.raises(DataError, match=rf"index\.csv: .*{reason}.*|{reason}") as caught:
        groups(root)
    assert "or remove it" in str(caught.value) or "Leave one of these lines" in str(caught.value)


def test_a_name_that_may_mean_two_images_is_refused(tmp_path: Path) -> None:
    """A bare name in two folders is a question, with the line that asks it."""
    root = with_images(tmp_path, "train/NORMAL/a.png", "test/NORMAL/a.png")
    (root / "index.csv").write_text("file,patient\na.png,P1\n")
    with pytest.raises(DataError, match=r"index\.csv, line 2: 'a\.png' may be .* Write the path"):
        groups(root)
