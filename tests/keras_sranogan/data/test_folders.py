"""Folders of images: which layouts are recognised, what each refusal says, and who is one patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data.open import open_source, passed_over_by
from sranogan_edge.errors import DataError, OversizedImageError, UnreadableImageError

CHEST_XRAY = Path(__file__).resolve().parents[4] / "shared" / "data" / "chest_xray"


def picture(path: Path, side: int = 20) -> Path:
    """A small image file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.arange(side * side, dtype=np.uint32).reshape(side, side) % 251
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


def labelled(root: Path, *names: str) -> Path:
    """A root with the given files."""
    for name in names:
        picture(root / name)
    return root


def test_flat_folder_is_all_normals(tmp_path: Path) -> None:
    """A folder of images is split train, sorted, without hidden and other files."""
    labelled(tmp_path, "b.png", "a.JPG", "c.tif", ".hidden.png", ".cache/d.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    source = open_source(str(tmp_path))
    assert source.splits() == ("train",)
    items = source.items("train")
    assert [item.key for item in items] == ["a.JPG", "b.png", "c.tif"]
    assert {(item.label, item.is_normal) for item in items} == {("NORMAL", True)}
    assert source.frame(items[0]).pixels.shape == (20, 20)
    assert source.mask(items[0]) is None


def test_one_image_is_enough_to_open(tmp_path: Path) -> None:
    """A single file is a source; whether it is enough to train is not judged here."""
    picture(tmp_path / "only.png")
    assert len(open_source(str(tmp_path)).items("train")) == 1


def test_labelled_splits(tmp_path: Path) -> None:
    """{train,val,test}/CLASS gives three splits, and train lists normals only."""
    root = labelled(
        tmp_path,
        *(
            f"{split}/{label}/{n}.png"
            for split in ("train", "val", "test")
            for label in ("NORMAL", "SICK")
            for n in "ab"
        ),
    )
    source = open_source(str(root))
    assert source.splits() == ("train", "val", "test")
    assert [item.key for item in source.items("train")] == ["train/NORMAL/a.png", "train/NORMAL/b.png"]
    assert [(item.label, item.is_normal) for item in source.items("val")] == [
        ("NORMAL", True), ("NORMAL", True), ("SICK", False), ("SICK", False),
    ]  # fmt: skip


def test_train_and_val_alone_are_enough_and_a_missing_split_is_named(tmp_path: Path) -> None:
    """Without test/ the source opens; asking for it says which splits there are."""
    source = open_source(str(labelled(tmp_path, "train/NORMAL/a.png", "val/NORMAL/b.png", "val/SICK/c.png")))
    assert source.splits() == ("train", "val")
    with pytest.raises(DataError, match=r"no images for the split 'test'; there is train, val\. Put them"):
        source.items("test")


def test_normal_class_in_other_case(tmp_path: Path) -> None:
    """The case of the class folder does not matter, unless another folder fits exactly."""
    loose = labelled(tmp_path / "loose", "train/Normal/a.png", "val/normal/b.png", "val/SICK/b.png")
    assert [item.is_normal for item in open_source(str(loose)).items("val")] == [False, True]
    exact = labelled(tmp_path / "exact", "train/NORMAL/a.png", "train/Normal/b.png")
    assert [item.label for item in open_source(str(exact)).items("train")] == ["NORMAL"]


def test_typo_in_the_class_gets_a_suggestion(tmp_path: Path) -> None:
    """A class folder with a typo is named, with the option that makes it work."""
    root = labelled(tmp_path, "train/NORML/a.png", "train/SICK/b.png")
    with pytest.raises(
        DataError, match=r"no class 'NORMAL'; found NORML, SICK.*mean 'NORML'.*--normal-class NORML"
    ):
        open_source(str(root))
    assert len(open_source(str(root), normal_class="NORML").items("train")) == 1


def test_unlike_classes_get_no_suggestion(tmp_path: Path) -> None:
    """Where nothing is alike, the classes are listed and the option is named."""
    root = labelled(tmp_path, "train/cats/a.png", "val/dogs/b.png")
    with pytest.raises(DataError, match=r"found cats\. Name the folder of the normals with --normal-class"):
        open_source(str(root))


def test_classes_without_split_are_for_testing(tmp_path: Path) -> None:
    """CLASS folders with the normal class among them are split test; abnormals never become normals."""
    source = open_source(str(labelled(tmp_path, "NORMAL/a.png", "SICK/b.png")))
    assert source.splits() == ("test",)
    assert [item.is_normal for item in source.items("test")] == [True, False]
    with pytest.raises(
        DataError, match=r"To learn from the normals alone, name \S+/NORMAL; or move images to train/"
    ):
        source.items("train")


def test_classes_without_split_and_with_a_typo_are_not_taken_for_normals(tmp_path: Path) -> None:
    """NORML beside SICK is a slip, not a folder of normals."""
    with pytest.raises(DataError, match="Did you mean 'NORML'"):
        open_source(str(labelled(tmp_path, "NORML/a.png", "SICK/b.png")))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], r"no images.*found an empty folder.*train/NORMAL"),
        (["scan.raw", "readme.md"], r"no images.*\.png.*found readme\.md, scan\.raw"),
        (["train/NORMAL/scan.raw"], r"class 'NORMAL' holds no images.*Put the normals there"),
        (["train/a.png", "val/NORMAL/b.png"], r"train: 1 image\(s\) such as a\.png lie outside of any class"),
        (["train/a.txt"], r"train: no class folders\. Expected such as train/NORMAL"),
    ],
)
def test_unusable_folders_say_what_was_found(tmp_path: Path, files: list[str], reason: str) -> None:
    """Empty, without images, or in no known layout: each says what is there and what is expected."""
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=reason):
        open_source(str(tmp_path))


