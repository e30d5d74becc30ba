"""From tiles to the image, with a detector that can be counted on: it counts bright pixels."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.errors import DegenerateImageError
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.heat import HEAT_SHAPE
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from sranogan_edge.scoring.regions import RegionRule, find_regions
from sranogan_edge.scoring.tiled import Gathered, measure_tiles

SPEC = PreprocessSpec(size=64, contrast="none", fit="tile", tile_px=64)
NORMALS = Density({}, np.zeros(HEAT_SHAPE, np.float32), np.ones(HEAT_SHAPE, np.float32), 1.0)


def bright(x: NDArray[np.float32]) -> Measurement:
    """The number of white pixels of a tile, and where they are."""
    white = (x[..., 0] > 0.9).astype(np.float32)
    made = Reconstruction(x, x, x, x, {}, np.zeros(HEAT_SHAPE, np.float32), 0.0, {})
    return Measurement(float(white.sum()), {}, white, made, {"search": 1.0})


def board(height: int, width: int) -> NDArray[np.uint8]:
    """Grey noise, nowhere white."""
    return np.random.default_rng(0).integers(0, 200, (height, width), np.uint8)


def measured(pixels: NDArray[np.uint8]) -> Measurement:
    """The image, tile by tile."""
    return measure_tiles(Frame(pixels, 8, Photometric.MONOCHROME2), SPEC, NORMALS, bright)


@pytest.mark.parametrize("start", range(0, 245, 7))
def test_a_defect_across_the_border_of_tiles_counts_as_a_whole(start: int) -> None:
    """A defect as large as the overlap has the score of all of it, and its heat in place, wherever it is."""
    pixels = board(260, 261)
    pixels[start : start + 16, start : start + 16] = 255
    made = measured(pixels)
    assert made.score == 16 * 16
    assert made.tiles is not None
    left, top, side, _ = made.tiles.worst
    assert left <= start <= left + side - 16
    assert top <= start <= top + side - 16
    inside = np.zeros(made.heat.shape, np.bool_)
    inside[start : start + 16, start : start + 16] = True
    np.testing.assert_allclose(made.heat[inside], 1, rtol=1e-5)
    assert not made.heat[~inside].any()


def test_one_of_many_tiles_is_enough() -> None:
    """A few white pixels among 8,000 x 2,000 are the score, not a hundredth of it."""
    pixels = board(2000, 8000)
    pixels[1234:1236, 4321:4323] = 255
    made = measured(pixels)
    assert (made.score, made.milliseconds["search"]) == (4, made.tiles.count if made.tiles else 0)
    assert made.tiles is not None
    assert (made.tiles.heat_scale, made.heat.shape) == (0.5, (1000, 4000))  # 16 million pixels, 4 of cells


def test_every_tile_counts_as_much_for_the_signs() -> None:
    """Brightness is the mean over tiles that were judged: constant ones have no part in it."""
    pixels = board(64, 320)
    pixels[:, 64:] = 250
    made = measured(pixels)
    assert made.tiles is not None
    alone = measured(pixels[:, :106].copy())  # two tiles, at 0 and 42 as there
    assert alone.tiles is not None
    assert made.tiles.blank == made.tiles.count - 2
    assert made.tiles.signs["brightness"] == pytest.approx(alone.tiles.signs["brightness"])
    means = [pixels[:, left : left + 64].mean() / 255 for left in (0, 42)]
    assert alone.tiles.signs["brightness"] == pytest.approx(np.mean(means), rel=1e-5)


def test_outside_the_region_nothing_is_hot() -> None:
    """White pixels beside the region add nothing to the score, and nothing to the map."""
    pixels = board(128, 256)
    pixels[60:64, 60:64] = pixels[60:64, 200:220] = 255
    spec = replace(SPEC, region=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
    made = measure_tiles(Frame(pixels, 8, Photometric.MONOCHROME2), spec, NORMALS, bright)
    assert made.score == 16
    assert made.heat[60:64, 60:64].min() > 0.9
    assert not made.heat[:, 130:].any()


def test_the_region_ends_where_it_ends() -> None:
    """To the cell: from row 63 down and up to column 127, of rows that are white in turn."""
    pixels = board(128, 256)
    pixels[1::2] = 255
    right, top = 127.5 / 256, 63.5 / 128
    spec = replace(SPEC, region=((0, top), (right, top), (right, 1), (0, 1)))
    made = measure_tiles(Frame(pixels, 8, Photometric.MONOCHROME2), spec, NORMALS, bright)
    assert made.heat[63:128:2, :128].min() > 0.9
    assert not made.heat[:63].any()
    assert not made.heat[:, 128:].any()


def test_what_networks_make_of_the_border_of_the_region_is_cut_off_with_it() -> None:
    """A tile that is hot all over, and lies half in the region, is hot in that half alone."""
    spec = replace(SPEC, region=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))

    def hot(x: NDArray[np.float32]) -> Measurement:
        return replace(bright(x), heat=np.ones((64, 64), np.float32))

    made = measure_tiles(Frame(board(64, 160), 8, Photometric.MONOCHROME2), spec, NORMALS, hot)
    assert made.heat[:, :79].min() == pytest.approx(1)
    assert not made.heat[:, 81:].any()


def test_an_image_of_nothing_but_background_is_refused() -> None:
    """By its name."""
    frame = Frame(np.full((64, 160), 250, np.uint8), 8, Photometric.MONOCHROME2, source="board.png")
    with pytest.raises(DegenerateImageError, match=r"^board\.png: one constant brightness"):
        measure_tiles(frame, SPEC, NORMALS, bright)
    gathered = Gathered(frame, SPEC, NORMALS)
    gathered.pass_over()
    with pytest.raises(DegenerateImageError, match=r"^board\.png: none of its tiles can be judged\.$"):
        gathered.whole({})


def test_a_picture_of_tiles_has_the_colours_that_the_bundle_takes() -> None:
    """Grey for a bundle that takes none, with the opponents for one that does."""
    frame = Frame(np.random.default_rng(0).integers(0, 200, (64, 128, 3), np.uint8), 8, Photometric.RGB)
    for colour, channels in ((False, 1), (True, 3)):
        made = measure_tiles(frame, replace(SPEC, colour=colour), NORMALS, bright)
        assert made.tiles is not None
        assert made.tiles.picture.shape == (64, 128, channels)


def test_of_tiles_that_say_the_same_the_first_is_shown() -> None:
    """And a score that is no number is that of the image: it is not hidden behind one that is."""
    pixels = board(64, 160)  # tiles at 0, 48 and 96
    pixels[10:12, 10:12] = pixels[10:12, 140:142] = 255
    made = measured(pixels)
    assert made.tiles is not None
    assert (made.score, made.tiles.worst) == (4, [0, 0, 64, 64])
    tiles = iter([3.0, math.nan, 5.0])  # a number after it must not hide it

    def odd(x: NDArray[np.float32]) -> Measurement:
        return replace(bright(x), score=next(tiles))

    broken = measure_tiles(Frame(pixels, 8, Photometric.MONOCHROME2), SPEC, NORMALS, odd)
    assert math.isnan(broken.score)


def test_detail_too_fine_for_the_whole_is_judged_tile_by_tile() -> None:
    """A chequerboard of single pixels is one grey from afar: its tiles are judged, and its grid is empty."""
    rows, columns = np.mgrid[0:640, 0:640]
    pixels = np.asarray((rows + columns) % 2 * 199, np.uint8)
    made = measured(pixels)
    assert made.tiles is not None
    assert (made.score, made.tiles.blank) == (0, 0)
    assert not made.tiles.grid.any()
    assert made.tiles.grid.shape == (32, 32)
    assert made.tiles.grid.dtype == np.float32


def test_a_sign_of_life_and_the_time_of_each_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged or blank, each has both: a quarter of a second to cut and one to judge, and one to stitch."""
    pixels = board(64, 208)  # tiles at 0, 48, 96 and 144
    pixels[:, 96:] = 250  # the last two are blank
    ticks, beats = count(0.0, 0.25), []
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    frame = Frame(pixels, 8, Photometric.MONOCHROME2)
    made = measure_tiles(frame, SPEC, NORMALS, bright, lambda: beats.append(1))
    assert made.tiles is not None
    assert (made.tiles.count, made.tiles.blank, len(beats)) == (4, 2, 4)
    found = {name: made.milliseconds[name] for name in ("preprocess", "stitch", "total", "search")}
    assert found == {"preprocess": 1000.0, "stitch": 250.0, "total": 2250.0, "search": 2.0}


