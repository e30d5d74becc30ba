"""Inspection sets with masks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from keras_sranogan.data.open import open_source
from sranogan_edge.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two good parts to train on, one to test, one broken in its upper left corner."""
    for name in ("train/good/000", "train/good/001", "test/good/000", "test/broken/000"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((40, 30), 50).save(path)
    marked = np.zeros((30, 40), np.uint8)
    marked[:10, :5] = 255
    (tmp_path / "ground_truth" / "broken").mkdir(parents=True)
    Image.fromarray(marked).save(tmp_path / "ground_truth" / "broken" / "000_mask.png")
    return tmp_path


@pytest.mark.parametrize("normal_class", ["NORMAL", "good"])
def test_layout_is_recognised(root: Path, normal_class: str) -> None:
    """train/good and test/DEFECT are found with or without naming the class, in key order."""
    source = open_source(str(root), normal_class=normal_class)
    assert source.splits() == ("train", "test")
    assert [item.key for item in source.items("train")] == ["train/good/000.png", "train/good/001.png"]
    assert [(item.label, item.is_normal) for item in source.items("test")] == [
        ("broken", False),
        ("good", True),
    ]
    assert len({item.group for split in ("train", "test") for item in source.items(split)}) == 4


def test_mask_is_boolean_at_frame_size(root: Path) -> None:
    """The mask of a defect has the size of its frame; a good part has none."""
    source = open_source(str(root))
    broken, good = source.items("test")
    mask = source.mask(broken)
    assert mask is not None
    assert mask.dtype == np.bool_
    assert mask.shape == source.frame(broken).pixels.shape
    assert (int(mask.sum()), bool(mask[:10, :5].all())) == (50, True)
    assert source.mask(good) is None


def test_colour_masks_count_any_channel(root: Path) -> None:
    """A mask drawn in colour marks the same pixels."""
    path = root / "ground_truth" / "broken" / "000_mask.png"
    Image.merge("RGB", [Image.new("L", (40, 30)), Image.open(path), Image.new("L", (40, 30))]).save(path)
    source = open_source(str(root))
    mask = source.mask(source.items("test")[0])
    assert mask is not None
    assert (mask.shape, int(mask.sum())) == ((30, 40), 50)


def test_missing_mask_is_named(root: Path) -> None:
    """One mask missing among others is an error; no ground_truth at all means no masks."""
    (root / "ground_truth" / "broken" / "000_mask.png").unlink()
    source = open_source(str(root))
    broken = source.items("test")[0]
    with pytest.raises(
        DataError,
        match=r"broken: no mask of test/broken/000\.png\. Accepted are NAME_mask\.png, NAME\.png or a folder",
    ):
        source.mask(broken)
    (root / "ground_truth" / "broken").rmdir()
    (root / "ground_truth").rmdir()
    assert source.mask(broken) is None


def test_masks_of_something_else_are_none(root: Path) -> None:
    """A folder of masks without one of the defect's name is not about defects, and ends no evaluation."""
    (root / "ground_truth").rename(root / "masks")
    (root / "masks" / "broken").rename(root / "masks" / "background")
    assert mask_of_the_broken(root) is None
    for split in ("train", "test"):
        (root / split / "good").rename(root / split / "NORMAL")
    assert open_source(str(root)).anomalies == "spots"
    (root / "masks" / "background").rename(root / "masks" / "broken")
    assert open_source(str(root)).anomalies == "mixture"


def test_no_good_images(tmp_path: Path) -> None:
    """An empty train/good is refused by name."""
    (tmp_path / "train" / "good").mkdir(parents=True)
    with pytest.raises(DataError, match="good: no images"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        "ground_truth/broken/000.png",
        "ground_truth/broken/000_mask.PNG",
        "ground_truth/broken/000_mask.bmp",
        "Ground_Truth/Broken/000_mask.png",
        "ground_truth/broken/000/000.png",
        "masks/broken/000.png",
    ],
)
def test_masks_by_their_usual_names(root: Path, name: str) -> None:
    """A mask is found by the name of its image, or in a folder of that name, in any case and kind of file."""
    drawn = Image.open(root / "ground_truth" / "broken" / "000_mask.png").copy()
    shutil.rmtree(root / "ground_truth")
    (root / name).parent.mkdir(parents=True)
    drawn.save(root / name)
    mask = mask_of_the_broken(root)
    assert mask is not None
    assert (int(mask.sum()), bool(mask[:10, :5].all())) == (50, True)


def test_several_masks_of_one_image_are_joined(root: Path) -> None:
    """MVTec LOCO has a folder of masks for each image: all of them count."""
    folder = root / "ground_truth" / "broken"
    (folder / "000").mkdir()
    (folder / "000_mask.png").rename(folder / "000" / "000.png")
    second = np.zeros((30, 40), np.uint8)
    second[20:, :2] = 3
    Image.fromarray(second).save(folder / "000" / "001.png")
    mask = mask_of_the_broken(root)
    assert mask is not None
    assert int(mask.sum()) == 50 + 20
    Image.fromarray(second[:5]).save(folder / "000" / "002.png")
    with pytest.raises(DataError, match=r"masks of test/broken/000\.png are not of one size"):
        mask_of_the_broken(root)


def test_masks_that_were_saved_as_jpeg_have_no_halo(root: Path) -> None:
    """What JPEG adds around an edge is no defect."""
    folder = root / "ground_truth" / "broken"
    Image.open(folder / "000_mask.png").save(folder / "000_mask.jpg", quality=50)
    (folder / "000_mask.png").unlink()
    mask = mask_of_the_broken(root)
    assert mask is not None
    assert abs(int(mask.sum()) - 50) <= 15


def mask_of_the_broken(root: Path) -> NDArray[np.bool_] | None:
    """The mask of the only defect."""
    source = open_source(str(root))
    return source.mask(source.items("test")[0])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg"])
def test_a_mask_that_marks_nothing_is_refused(root: Path, suffix: str) -> None:
    """An image of a defect whose mask is black all over is named, with what to do; a folder of masks, too."""
    folder = root / "ground_truth" / "broken"
    (folder / "000_mask.png").unlink()
    black = Image.new("L", (40, 30))
    black.save(folder / f"000_mask{suffix}")
    source = open_source(str(root))
    broken, good = source.items("test")
    told = (
        f"000_mask{suffix}: marks nothing (all of it is 0), and test/broken/000.png shows a defect. Draw it"
    )
    with pytest.raises(DataError) as raised:
        source.mask(broken)
    assert told in str(raised.value)
    assert source.mask(good) is None
    (folder / f"000_mask{suffix}").unlink()
    (folder / "000").mkdir()
    for name in "ab":
        black.save(folder / "000" / f"{name}{suffix}")
    with pytest.raises(DataError, match="marks nothing"):
        open_source(str(root)).mask(broken)
    Image.new("L", (40, 30), 255).save(folder / "000" / f"c{suffix}")
    found = open_source(str(root)).mask(broken)
    assert found is not None
    assert found.all()