def test_outputs_are_no_images_and_no_classes(tmp_path: Path) -> None:
    """A folder of normals stays one after it was scored, and trained on, into folders inside of it."""
    from keras_sranogan.run_record import PROVENANCE, SETTINGS

    root = labelled(
        tmp_path, "NORMAL/a.png", "scores/heat_maps/a-1.png", "scores/b.png", "out/heat_maps/c.png"
    )
    labelled(root, "run/gan/00100.png", "@eaDir/t.jpg")
    for name in ("scores/results.jsonl", "out/results.jsonl", f"run/{SETTINGS}", f"run/{PROVENANCE}"):
        (root / name).touch()
    source = open_source(str(root))
    assert [item.key for item in source.items("train")] == ["NORMAL/a.png"]
    assert source.splits() == ("train",)
    told = sorted(str(one).removeprefix(f"{root}/") for one in passed_over_by(source))
    assert told == [
        "@eaDir: of the system",
        "out/heat_maps: our own output",
        "out/results.jsonl: our own output",
        "run: our own output",
        "scores: our own output",
    ]


def test_dicom_without_a_suffix_is_learned_from_by_patient(tmp_path: Path) -> None:
    """Names of scanners are numbers and UIDs: what looks like their suffix makes no patient of them."""
    pydicom = pytest.importorskip("pydicom", reason="the extra sranogan-edge[dicom] is not installed")
    names = {
        "train/NORMAL/IM1": "7",
        "train/NORMAL/IM2": "7",
        "train/NORMAL/1.2.3": "",
        "train/NORMAL/1.2.4": "",
    }
    (tmp_path / "train" / "NORMAL").mkdir(parents=True)
    for name, patient in names.items():
        film = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
        film.PatientID = patient
        film.save_as(tmp_path / name)
    groups = {item.key: item.group for item in open_source(str(tmp_path)).items("train")}
    assert set(groups) == set(names)
    assert groups["train/NORMAL/IM1"] == groups["train/NORMAL/IM2"]
    assert len(set(groups.values())) == 3


def test_link_loops_end(tmp_path: Path) -> None:
    """A link to a folder above is not followed round and round, and no image counts twice."""
    root = labelled(tmp_path, "train/NORMAL/a.png")
    (root / "train" / "NORMAL" / "loop").symlink_to(root, target_is_directory=True)
    (root / "train" / "NORMAL" / "self").symlink_to(root / "train" / "NORMAL", target_is_directory=True)
    assert [item.key for item in open_source(str(root)).items("train")] == ["train/NORMAL/a.png"]


def test_linked_folders_are_read(tmp_path: Path) -> None:
    """A class folder may be a link to where the images really are."""
    labelled(tmp_path / "store", "a.png", "b.png")
    (tmp_path / "root" / "train").mkdir(parents=True)
    (tmp_path / "root" / "train" / "NORMAL").symlink_to(tmp_path / "store", target_is_directory=True)
    assert len(open_source(str(tmp_path / "root")).items("train")) == 2


def test_bad_and_large_files_raise_when_read_not_when_listed(tmp_path: Path) -> None:
    """Listing opens no file; reading one gives the image's own error."""
    picture(tmp_path / "a.png", side=40)
    (tmp_path / "b.png").write_text("not an image")
    source = open_source(str(tmp_path), max_pixels=1000)
    large, text = source.items("train")
    with pytest.raises(OversizedImageError):
        source.frame(large)
    with pytest.raises(UnreadableImageError):
        source.frame(text)


