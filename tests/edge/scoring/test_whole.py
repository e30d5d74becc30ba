"""Tiles and whole, joined: the higher score speaks, and one map has the heat of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.density import Density, Gaussian, Whole
from sranogan_edge.scoring.heat import HEAT_SHAPE, HEAT_SHAPES
from sranogan_edge.scoring.measurement import Measurement, Reconstruction, Tiles
from sranogan_edge.scoring.whole import join

SPEC = PreprocessSpec(size=32, fit="tile", tile_px=64, tile_whole=True)
ONE = Gaussian(np.zeros(1, np.float32), np.ones((1, 1), np.float32))
OF_WHOLE = Density({"map": ONE}, np.zeros(HEAT_SHAPE, np.float32), np.ones(HEAT_SHAPE, np.float32), 1.0)
BOTH = replace(OF_WHOLE, heat_limit=4.0, whole=Whole(OF_WHOLE, (0.5, 2.0)))
IMAGE = (96, 160)


def seen(score: float, heat: float = 0.0) -> Reconstruction:
    """A whole that scores so, and is as hot in its lower half."""
    x, planes = np.zeros((32, 32, 1), np.float32), np.zeros(HEAT_SHAPE, np.float32)
    planes[2, 16:] = heat
    return Reconstruction(x, x, x, x, {"map": np.array([score], np.float32)}, planes, 0.0, {})


def tiles(score: float, heat: NDArray[np.float32] | None = None) -> Measurement:
    """An image whose worst tile scores so."""
    picture, grid = np.zeros((*IMAGE, 1), np.float32), np.zeros((32, 32), np.float32)
    made = Tiles(15, 0, [64, 0, 64, 64], 1.0, picture, grid, {})
    heat = np.zeros(IMAGE, np.float32) if heat is None else heat
    return Measurement(score, {"map": score}, heat, seen(0.0), {"total": 1.0}, made)


@pytest.mark.parametrize(("of_tiles", "of_whole"), [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0)])
def test_the_higher_score_speaks(of_tiles: float, of_whole: float) -> None:
    """The score is the higher one in the unit of both; parts and box are of who has it."""
    worst, whole = tiles(of_tiles), seen(of_whole)
    made = join(worst, whole, BOTH, IMAGE, SPEC)
    assert made.score == pytest.approx((max(of_tiles, of_whole) - 0.5) / 2)
    assert made.parts["map"] == max(of_tiles, of_whole)
    assert made.reconstruction is (whole if of_whole > of_tiles else worst.reconstruction)
    assert made.tiles is not None
    assert made.tiles.whole == of_whole
    assert list(made.tiles.worst) == ([0, 0, 160, 96] if of_whole > of_tiles else [64, 0, 64, 64])


def test_a_whole_that_shows_nothing_is_left_out() -> None:
    """The tiles' score counts, in the unit of both, and nothing is said of the whole."""
    made = join(tiles(3.0), None, BOTH, IMAGE, SPEC)
    assert made.score == 1.25
    assert made.tiles is not None
    assert made.tiles.whole is None


def test_the_map_has_the_heat_of_both_each_by_its_own_limit() -> None:
    """Heat of the whole at its limit is at the limit of the map; where tiles are hotter it adds nothing."""
    heat = np.zeros(IMAGE, np.float32)
    heat[:, :40] = 100.0
    given = tiles(0.0, heat.copy())
    made = join(given, seen(0.0, heat=2.0), BOTH, IMAGE, SPEC)
    assert made.heat is given.heat  # a large map is there once
    assert made.heat.shape == IMAGE
    np.testing.assert_array_equal(made.heat[:, :40], 100)
    np.testing.assert_allclose(made.heat[60:, 50:], 2.0 * 4.0, rtol=1e-4)
    assert made.heat[:30, 50:].max() < 0.1


def test_outside_the_region_the_whole_is_not_hot() -> None:
    """What it shows beside the region counts for no heat."""
    right, top = 80.5 / 160, 48.5 / 96  # through the middle of column 80, of row 48
    spec = replace(SPEC, region=((0, top), (right, top), (right, 1), (0, 1)))
    made = join(tiles(0.0), seen(0.0, heat=2.0), BOTH, IMAGE, spec)
    assert made.heat[48:, :81].min() > 0.5
    assert made.heat[60:, :81].min() > 5
    assert not made.heat[:48].any()
    assert not made.heat[:, 81:].any()


def stored(**changes: Any) -> bytes:
    """A density of tiles and whole with arrays exchanged, or taken out (None)."""
    names = [
        "parts",
        "map_center",
        "map_whitening",
        "map_distance",
        "heat_center",
        "heat_scale",
        "heat_limit",
    ]
    arrays = arrays_from_bytes(BOTH.to_bytes(), [*names, "unit", "whole", "whole_unit"])
    return arrays_to_bytes({name: one for name, one in {**arrays, **changes}.items() if one is not None})


def test_a_density_keeps_its_whole() -> None:
    """Its unit and its own density; one of tiles alone has none."""
    read = Density.from_bytes(stored()).whole
    assert read is not None
    assert read.unit == (0.5, 2.0)
    assert read.density.to_bytes() == OF_WHOLE.to_bytes()
    assert read.score(3.0, 2.0) == 1.25
    assert Density.from_bytes(OF_WHOLE.to_bytes()).whole is None
    assert Density.from_bytes(stored(whole_unit=np.array([0.5, 0.25]))).whole is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"whole_unit": None}, "^one of whole and whole_unit alone, or another type$"),
        ({"whole": None}, "^one of whole and whole_unit alone, or another type$"),
        ({"whole": np.zeros(9, np.int8)}, "^one of whole and whole_unit alone, or another type$"),
        ({"whole": np.zeros(9, np.uint8)}, "damaged arrays"),
        ({"whole": np.frombuffer(BOTH.to_bytes(), np.uint8)}, "^a whole of a whole$"),
        ({"whole_unit": np.zeros(3)}, r"scores of normals \(3,\), not a mean and a spread"),
        *(
            (
                {"whole_unit": np.array(unit)},
                f"^images of tiles and whole at {unit[0]} with a spread of {unit[1]}$",
            )
            for unit in ([np.nan, 1.0], [np.inf, 1.0], [0.5, 0.0], [0.5, -1.0], [0.5, np.inf], [0.5, np.nan])
        ),
        (
            {name: np.ones(HEAT_SHAPES[1], np.float32) for name in ("heat_center", "heat_scale")},
            "^a heat of the whole on other planes than that of tiles$",
        ),
    ],
)
def test_a_whole_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    """Half of it, another type, a unit that is none, a heat that does not go with that of the tiles."""
    with pytest.raises(ValueError, match=said):
        Density.from_bytes(stored(**changes))
