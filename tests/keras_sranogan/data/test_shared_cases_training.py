"""Every training set of the shared examples: its what is in it, or why it is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_sranogan.data.load import load_images
from keras_sranogan.data.normals import Reader, read_normals
from keras_sranogan.data.open import open_source
from keras_sranogan.data.overview import overview
from keras_sranogan.presets import preset
from keras_sranogan.progress import Silent
from sranogan_edge.errors import DataError
from tests.support.shared_cases import CASES, every_file_of, needs

pytestmark = needs("training")
Counts = dict[tuple[str, str, bool], int]

TWO_AND_ONE = ["P1", "P1", "P2"]  # the patients of a, b and c
INDEXES: dict[str, list[str] | str] = {
    **dict.fromkeys(
        (
            *("good", "Index.csv", "absolute", "backslash", "blank_first_line", "bom_crlf", "case_differs"),
            *("comment_sep_line", "dot_slash", "index_in_train", "other_names", "patientid_header"),
            *("quoted_spaces", "root_prefixed", "semicolon_excel_de", "tab", "utf16", "without_suffix"),
        ),
        TWO_AND_ONE,
    ),
    "latin1_patient": ["Müller", "Müller", "P2"],
    "numeric_excel": ["1", "1", "1"],  # a spreadsheet writes 1 and 1.0
    "header_missing": "no column 'file' in its first line; found 'train/NORMAL/a.png', 'P1'",
    "stale_only_some": "names no patient for 2 of the 3 images of train, such as train/NORMAL/b.png",
    # its row for the name with two signs is found whichever way these are written; c has none
    "nfc_vs_nfd": "names no patient for 1 of the 3 images of train, such as train/NORMAL/c.png",
    "mvtec_index": ["P1", "P1", "test/x/c"],
}
LAYOUTS: dict[str, Counts | str] = {
    "capital": {
        ("train", "NORMAL", True): 30,
        ("test", "NORMAL", True): 10,
        ("test", "PNEUMONIA", False): 10,
    },
    "training": {
        ("train", "notumor", True): 30,
        ("test", "notumor", True): 10,
        ("test", "glioma", False): 10,
    },
    "onechild": {("train", "NORMAL", True): 30, ("test", "PNEUMONIA", False): 30},
    "goodbad": {("test", "good", True): 30, ("test", "bad", False): 30},
    "mvtec_parent": "holds 2 sets, each with splits of its own: bottle, cable",
}
NOT_USED = {"capital": "Train/PNEUMONIA", "training": "Training/glioma", "onechild": "train/PNEUMONIA"}
MASKS: dict[str, int | str | None] = {  # pixels that the mask of the broken part marks
    **dict.fromkeys(
        (
            *("standard", "no_mask_suffix", "mask_upper", "gt_uppercase", "other_ext", "upper_ext_img"),
            *("mask_jpeg", "mask_01", "loco"),
        ),
        2500,
    ),
    "mask_half_size": 784,
    "none": None,
    "mask_zero": "marks nothing",
}
NO_SUFFIX = ("ima", "mixed", "nosuf", "uidnames")


def training(*names: str) -> str:
    """The address of a training set."""
    return str(CASES.joinpath("training", *names))


def test_every_set_is_named() -> None:
    """A new set without an expectation fails here, and so does a file in a set that has one more."""
    sets = {tuple(name.split("/")[:2]) for name in every_file_of("training")}
    named: dict[str, Iterable[str]] = {
        "index-csv": INDEXES,
        "layouts": LAYOUTS,
        "mvtec-variants": MASKS,
        "dicom-no-suffix": NO_SUFFIX,
    }
    expected = {(kind, name) for kind, names in named.items() for name in names}
    assert sets == expected | {("duplicates", "train"), ("duplicates", "test")}


def test_every_file_is_counted() -> None:
    """What the expectations below count is all that lies there."""
    files = Counter(name.split("/")[0] for name in every_file_of("training"))
    masks = len(MASKS) - 1
    assert files == {
        "index-csv": 4 * len(INDEXES),
        "layouts": 80 + 60 + 80 + 80 + 90,
        "mvtec-variants": 3 * len(MASKS) + masks,
        "dicom-no-suffix": 6 * len(NO_SUFFIX),
        "duplicates": 80 + 20,
    }


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_is_read_or_refused(name: str) -> None:
    """Each image has the patient of its row; what names not all of them is refused and says which."""
    expected = INDEXES[name]
    if isinstance(expected, str):
        with pytest.raises(DataError) as raised:
            open_source(training("index-csv", name))
        assert expected in str(raised.value)
        assert "Give it a first line such as file,patient" in str(raised.value)
        return
    source = open_source(training("index-csv", name))
    items = [item for split in source.splits() for item in source.items(split)]
    assert [item.group for item in items] == expected
    told = f"{len(items) - expected.count('test/x/c')} by index.csv"
    assert told in "\n".join(overview(source))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_understood_or_refused(name: str) -> None:
    """Splits, classes, counts and what is normal; abnormal images of train are named, not learned from."""
    expected = LAYOUTS[name]
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected) as raised:
            open_source(training("layouts", name))
        assert "bottle/  40 images" in str(raised.value)
        return
    source = open_source(training("layouts", name))
    found: Counter[Any] = Counter(
        (split, item.label, item.is_normal) for split in source.splits() for item in source.items(split)
    )
    assert found == expected
    if name in NOT_USED:
        assert f"not used: {NOT_USED[name]} (30 images, not normal)" in "\n".join(overview(source))
    if name == "goodbad":
        with pytest.raises(DataError, match=r"without splits, all to test on\. To learn from the normals"):
            source.items("train")


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_found_or_refused(name: str) -> None:
    """The broken part has the mask that lies there, whatever it is called; a good part has none."""
    source = open_source(training("mvtec-variants", name))
    assert source.anomalies == "mixture"
    assert [item.key for item in source.items("train")] == ["train/good/000.png"]
    broken, good = source.items("test")
    assert (broken.is_normal, good.is_normal) == (False, True)
    assert source.mask(good) is None
    expected = MASKS[name]
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            source.mask(broken)
        return
    mask = source.mask(broken)
    assert (None if mask is None else int(np.count_nonzero(mask))) == expected


@pytest.mark.parametrize("name", NO_SUFFIX)
def test_dicom_without_a_suffix_is_learned_from(name: str) -> None:
    """All six films are normals, of the three patients that their headers name; all decode."""
    source = open_source(training("dicom-no-suffix", name))
    items = source.items("train")
    assert len(items) == 6
    assert sorted(Counter(item.group for item in items).values()) == [2, 2, 2]
    loaded = load_images(source, items, preset("demo").preprocess)
    assert (len(loaded.items), loaded.skipped, loaded.duplicates) == (6, (), 5)


def test_copies_are_learned_from_once(tmp_path: Path) -> None:
    """Forty films that lie there twice are too few for a training, which says how many are copies."""
    source = open_source(training("duplicates"))
    names = Counter((split, item.label) for split in source.splits() for item in source.items(split))
    assert names == {("train", "NORMAL"): 80, ("test", "NORMAL"): 10, ("test", "ILL"): 10}
    reader = Reader(source, preset("demo"), Silent(), 0.05)
    with pytest.raises(DataError, match=r"40 normal images .*\(40 more equal one of these in every pixel\)"):
        read_normals(reader)