def test_a_part_larger_than_a_tile_is_one_region() -> None:
    """A defect of 150 pixels, which many tiles of 64 share, is one box of the image around all of it."""
    pixels = board(300, 500)
    pixels[70:220, 200:350] = np.random.default_rng(1).integers(240, 256, (150, 150))
    frame = Frame(pixels, 8, Photometric.MONOCHROME2)
    found = find_regions(frame, measured(pixels), RegionRule(0.5, 0.0, None), SPEC)
    (one,) = found.found
    assert one.x == pytest.approx(200, abs=2)
    assert one.y == pytest.approx(70, abs=2)
    assert one.width == pytest.approx(150, abs=4)
    assert one.height == pytest.approx(150, abs=4)
    assert one.area == pytest.approx(150**2, rel=0.05)


def test_the_least_area_of_tiles_is_a_share_of_a_tile() -> None:
    """Of 64 x 64 pixels more than 20 / 4096: a spot of 21 white pixels is a region, one of 20 is none."""
    pixels = board(64, 400)
    pixels[10:14, 20:25] = pixels[30:33, 200:207] = 255  # 20 and 21
    frame = Frame(pixels, 8, Photometric.MONOCHROME2)
    found = find_regions(frame, measured(pixels), RegionRule(0.5, 20 / 4096, None), SPEC)
    assert [(one.x, one.y, one.area) for one in found.found] == [(200, 30, 21)]
    assert found.least_area == 21


def test_regions_of_a_very_large_image_have_boxes_in_its_own_pixels() -> None:
    """Of 8,000 x 2,000 the map is a fraction; box, area and mask are of the image all the same."""
    pixels = board(2000, 8000)
    pixels[1200:1300, 4300:4340] = 255
    frame, spec = Frame(pixels, 8, Photometric.MONOCHROME2), replace(SPEC, tile_px=256)
    made = measure_tiles(frame, spec, NORMALS, bright)
    assert made.tiles is not None
    assert made.tiles.heat_scale == 0.5
    found = find_regions(frame, made, RegionRule(0.5, 0.0, None), spec)
    (one,) = found.found
    assert one.x == pytest.approx(4300, abs=6)
    assert one.y == pytest.approx(1200, abs=6)
    assert one.area == pytest.approx(100 * 40, rel=0.2)
    mask = found.full_mask()
    assert mask.shape == (2000, 8000)
    assert mask[1206:1294, 4306:4334].min() == 255
    assert (mask > 0).sum() == pytest.approx(one.area, rel=0.01)
