"""Layouts of folders by the names that they usually have, and what is said of all others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data.item import DataSource
from keras_sranogan.data.layout import ALL
from keras_sranogan.data.names import means_abnormal, means_normal, means_split
from keras_sranogan.data.open import open_source
from keras_sranogan.data.overview import overview
from sranogan_edge.errors import DataError

PIXELS = np.arange(400, dtype=np.uint32).reshape(20, 20) % 251


def tree(root: Path, **counts: int) -> Path:
    """A root with so many images in each folder, whose path is written with ``__`` for ``/``."""
    for folder, count in counts.items():
        place = root / folder.replace("__", "/")
        place.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(PIXELS.astype(np.uint8)).save(place / f"x{folder}{number}.png")
    return root


def found(source: DataSource) -> dict[str, Counter[tuple[str, bool]]]:
    """How many images of each class there are in each split, and whether they are taken for normal."""
    return {
        split: Counter((item.label, item.is_normal) for item in source.items(split))
        for split in source.splits()
    }


@pytest.mark.parametrize(
    ("train", "test", "normal", "other"),
    [
        ("Train", "Test", "NORMAL", "PNEUMONIA"),
        ("TRAIN", "TEST", "Normal", "Sick"),
        ("Training", "Testing", "notumor", "glioma"),
        ("train_set", "test_images", "good_parts", "bad_parts"),
        ("trainset", "evaluation", "No Finding", "Effusion"),
        ("training-data", "testing-data", "healthy", "diseased"),
        ("train", "test", "OK", "NOK"),
        ("Train", "Holdout", "non_defective", "defective"),
        ("1_train", "2_test", "0_normal", "1_abnormal"),
        ("train", "test", "defect-free", "scratch"),
    ],
)
def test_usual_names_in_any_case(tmp_path: Path, train: str, test: str, normal: str, other: str) -> None:
    """Splits and normals by another usual name are these, and abnormals are neither learned nor lost."""
    root = tree(
        tmp_path,
        **{f"{train}__{normal}": 3, f"{train}__{other}": 4, f"{test}__{normal}": 2, f"{test}__{other}": 5},
    )
    source = open_source(str(root))
    assert found(source) == {
        "train": {(normal, True): 3},
        "test": {(normal, True): 2, (other, False): 5},
    }
    assert f"not used: {train}/{other} (4 images, not normal)" in "\n".join(overview(source))


@pytest.mark.parametrize("name", ["val", "Valid", "VALIDATION", "validation_set", "dev"])
def test_names_of_the_validation_split(tmp_path: Path, name: str) -> None:
    """Val has other names too."""
    source = open_source(str(tree(tmp_path, train__NORMAL=1, **{f"{name}__NORMAL": 1})))
    assert source.splits() == ("train", "val")


def test_a_wrapping_folder_is_looked_through(tmp_path: Path) -> None:
    """One folder more on the way, or two, changes nothing; keys begin at the folder that was named."""
    tree(tmp_path, a__data__Train__NORMAL=3, a__data__Train__PNEUMONIA=3, a__data__Test__PNEUMONIA=3)
    (tmp_path / "__MACOSX").mkdir()
    source = open_source(str(tmp_path))
    assert found(source) == {"train": {("NORMAL", True): 3}, "test": {("PNEUMONIA", False): 3}}
    assert all(item.key.startswith("a/data/Train/NORMAL/") for item in source.items("train"))
    wrapped = open_source(str(tree(tmp_path / "wrapped", images=4)))
    assert found(wrapped) == {"train": {("NORMAL", True): 4}}
    inside = open_source(str(tree(tmp_path / "inside", train__x__good=2, train__x__bad=2, test__x__bad=1)))
    assert found(inside) == {"train": {("good", True): 2}, "test": {("x", False): 1}}


@pytest.mark.parametrize(
    ("good", "bad"), [("good", "bad"), ("ok", "ko"), ("Healthy", "Tumor"), ("neg", "pos")]
)
def test_classes_alone_are_to_test_on(tmp_path: Path, good: str, bad: str) -> None:
    """Two classes without splits are never learned from as one, and the way to learn is told."""
    source = open_source(str(tree(tmp_path, **{good: 3, bad: 3})))
    assert found(source) == {"test": {(good, True): 3, (bad, False): 3}}
    with pytest.raises(DataError, match=rf"name \S+/{good}; or move"):
        source.items("train")
    assert found(open_source(str(tmp_path / good))) == {"train": {("NORMAL", True): 3}}


def test_several_products_are_refused_with_their_list(tmp_path: Path) -> None:
    """A parent of MVTec's products is not one set of normals."""
    for product in ("bottle", "cable", "screw"):
        tree(tmp_path, **{f"{product}__train__good": 2, f"{product}__test__bent": 2})
    with pytest.raises(
        DataError, match=r"holds 3 sets.*bottle, cable, screw.*name one of them, such as \S+/bottle"
    ):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"cats": 2, "dogs": 3}, r"no class 'NORMAL'; found cats, dogs\..*--normal-class"),
        ({"0": 2, "1": 3}, r"no class 'NORMAL'; found 0, 1\."),
        ({"abnormal": 2, "rest": 3}, r"found abnormal, rest\. Name the folder of the normals"),
        ({"patient1": 2, "patient2": 3}, r"found patient1, patient2.*--normal-class '\*'"),
        ({".": 2, "defects": 1}, r"2 images beside folders that hold images too"),
        ({"PNEUMONIA": 2}, r"holds PNEUMONIA alone, which does not sound normal.*--normal-class PNEUMONIA"),
        ({"images": 2, "masks": 2}, r"found images, masks"),
        ({"train__good": 1, "train__ok": 1}, r"good and ok may both be the normal class"),
        ({"train__good": 1, "Training__good": 1}, r"Training and train may both be the split train"),
        (
            {"train__NORMAL__images": 1, "train__NORMAL__masks": 1},
            r"a folder masks inside of the class NORMAL",
        ),
        ({"NORMAL__sick": 1, "NORMAL__well": 1}, r"a folder sick inside of the class NORMAL"),
        ({"NORMAL__train": 1, "SICK__train": 1}, r"classes NORMAL, SICK have splits in them"),
        ({"train__bottle__good": 1, "train__cable__good": 1}, r"no class 'NORMAL'; found bottle, cable"),
    ],
)
def test_what_is_not_understood_is_refused_and_shown(
    tmp_path: Path, counts: dict[str, int], reason: str
) -> None:
    """Each says what was found, shows the folders with their counts, and names what settles it."""
    tree(tmp_path, **counts)
    with pytest.raises(DataError, match=reason) as caught:
        open_source(str(tmp_path))
    shown = str(caught.value).partition("\nFound:\n")[2]
    for folder, count in counts.items():
        if (name := folder.rpartition("__")[2]) != ".":
            assert f"{name}/  {count} image" in shown


