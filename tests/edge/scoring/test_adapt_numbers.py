"""A density moved towards local normals, in one dimension, where each number can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.scoring.adapt import adapt, moved, reach_of
from sranogan_edge.scoring.density import Gaussian

OWN = Gaussian(np.zeros(1, np.float32), np.ones((1, 1), np.float32), usual=3.0, spread=0.5)


def column(values: list[float]) -> NDArray[np.float32]:
    """Rows of one number."""
    return np.array(values, np.float32)[:, None]


@pytest.mark.parametrize(
    ("scores", "reach"),
    [([4, 0, 1, 3, 2], 2.0), ([0, 1, 2, 3, 10], 8.0), ([0, 1, 1, 1, 9], 0.0), ([5, 5], 0.0)],
)
def test_how_far_normals_reach(scores: list[float], reach: float) -> None:
    """Above the median, in units of the upper quartile's distance; where that is none, nothing is known."""
    assert reach_of(scores) == reach


@pytest.mark.parametrize(("fours", "weight"), [(5, 0.2), (10, 40 / 90)])
def test_the_share_of_the_local_covariance(fours: int, weight: float) -> None:
    """Of squares 2 and 0.4 in turn the scatter is 1.2, and its square's share by chance 16 / n.

    ``((4 + 0.16) / 2 - 1.44) / n`` over ``(1.2 - 1)^2``; but of 40 the bundle's 50 weigh more.
    """
    values = fours * [2**0.5, -(2**0.5), 0.4**0.5, -(0.4**0.5)]
    rows = column(values) + np.float32(2)
    twice = np.repeat(rows, 2, axis=0), np.repeat(np.arange(len(rows)), 2)  # each an image of two equal tiles
    for found in (moved(OWN, rows), moved(OWN, *twice)):
        assert found.whitening == pytest.approx((1 + 0.2 * weight) ** -0.5, rel=1e-5)
        assert found.center == pytest.approx(2 - 1.2 / (4 * fours - 1) / 2, rel=1e-5)
        assert (found.usual, found.spread) == (3.0, 0.5)
        assert {one.dtype for one in (found.center, found.whitening)} == {np.dtype(np.float32)}


def test_a_mean_that_is_off_by_chance_alone_moves_nothing() -> None:
    """Of -1 and 2 the scatter is 2.25 and the mean's square 0.25: it stays where it was."""
    assert moved(OWN, column([-1, 2])).center == 0


def test_a_mean_that_is_off_for_sure_moves_nearly_all_the_way() -> None:
    """By half a deviation, where normals differ by a tenth: 0.01 / (3 * 0.25) of it is there by chance."""
    assert moved(OWN, column([0.4, 0.6, 0.4, 0.6])).center == pytest.approx(0.5 * (1 - 0.01 / 0.75), rel=1e-5)


def test_each_part_is_told_in_deviations_of_normals() -> None:
    """Out of fold, in the order of the images: about 0 on average, about 1 from there; scores are of all."""
    rng = np.random.default_rng(2)
    local = {
        name: rng.normal(0.3, scale, (40, 1)).astype(np.float32) for name, scale in (("head", 1), ("map", 9))
    }
    found = adapt({"head": OWN, "map": OWN}, local, reach=99.0)
    assert found.fitted.all()
    for name, rows in local.items():
        standard = found.standard[name]
        assert standard.mean() == pytest.approx(0, abs=1e-6)
        assert standard.std() == pytest.approx(1, abs=1e-4)
        assert np.corrcoef(standard, rows[:, 0])[0, 1] > 0.9
    mean = (found.standard["head"] + found.standard["map"]) / 2
    np.testing.assert_allclose(found.scores, (mean - mean.mean()) / mean.std(), atol=1e-4)


def test_of_tiles_a_part_is_told_in_deviations_of_images() -> None:
    """Of the highest tile of each: a part that is high somewhere in every normal hides no other."""
    rng = np.random.default_rng(5)
    image = np.repeat(np.arange(40), 6)
    local = {name: rng.normal(size=(240, 1)).astype(np.float32) for name in ("head", "map")}
    local["map"][::6, 0] += rng.normal(20, 5, 40)
    found = adapt({"head": OWN, "map": OWN}, local, 99.0, image)
    assert found.fitted.all()
    for name, rows in local.items():
        one = found.parts[name]
        standard = np.array([one.standard(row) for row in rows]).reshape(40, 6).max(axis=1)
        assert (standard.mean(), standard.std()) == pytest.approx((0, 1), abs=0.15)


def test_images_of_more_tiles_count_as_one_each() -> None:
    """One of a single tile at 6, one of three at 2: off by 3, of whose square 2.25 / 9 is there by chance."""
    found = moved(OWN, column([6, 2, 2, 2]), np.array([0, 1, 1, 1]))
    assert found.center == pytest.approx(0.75 * 3, rel=1e-6)
    assert found.whitening == pytest.approx((1 + (3 - 1) * 2 / 52) ** -0.5, rel=1e-5)


@pytest.mark.parametrize("image", [None, np.arange(4)])
def test_normals_as_the_bundle_s_move_nothing(image: NDArray[np.int64] | None) -> None:
    """Where mean and scatter are the bundle's own to the last bit, too."""
    found = moved(OWN, column([1, -1, 1, -1]), image)
    assert (found.center, found.whitening) == (OWN.center, OWN.whitening)


def test_a_single_image_moves_nothing() -> None:
    """However many tiles it has: how images differ is not known."""
    found = moved(OWN, column([1, 2, 3]), np.zeros(3, np.int64))
    assert (found.center, found.whitening) == (OWN.center, OWN.whitening)
