"""How an image is covered with tiles, whatever its size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sranogan_edge.errors import DegenerateImageError, ImageError, OversizedImageError, SettingsError
from sranogan_edge.image.frame import Frame, Photometric, Window
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.image.tiles import MOST_TILES, Box, cut, judged_tiles, plan_tiles, whole


def spec(side: int = 256, overlap: float = 0.25, size: int = 32) -> PreprocessSpec:
    """Tiles of ``side`` pixels."""
    return PreprocessSpec(size=size, contrast="none", fit="tile", tile_px=side, tile_overlap=overlap)


def noise(height: int, width: int, seed: int = 0) -> Frame:
    """A frame with detail all over."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    return Frame(pixels, 8, Photometric.MONOCHROME2, source="noise")


SIZES = [(256, 256), (257, 256), (2000, 8000), (300, 3001), (1023, 777), (3000, 4000), (256, 10_000)]


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.5, 0.75])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_pixel_is_covered_and_no_tile_leaves_the_image(height: int, width: int, overlap: float) -> None:
    """Sizes that no tile divides, one of one tile, and strips are covered by whole tiles inside the image."""
    covered = np.zeros((height, width), np.bool_)
    for box in plan_tiles(height, width, spec(overlap=overlap)):
        assert box.side == 256
        assert 0 <= box.top <= height - 256
        assert 0 <= box.left <= width - 256
        covered[box.top : box.top + 256, box.left : box.left + 256] = True
    assert covered.all()


