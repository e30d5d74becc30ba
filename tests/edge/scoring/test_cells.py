"""Cells against the usual ones: distances one by one, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sranogan_edge.scoring.cells import MOST_USUAL, Cells
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.heat import HEAT_SHAPES, heat_planes
from tests.support.small_bundles import small_budget


def cells(channels: int = 5, count: int = 7) -> Cells:
    """Usual cells of invented numbers."""
    rng = np.random.default_rng(4)
    arrays = (
        rng.normal(3, 1, channels),
        rng.normal(size=(channels, channels)),
        rng.normal(size=(count, channels)),
    )
    return Cells(*(one.astype(np.float32) for one in arrays))


def with_cells() -> Density:
    """A density that knows them."""
    known = small_budget(3).density
    heat = np.ones(HEAT_SHAPES[1], np.float32)
    return replace(known, cells=cells(), heat_center=heat, heat_scale=heat)


def test_distances_are_those_to_the_nearest_centre() -> None:
    """In whitened features, over the root of their number; each cell of an image by itself."""
    known, features = cells(), np.random.default_rng(5).normal(3, 2, (6, 4, 5)).astype(np.float32)
    white = (features.reshape(-1, 5).astype(float) - known.center) @ known.whitening
    apart = np.linalg.norm(white[:, None] - known.usual[None], axis=2)
    expected = apart.min(axis=1).reshape(6, 4) / np.sqrt(5)
    found = known.distances(features)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_usual_cell_is_at_no_distance() -> None:
    """And none is below 0, or no number, whatever rounding makes of it."""
    known = cells()
    centres = known.usual @ np.linalg.inv(known.whitening.astype(float)) + known.center
    found = known.distances(centres[:, None].astype(np.float32))
    assert np.abs(found).max() < 0.01


def test_a_density_keeps_them() -> None:
    """Written and read again it finds the same distances; one without goes without."""
    again = Density.from_bytes(with_cells().to_bytes())
    features = np.random.default_rng(6).normal(size=(8, 8, 5)).astype(np.float32)
    assert again.cells
    assert np.array_equal(again.cells.distances(features), cells().distances(features))
    assert Density.from_bytes(small_budget(3).density.to_bytes()).cells is None


NOT_FINITE = "^cells that are not finite float32$"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cells": replace(cells(), usual=cells().usual[:0])}, "of 1 to 4096 centres$"),
        (
            {"cells": replace(cells(), usual=np.zeros((MOST_USUAL + 1, 5), np.float32))},
            "of 1 to 4096 centres$",
        ),
        (
            {"cells": replace(cells(), usual=cells().usual[:, :4])},
            r"^cells of \[\(5,\), \(5, 5\), \(7, 4\)\]",
        ),
        ({"cells": replace(cells(), whitening=cells().whitening[:, :4])}, r"^cells of \[\(5,\), \(5, 4\),"),
        ({"cells": replace(cells(), center=np.full(5, np.nan, np.float32))}, NOT_FINITE),
        ({"cells": replace(cells(), center=cells().center.astype(np.float64))}, NOT_FINITE),
        (
            {name: np.ones(HEAT_SHAPES[0], np.float32) for name in ("heat_center", "heat_scale")},
            r"^usual cells, and a heat on \(3, 32, 32\) without them$",
        ),
        (
            {"heat_scale": np.ones(HEAT_SHAPES[0], np.float32)},
            r"^heat on \(4, 32, 32\) and \(3, 32, 32\), not on \(3, 32, 32\) or \(4, 32, 32\)$",
        ),
        (
            {name: np.ones((2, 32, 32), np.float32) for name in ("heat_center", "heat_scale")},
            r"^heat on \(2, 32, 32\) and \(2, 32, 32\), not on ",
        ),
        ({"heat_weights": (1.5, 0.7, 1.0)}, r"^heat of planes that weigh \(1\.5, 0\.7, 1\.0\)$"),
        ({"heat_weights": (1.5, 0.7, 1.0, -1.0)}, "^heat of planes that weigh "),
        ({"heat_weights": (1.5, 0.7, 1.0, float("inf"))}, "^heat of planes that weigh "),
    ],
    ids=[
        "none",
        "too many",
        "fewer features",
        "not square",
        "no number",
        "double",
        "heat without",
        "mixed",
        "two",
        "a weight less",
        "weighs below nothing",
        "weighs without end",
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], said: str) -> None:
    """No centres, too many, other shapes, no numbers, a heat that does not go with them, or such weights."""
    with pytest.raises(ValueError, match=said):
        Density.from_bytes(replace(with_cells(), **changed).to_bytes())


@pytest.mark.parametrize("count", [1, MOST_USUAL])
def test_so_many_centres_may_be(count: int) -> None:
    """From one to the most."""
    known = replace(with_cells(), cells=replace(cells(), usual=np.zeros((count, 5), np.float32)))
    read = Density.from_bytes(known.to_bytes()).cells
    assert read is not None
    assert read.usual.shape == (count, 5)


def test_a_part_of_cells_is_refused() -> None:
    """Which are missing is not guessed."""
    arrays = dict(list(cells().to_arrays().items())[:2])
    with pytest.raises(ValueError, match=r"^some of cells_center, cells_whitening, cells_usual are missing$"):
        Cells.of_arrays(arrays)
    assert Cells.of_arrays({}) is None


def test_heat_of_a_cell_lies_where_it_is() -> None:
    """The plane of cells is the last; it is enlarged to the grid as the head's map is."""
    flat, off = np.zeros((32, 32), np.float32), np.zeros((16, 16), np.float32)
    off[3, 12] = 1
    plain = np.random.default_rng(0).random((64, 64, 1), np.float32)
    planes = heat_planes(flat, plain, flat, off)
    assert planes.shape == HEAT_SHAPES[1]
    assert np.unravel_index(planes[3].argmax(), (32, 32))[0] // 2 == 3
    assert np.unravel_index(planes[3].argmax(), (32, 32))[1] // 2 == 12
    assert heat_planes(flat, plain, flat).shape == HEAT_SHAPES[0]


def test_cells_weigh_what_the_density_says() -> None:
    """1 where it says nothing, and what it says after it was written and read."""
    known = with_cells()
    known = replace(known, heat_center=np.zeros_like(known.heat_center))
    off = np.zeros(HEAT_SHAPES[1], np.float32)
    off[3] = 2
    assert known.heat_map(off, 64) == pytest.approx(np.full((64, 64), 2), abs=1e-5)
    weighed = Density.from_bytes(replace(known, heat_weights=(1.5, 0.7, 1.0, 3.0)).to_bytes())
    assert weighed.heat_map(off, 64) == pytest.approx(np.full((64, 64), 6), abs=1e-5)
    off[0] = 1
    assert weighed.heat_map(off, 64) == pytest.approx(np.full((64, 64), 7.5), abs=1e-5)
