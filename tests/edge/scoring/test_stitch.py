"""Heat maps of tiles, stitched."""

from __future__ import annotations

import numpy as np
import pytest

from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.image.tiles import Box, plan_tiles
from sranogan_edge.scoring.stitch import Stitched


def tiles(side: int = 64) -> PreprocessSpec:
    """Tiles of ``side`` pixels, a quarter of it over the next."""
    return PreprocessSpec(size=32, fit="tile", tile_px=side)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (100, 300), (321, 97)])
@pytest.mark.parametrize("most", [4_000_000, 5_000])
def test_equal_tiles_make_an_even_map(height: int, width: int, most: int) -> None:
    """Of tiles that all say the same no border is seen, at the image's own size and at a fraction."""
    stitched = Stitched(height, width, most)
    for box in plan_tiles(height, width, tiles()):
        stitched.lay(box, np.full((32, 32), 1.5, np.float32))
    heat = stitched.heat()
    np.testing.assert_allclose(heat, 1.5, rtol=1e-5)
    assert heat.size <= most * 1.05
    if height * width <= most:
        assert (heat.shape, stitched.scale) == ((height, width), 1.0)


def test_no_seam_where_tiles_differ() -> None:
    """Where one tile says 0 and its neighbour 1, the map goes from one to the other without a step."""
    stitched = Stitched(64, 112)
    stitched.lay(Box(0, 0, 64), np.zeros((32, 32), np.float32))
    stitched.lay(Box(48, 0, 64), np.ones((32, 32), np.float32))
    heat = stitched.heat()
    assert (heat[:, :48] == 0).all()
    assert (heat[:, 64:] == 1).all()
    assert np.abs(np.diff(heat, axis=1)).max() < 0.1
    assert (np.diff(heat, axis=1) >= 0).all()


def test_heat_lies_where_it_was_found() -> None:
    """A hot place in one tile is at that place of the image, and nowhere else."""
    hot = np.zeros((32, 32), np.float32)
    hot[8, 24] = 10
    stitched = Stitched(300, 300)
    for box in plan_tiles(300, 300, tiles()):
        stitched.lay(box, hot if box.top == box.left == 47 else 0 * hot)
    heat = stitched.heat()
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert max(abs(int(row) - (47 + 17)), abs(int(column) - (47 + 49))) <= 2
    heat[row - 5 : row + 6, column - 5 : column + 6] = 0
    assert not heat.any()


def test_a_map_of_a_very_long_image_has_a_cell_across() -> None:
    """Whichever side is the long one; 5,000 cells of a million pixels are 71 of each thousand."""
    assert Stitched(1, 1_000_000, 5000).shape == (1, 70_711)
    assert Stitched(1_000_000, 1, 5000).shape == (70_711, 1)
    assert Stitched(1, 1).shape == (1, 1)


def test_heat_that_is_enlarged_goes_in_a_line() -> None:
    """Half a step from cell to cell where a tile of 32 is laid onto 64."""
    ramp = np.tile(np.arange(32, dtype=np.float32), (32, 1))
    stitched = Stitched(64, 64)
    stitched.lay(Box(0, 0, 64), ramp)
    heat = stitched.heat()
    assert heat.dtype == np.float32
    np.testing.assert_allclose(np.diff(heat[10, 1:63]), 0.5, rtol=1e-4)


def test_where_no_tile_was_laid_nothing_is_hot() -> None:
    """Background that was not judged is 0, not a division by nothing."""
    stitched = Stitched(64, 200)
    stitched.lay(Box(0, 0, 64), np.ones((32, 32), np.float32))
    heat = stitched.heat()
    assert np.isfinite(heat).all()
    assert not heat[:, 64:].any()


def test_tiles_smaller_than_a_cell_are_laid_all_the_same() -> None:
    """A map far smaller than the image takes every tile, the last one too."""
    stitched = Stitched(4000, 4000, 100)
    for box in plan_tiles(4000, 4000, tiles(256)):
        stitched.lay(box, np.ones((32, 32), np.float32))
    np.testing.assert_allclose(stitched.heat(), np.ones((10, 10)), rtol=1e-5)


def test_a_tile_in_the_last_corner_is_laid_onto_the_last_cell() -> None:
    """Though it begins nearer to the map's end than to the beginning of that cell: 9.75 of 10 cells."""
    stitched = Stitched(4000, 4000, 100)
    stitched.lay(Box(3900, 3900, 64), np.full((32, 32), 3.0, np.float32))
    heat = stitched.heat()
    assert heat[9, 9] == pytest.approx(3)
    heat[9, 9] = 0
    assert not heat.any()


def test_no_hot_place_is_lost_in_a_smaller_map() -> None:
    """At an eighth of the image's sides each cell is the mean of what is in it: 10 of 4 x 4 is 0.625."""
    hot = np.zeros((32, 32), np.float32)
    hot[4, 8] = 10
    stitched = Stitched(512, 512, 64 * 64)
    stitched.lay(Box(0, 0, 64), hot)  # 8 x 8 cells
    heat = stitched.heat()
    assert heat[1, 2] == pytest.approx(0.625)
    heat[1, 2] = 0
    assert not heat.any()