@pytest.mark.parametrize("overlap", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("length", [256, 300, 512, 1023, 8000])
def test_what_is_no_larger_than_the_overlap_lies_wholly_in_a_tile(length: int, overlap: float) -> None:
    """A defect across the border of a tile is whole in the next one, wherever it lies."""
    tops = sorted({box.top for box in plan_tiles(length, 256, spec(overlap=overlap))})
    defect = int(256 * overlap)
    for start in range(length - defect + 1):
        assert any(top <= start and start + defect <= top + 256 for top in tops)


def test_tiles_are_evenly_spaced_and_no_more_than_needed() -> None:
    """8,000 x 2,000 pixels with a quarter of overlap take 42 x 11 tiles, row by row from the corner."""
    boxes = plan_tiles(2000, 8000, spec())
    assert len(boxes) == 42 * 11
    assert boxes[0] == Box(0, 0, 256)
    assert boxes[-1] == Box(8000 - 256, 2000 - 256, 256)
    lefts = [box.left for box in boxes[:42]]
    assert set(np.diff(lefts)) <= {188, 189}


@pytest.mark.parametrize(("height", "width"), [(255, 4000), (4000, 255), (16, 16), (1, 10_000)])
def test_an_image_smaller_than_a_tile_is_refused(height: int, width: int) -> None:
    """It is not stretched to another scale: its size and the tile's are named, and what to do."""
    said = rf"noise: {width} x {height} pixels are less than one tile of 256 x 256.*--tile-px"
    with pytest.raises(DegenerateImageError, match=said):
        next(judged_tiles(noise(height, width), spec()))


def test_the_number_of_tiles_is_bounded() -> None:
    """20,000 x 20,000 pixels at full scale are refused before any work; at a coarser one they are taken."""
    with pytest.raises(
        OversizedImageError, match=r"big: 20000 x 20000 .* 208 x 208 = 43,264 tiles .* 10,000"
    ):
        plan_tiles(20_000, 20_000, spec(128), "big")
    assert len(plan_tiles(20_000, 20_000, spec(1024))) <= MOST_TILES


def test_a_tile_is_a_view_and_keeps_how_values_are_read() -> None:
    """Cutting copies nothing, and window, depth and photometric are those of the image."""
    pixels = np.random.default_rng(0).integers(0, 4096, (300, 300), np.uint16)
    frame = Frame(pixels, 12, Photometric.MONOCHROME1, Window(2048, 1000), "film")
    tile = cut(frame, Box(20, 10, 256))
    assert np.shares_memory(tile.pixels, pixels)
    assert np.array_equal(tile.pixels, pixels[10:266, 20:276])
    said = (tile.bit_depth, tile.photometric, tile.window, tile.source)
    assert said == (12, Photometric.MONOCHROME1, Window(2048, 1000), "film")


def test_tiles_are_what_preprocessing_makes_of_the_parts() -> None:
    """Each is the image's part at its box, resized to S x S; colour as well as grey."""
    grey = noise(300, 400)
    stacked = np.repeat(grey.pixels[..., np.newaxis], 3, axis=2)
    colour = Frame.of(stacked, source="colour")
    for frame in (grey, colour):
        found = list(judged_tiles(frame, spec()))
        assert len(found) == 4
        for box, x in found:
            part = frame.pixels[box.top : box.top + 256, box.left : box.left + 256].copy()
            alone = Frame(part, 8, frame.photometric)
            assert x is not None
            assert np.array_equal(x, preprocess(alone, PreprocessSpec(size=32, contrast="none")))


def test_constant_tiles_are_passed_over_unless_all_are() -> None:
    """Background of one brightness is nothing to judge; an image of nothing else is refused, as ever."""
    frame = noise(256, 1024)
    frame.pixels[:, 256:] = 9
    found = list(judged_tiles(frame, spec(overlap=0)))
    assert [x is None for _, x in found] == [False, True, True, True]
    frame.pixels[:] = 9
    with pytest.raises(ImageError, match="noise: one constant brightness"):
        list(judged_tiles(frame, spec()))


@pytest.mark.parametrize("changed", [{"tile_px": 15}, {"tile_px": 1.5}, {"tile_px": -1}, {"tile_px": 20_000}])
def test_a_tile_has_a_side_that_can_be_cut(changed: dict[str, object]) -> None:
    """A side below 16, above 16,384 or no whole number is refused by name."""
    with pytest.raises(SettingsError, match="tile_px must be a whole number from 16 to 16384"):
        PreprocessSpec(fit="tile", **changed)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("overlap", [-0.1, 0.8, 1, float("nan"), "0.2"])
def test_tiles_overlap_by_a_share(overlap: object) -> None:
    """An overlap that would take no end of tiles, or none, is refused by name."""
    with pytest.raises(SettingsError, match=r"tile_overlap must be a number from 0\.0 to 0\.75"):
        PreprocessSpec(fit="tile", tile_overlap=overlap)  # type: ignore[arg-type]  # that is the point


def test_only_tiles_are_stated_with_their_fields() -> None:
    """What is stretched is saved as ever, so that earlier versions read it; tiles come back whole."""
    assert not [name for name in PreprocessSpec().to_dict() if name.startswith("tile")]
    tiled = spec(300, 0.4)
    assert PreprocessSpec.from_dict(tiled.to_dict()) == tiled


def test_the_whole_is_seen_beside_its_tiles() -> None:
    """It is the image stretched to the square; with a region what lies outside is the mean of the inside."""
    pixels = np.full((128, 256), 50, np.uint8)
    pixels[:, 128:] = 200
    pixels[:64, :64] = 100
    frame = Frame(pixels, 8, Photometric.MONOCHROME2)
    both = PreprocessSpec(size=64, contrast="none", fit="tile", tile_px=64, tile_whole=True)
    x = whole(frame, both)
    assert x.shape == (64, 64, 1)
    np.testing.assert_allclose(x[:32, :16], 100 / 255)
    np.testing.assert_allclose(x[:, 32:], 200 / 255)
    left = replace(both, region=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
    x = whole(frame, left)
    np.testing.assert_allclose(x[:, 40:], (100 + 3 * 50) / 4 / 255, rtol=0.1)
    np.testing.assert_allclose(x[:32, :16], 100 / 255)


def test_a_whole_goes_with_tiles_and_is_named_where_it_is() -> None:
    """Settings of bundles that judge tiles alone are as they were; without tiles there is no whole beside."""
    tiles = PreprocessSpec(size=64, fit="tile")
    assert "tile_whole" not in tiles.to_dict()
    both = replace(tiles, tile_whole=True)
    assert PreprocessSpec.from_dict(both.to_dict()) == both
    with pytest.raises(SettingsError, match="goes with fit tile"):
        PreprocessSpec(size=64, tile_whole=True)
