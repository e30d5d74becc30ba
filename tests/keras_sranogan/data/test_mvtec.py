"""Inspection sets with masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data.source import open_source
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
    with pytest.raises(DataError, match=r"000_mask\.png: no such mask of test/broken/000\.png"):
        source.mask(broken)
    (root / "ground_truth" / "broken").rmdir()
    (root / "ground_truth").rmdir()
    assert source.mask(broken) is None


def test_no_good_images(tmp_path: Path) -> None:
    """An empty train/good is refused by name."""
    (tmp_path / "train" / "good").mkdir(parents=True)
    with pytest.raises(DataError, match="good: no images"):
        open_source(str(tmp_path))