@pytest.mark.parametrize(
    ("stem", "group"),
    [
        ("person1147_virus_1917", "person1147"),
        ("person7_bacteria_24", "person7"),
        ("IM-0115-0001", "IM-0115"),
        ("IM-0115-0001-0002", "IM-0115"),
        ("NORMAL2-IM-0472-0001-0002", "NORMAL2-IM-0472"),
        ("BACTERIA-1008087-0001", "1008087"),
        ("holiday", "val/NORMAL/holiday"),
    ],
)
def test_patient_from_the_file_name(tmp_path: Path, stem: str, group: str) -> None:
    """The file names of the Kermany set name the patient; any other file is its own."""
    root = labelled(tmp_path, f"val/NORMAL/{stem}.jpeg")
    assert open_source(str(root)).items("val")[0].group == group


def test_patient_from_the_index(tmp_path: Path) -> None:
    """index.csv goes before names: by path, by split, class and file, or by a file name that is unique."""
    root = labelled(
        tmp_path, "train/NORMAL/a.png", "train/NORMAL/b.png", "val/NORMAL/c.png", "val/NORMAL/IM-7-1.png",
        "train/NORMAL/same.png", "val/NORMAL/same.png",
    )  # fmt: skip
    (root / "index.csv").write_text(
        "\ufeffFile, Patient ,split,class\ntrain/NORMAL/a.png,P1,,\nb.png,P1,train,NORMAL\nc.png,P2,,\n"
        "IM-7-1.png,P5,val,NORMAL\nsame.png,P3,train,NORMAL\nsame.png,P4,val,NORMAL\n",
        encoding="utf-8",
    )
    source = open_source(str(root))
    groups = {item.key: item.group for split in ("train", "val") for item in source.items(split)}
    assert groups == {
        "train/NORMAL/a.png": "P1", "train/NORMAL/b.png": "P1", "val/NORMAL/c.png": "P2",
        "val/NORMAL/IM-7-1.png": "P5", "train/NORMAL/same.png": "P3", "val/NORMAL/same.png": "P4",
    }  # fmt: skip


def test_real_patients_do_not_stand_on_both_sides() -> None:
    """The chest X-rays have their published counts, and no patient is in train and val."""
    if not CHEST_XRAY.is_dir():
        pytest.skip(f"the chest X-rays are not at {CHEST_XRAY}")
    source = open_source(str(CHEST_XRAY))
    train, val = source.items("train"), source.items("val")
    assert (len(train), sum(i.is_normal for i in val), sum(not i.is_normal for i in val)) == (1141, 200, 400)
    assert not {item.group for item in train} & {item.group for item in val}
    assert len({item.group for item in train}) < len(train)
    assert source.frame(val[0]).pixels.shape[:2] == (224, 224)


def test_dicom_normals_are_split_by_patient(tmp_path: Path) -> None:
    """The header says who a film is of; the number itself is not passed on."""
    pydicom = pytest.importorskip("pydicom", reason="the extra sranogan-edge[dicom] is not installed")
    for name, patient in (("a.dcm", "77"), ("b.dcm", "77"), ("c.dcm", "78"), ("d.dcm", ""), ("e.dcm", None)):
        film = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
        if patient is None:
            del film.PatientID
        else:
            film.PatientID = patient
        film.save_as(tmp_path / name)
    (tmp_path / "f.dcm").write_bytes(b"no DICOM file")
    source = open_source(str(tmp_path))
    a, b, c, d, e, f = (item.group for item in source.items("train"))
    assert a == b
    assert len({a, c, d, e, f}) == 5
    assert not any(group == "77" for group in (a, c, d, e, f))
    assert source.frame(source.items("train")[0]).pixels.shape[:2] == (128, 128)


def test_dicom_normals_without_preamble_have_their_patient_too(tmp_path: Path) -> None:
    """A file without preamble, or without meta information, is of the patient that its header names."""
    pydicom = pytest.importorskip("pydicom", reason="the extra sranogan-edge[dicom] is not installed")
    whole = Path(pydicom.data.get_testdata_file("CT_small.dcm")).read_bytes()
    meta = 144 + int.from_bytes(whole[140:144], "little")
    for name, begin in (("a.dcm", 0), ("b.dcm", 132), ("c.dcm", 128), ("d.dcm", meta)):
        (tmp_path / name).write_bytes(whole[begin:])
    groups = [item.group for item in open_source(str(tmp_path)).items("train")]
    assert len(groups) == 4
    assert set(groups) == {groups[0]}
    assert groups[0].startswith("patient-")