def test_an_option_settles_it(tmp_path: Path) -> None:
    """--normal-class takes a class of any name, and ``*`` all images at any depth."""
    tree(tmp_path, cats=2, dogs=3)
    assert found(open_source(str(tmp_path), normal_class="dogs")) == {
        "test": {("cats", False): 2, ("dogs", True): 3}
    }
    assert found(open_source(str(tmp_path), normal_class=ALL)) == {"train": {("NORMAL", True): 5}}
    alone = tree(tmp_path / "alone", PNEUMONIA=2)
    assert found(open_source(str(alone), normal_class="PNEUMONIA")) == {"train": {("PNEUMONIA", True): 2}}


def test_a_class_asked_for_by_name_has_no_other_names(tmp_path: Path) -> None:
    """Who asks for cats is not given the folder good."""
    tree(tmp_path, train__good=1, train__dogs=1)
    with pytest.raises(DataError, match="no class 'cats'"):
        open_source(str(tmp_path), normal_class="cats")


@pytest.mark.parametrize(
    "name", ["unhealthy", "Not_OK", "non-normal", "abnormal", "NG", "COVID-19", "no good"]
)
def test_names_that_only_sound_normal(name: str) -> None:
    """A name that denies what is normal is no normal."""
    assert (means_normal(name), means_abnormal(name)) == (False, True)


@pytest.mark.parametrize("name", ["images", "chest_xray", "known", "Nordic", "trainer", "contest", "latest"])
def test_other_names_mean_nothing(name: str) -> None:
    """A name that holds such a word by chance is not taken for it."""
    assert (means_normal(name), means_abnormal(name), means_split(name)) == (False, False, None)


def test_the_table_says_what_is_taken_for_normal(tmp_path: Path) -> None:
    """Before training: splits, classes, counts, what is learned from, what is left out, and who is who."""
    tree(tmp_path, Train__good=3, Train__bad=2, Test__good=1, Test__bad=2, extra=4)
    lines = overview(open_source(str(tmp_path)))
    assert [line.split() for line in lines[1:5]] == [
        ["split", "class", "images", "taken", "for"],
        ["train", "good", "3", "normal,", "learned", "from"],
        ["test", "good", "1", "normal,", "to", "test", "on"],
        ["test", "bad", "2", "not", "normal,", "to", "test", "on"],
    ]
    assert lines[5:7] == [
        "  not used: extra (4 images, no split)",
        "  not used: Train/bad (2 images, not normal)",
    ]
    assert "nothing says who" in lines[7]
