"""How large hot regions of normals are: areas in shares of the square, and what cannot be that."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.scoring.usual_regions import LEVELS, UsualRegions, components, largest_area

Array = NDArray[np.float32]


def spot(rows: int, columns: int, heat: float) -> Array:
    """A map of 8 x 8 with one hot place."""
    made = np.zeros((8, 8), np.float32)
    made[:rows, :columns] = heat
    return made


def test_areas_are_shares_of_the_square_in_ascending_order() -> None:
    """Of a map of twice the square, as tiles give one, too; above each of the thresholds, times the limit."""
    found = UsualRegions.of([(spot(4, 4, 2.1), 64.0), (spot(2, 2, 8.0), 32.0)], 2.0)
    np.testing.assert_allclose(found.thresholds, [2 * one for one in LEVELS])
    assert {one.dtype for one in (found.thresholds, found.areas)} == {np.dtype(np.float32)}
    low, high = [4 / 32, 16 / 64], [0, 4 / 32]  # the first one is above 0.5, 1, 1.5 and 2 alone
    np.testing.assert_allclose(found.areas, [low] * 4 + [high] * 4)
    assert found.at(0.49) is None
    lowest = found.at(0.5)
    assert lowest is not None
    np.testing.assert_allclose(lowest, low)


def test_the_largest_of_several_places() -> None:
    """By edge or corner; exactly the threshold is not above it; without one it is nothing."""
    heat = spot(2, 2, 3.0)
    heat[2, 2], heat[6, 6] = 3.0, 3.0
    assert [largest_area(heat, limit) for limit in (2.9, 3.0)] == [5, 0]
    labels, stats = components(heat, 2.9)
    assert (labels.shape, stats.shape) == ((8, 8), (3, 5))
    assert labels[0, 0] == labels[2, 2] != labels[6, 6] != labels[7, 0] == 0
    assert stats[labels[6, 6]].tolist() == [6, 6, 1, 1, 1]


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("levels", "areas", "said"),
    [
        ([[1.0]], [[0.1]], r"^thresholds of heat \(1, 1\) with areas \(1, 1\)$"),
        ([1.0], [0.1], "with areas"),
        ([1.0, 2.0], [[0.1]], "with areas"),
        ([1.0], [[]], "with areas"),
        ([1.0, NAN], [[0.1], [0.1]], "^thresholds of heat that do not ascend from 0$"),
        ([1.0, 1.0], [[0.1], [0.1]], "thresholds of heat that do not ascend"),
        ([0.0, 1.0], [[0.1], [0.1]], "thresholds of heat that do not ascend"),
        ([1.0], [[0.1, INF]], "^areas of regions that do not ascend from 0$"),
        ([1.0], [[-0.1, 0.1]], "areas of regions that do not ascend"),
        ([1.0], [[0.2, 0.1]], "areas of regions that do not ascend"),
    ],
)
def test_what_normals_cannot_have_is_refused(
    levels: list[float], areas: list[list[float]], said: str
) -> None:
    """Shapes that do not belong together, thresholds and areas that do not ascend."""
    UsualRegions(np.array([0.1, 1], np.float32), np.array([[0, 0.5, 0.5], [0, 0, 0]], np.float32)).check()
    with pytest.raises(ValueError, match=said):
        UsualRegions(np.array(levels, np.float32), np.array(areas, np.float32)).check()
