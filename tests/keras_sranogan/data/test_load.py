"""From items to an array, around what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data.item import Item
from keras_sranogan.data.load import load_images
from keras_sranogan.data.open import open_source
from sranogan_edge.errors import DataError, DegenerateImageError, SettingsError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, low_pass, preprocess

SPEC = PreprocessSpec(size=32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten readable images of ten sizes and several kinds."""
    rng = np.random.default_rng(2)
    for n in range(10):
        shape = (20 + 7 * n, 90 - 5 * n, 3)
        pixels = rng.integers(0, 256, shape if n % 2 else shape[:2], np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{n}.{('png', 'jpg', 'tif')[n % 3]}")
    return tmp_path


def test_mixed_sizes_become_one_array(root: Path) -> None:
    """Images of any size and kind load in item order, as preprocess gives them."""
    source = open_source(str(root))
    items = source.items("train")
    progress: list[int] = []
    loaded = load_images(source, items, SPEC, on_progress=progress.append)
    assert loaded.x.dtype == np.float32
    assert loaded.x.shape == (10, 32, 32, 1)
    assert (loaded.items, loaded.skipped, loaded.duplicates) == (tuple(items), (), 0)
    np.testing.assert_array_equal(loaded.x[4], preprocess(source.frame(items[4]), SPEC))
    assert progress == list(range(1, 11))


def test_one_image(root: Path) -> None:
    """A single item is an array of one."""
    source = open_source(str(root))
    assert load_images(source, source.items("train")[:1], SPEC).x.shape == (1, 32, 32, 1)


def test_low_pass_removes_detail(root: Path) -> None:
    """The control column loads smoother images of the same shape."""
    Image.effect_noise((400, 400), 90).save(root / "z.png")
    source = open_source(str(root))
    item = source.items("train")[-1:]
    spec = PreprocessSpec(size=128, contrast="none")
    sharp = load_images(source, item, spec).x
    smooth = load_images(source, item, spec, transform=lambda frame, _: low_pass(frame)).x
    assert smooth.shape == sharp.shape
    assert np.abs(np.diff(smooth, axis=1)).mean() < 0.7 * np.abs(np.diff(sharp, axis=1)).mean()


def test_transform_comes_before_everything_else(root: Path) -> None:
    """A transform sees frame and item, and may refuse an image like the file itself."""

    def inverted(frame: Frame, item: Item) -> Frame:
        if item.key.startswith("9"):
            raise DegenerateImageError("refused")
        return replace(frame, pixels=~frame.pixels)

    source = open_source(str(root))
    items, spec = source.items("train"), PreprocessSpec(size=32, contrast="none")
    plain = load_images(source, items, spec).x
    loaded = load_images(source, items, spec, transform=inverted, max_bad_share=0.1)
    np.testing.assert_allclose(loaded.x, 1 - plain[:9], atol=1.1 / 255)
    assert [(skipped.key[0], skipped.reason) for skipped in loaded.skipped] == [("9", "refused")]


def test_bad_images_are_skipped_and_named(root: Path) -> None:
    """Unreadable and empty images are left out with their reasons; the rest keeps its order."""
    (root / "a.png").write_text("oops")
    Image.new("L", (50, 50)).save(root / "b.png")
    source = open_source(str(root))
    loaded = load_images(source, source.items("train"), SPEC, max_bad_share=0.2)
    assert [skipped.key for skipped in loaded.skipped] == ["a.png", "b.png"]
    assert "not a JPEG" in loaded.skipped[0].reason
    assert "constant brightness" in loaded.skipped[1].reason
    assert [item.key[0] for item in loaded.items] == list("0123456789")
    assert loaded.x.shape[0] == 10


def test_too_many_bad_images_end_the_load(root: Path) -> None:
    """Above the share: how many, which share, the first names with their reasons, and the option."""
    for n in range(5):
        (root / f"x{n}.png").write_text("oops")
    source = open_source(str(root))
    with pytest.raises(DataError) as caught:
        load_images(source, source.items("train"), SPEC)
    message = str(caught.value)
    for part in ("5 of 15 images (33.3%)", "5.0%", "--max-bad-share", "x0.png: not a JPEG", "and 2 more"):
        assert part in message
    load_images(source, source.items("train"), SPEC, max_bad_share=0.34)


def test_no_readable_image_is_an_error_whatever_the_share(tmp_path: Path) -> None:
    """Nothing to go on with is an error even where all may be bad, and raising the share is no cure."""
    (tmp_path / "a.png").write_text("oops")
    source = open_source(str(tmp_path))
    with pytest.raises(DataError, match=r"1 of 1 images \(100.0%\)") as caught:
        load_images(source, source.items("train"), SPEC, max_bad_share=1.0)
    assert "--max-bad-share" not in str(caught.value)
    with pytest.raises(DataError, match="no images to load"):
        load_images(source, [], SPEC)


def test_duplicates_are_counted(root: Path) -> None:
    """A copy under another name is loaded and counted."""
    (root / "copy.png").write_bytes((root / "0.png").read_bytes())
    (root / "again.png").write_bytes((root / "0.png").read_bytes())
    source = open_source(str(root))
    loaded = load_images(source, source.items("train"), SPEC)
    assert (loaded.duplicates, len(loaded.items)) == (2, 12)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_share_out_of_range(root: Path, share: float) -> None:
    """The share is refused before anything is read."""
    source = open_source(str(root))
    with pytest.raises(SettingsError, match="max_bad_share"):
        load_images(source, source.items("train"), SPEC, max_bad_share=share)
