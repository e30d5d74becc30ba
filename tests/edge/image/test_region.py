"""The region of interest of images in tiles."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.errors import DegenerateImageError, SettingsError
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.image.region import Region, inside
from sranogan_edge.image.tiles import Box, cut, judged_tiles, within

LEFT: Region = ((0, 0), (0.5, 0), (0.5, 1), (0, 1))
TRIANGLE: Region = ((0.1, 0.1), (0.9, 0.2), (0.4, 0.9))


def spec(region: Any) -> PreprocessSpec:
    """Tiles of 64 pixels, side by side."""
    return PreprocessSpec(size=32, contrast="none", fit="tile", tile_px=64, tile_overlap=0, region=region)


def noise(height: int, width: int, *channels: int) -> NDArray[np.uint8]:
    """Detail all over."""
    return np.random.default_rng(0).integers(0, 256, (height, width, *channels), np.uint8)


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ([(0.1, 0.1), (0.9, 0.9)], "has 2 corners"),
        ([(0.1, 0.1), (0.9, 0.1), (1.2, 0.9)], r"has a corner at 1\.2,0\.9, outside the image"),
        ([(-0.1, 0.1), (0.9, 0.1), (0.5, 0.9)], r"has a corner at -0\.1,0\.1, outside the image"),
        ([(float("nan"), 0), (1, 0), (1, 1)], "has a corner at nan,0, outside the image"),
        ([(0.1, 0.1), (0.5, 0.5), (0.9, 0.9)], "encloses .* of the image, next to nothing"),
        ([(100, 100), (900, 100), (900, 900)], "has a corner at 100,100, outside the image"),
        ([0.1, 0.2, 0.3], "must be corners"),
        ([("a", "b")] * 3, "must be corners"),
        (7, "must be corners"),
        ([(0.5, 0.5)] * 2000, "has 2000 corners"),
    ],
)
def test_what_is_no_polygon_in_the_image_is_refused(region: Any, said: str) -> None:
    """Each with what was received, and how a region is named."""
    with pytest.raises(SettingsError, match=f"region {said}.*three corners, each by its shares"):
        spec(region)


def test_a_region_goes_with_tiles() -> None:
    """With any other fit it would be left out in silence."""
    with pytest.raises(SettingsError, match="region goes with fit tile"):
        PreprocessSpec(region=TRIANGLE)


def test_a_region_is_saved_and_read() -> None:
    """It comes back from JSON, whatever lists and tuples it went through."""
    chosen = spec([[0.1, 0.1], [0.9, 0.2], [0.4, 0.9]])
    assert chosen.region == TRIANGLE
    assert PreprocessSpec.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen


@pytest.mark.parametrize("region", [LEFT, TRIANGLE])
def test_parts_make_the_whole(region: Region) -> None:
    """What is inside is the same, but for the border, whether asked of the whole image or of its parts."""
    whole = inside(region, (120, 200), 0, 0, (120, 200))
    part = inside(region, (120, 200), 50, 30, (64, 64))
    assert (part != whole[30:94, 50:114]).mean() < 0.02
    x, y = np.array(region).T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert whole.mean() == pytest.approx(area, abs=0.02)


def test_outside_nothing_is_seen() -> None:
    """Whatever is drawn beside the region, tiles are the same; those wholly outside are not judged."""
    one, other = noise(128, 256), noise(128, 256)
    other[:, 130:] = 255 - other[:, 130:]
    frames = [Frame(pixels, 8, Photometric.MONOCHROME2, source="t") for pixels in (one, other)]
    chosen = spec([(0, 0), (0.4, 0), (0.4, 1), (0, 1)])
    plain, changed = (list(judged_tiles(frame, chosen)) for frame in frames)
    assert [x is None for _, x in plain] == [False, False, True, True] * 2
    for (_, x), (_, y) in zip(plain, changed, strict=True):
        assert (x is None) == (y is None)
        assert x is None or y is None or np.array_equal(x, y)


def test_a_tile_across_the_border_keeps_what_is_inside() -> None:
    """Pixels inside stay, those outside have their mean, in colour too; the image is not written to."""
    pixels = noise(64, 128, 3)
    kept = pixels.copy()
    frame, box = Frame(pixels, 8, Photometric.RGB, source="t"), Box(32, 0, 64)
    tile = within(cut(frame, box), box, (64, 128), spec(LEFT))
    assert np.array_equal(tile.pixels[:, :31], pixels[:, 32:63])
    assert np.array_equal(pixels, kept)
    mean = pixels[:, 32:64].reshape(-1, 3).mean(axis=0)
    assert np.abs(tile.pixels[:, 33:] - mean).max() < 2


def test_an_image_with_nothing_in_its_region_is_refused() -> None:
    """Where all is blank inside, the noise outside does not count."""
    pixels = noise(128, 256)
    pixels[:, :128] = 9
    with pytest.raises(DegenerateImageError):
        list(judged_tiles(Frame(pixels, 8, Photometric.MONOCHROME2, source="t"), spec(LEFT)))
