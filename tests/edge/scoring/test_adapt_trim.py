"""Who of a site's normals counts for what: folds, the farthest tenth, and the unit of scores."""

from __future__ import annotations

import numpy as np
import pytest

from sranogan_edge.scoring.adapt import _out_of_fold, _rough_scores, _within, adapt
from sranogan_edge.scoring.density import Gaussian


def plain(size: int) -> Gaussian:
    """A density that is its own whitening."""
    return Gaussian(np.zeros(size, np.float32), np.eye(size, dtype=np.float32))


def test_neighbours_in_the_order_of_names_are_left_out_together() -> None:
    """Of 40 in 10 folds four that follow each other may be of one patient: none judges another of them."""
    normals = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    everyone = np.ones(40, np.bool_)
    before = _out_of_fold(plain(3), normals, everyone)
    for changed in range(1, 8):
        other = normals.copy()
        other[changed] += 50
        after = _out_of_fold(plain(3), other, everyone)
        assert bool(after[0] == before[0]) is (changed < 4)


def test_at_most_a_tenth_is_left_out() -> None:
    """Of 20 with three far off two are left out, and all three are counted."""
    scores = np.concatenate([np.linspace(-1, 1, 17), [100.0, 101.0, 102.0]])
    found = _within(scores, 0.0)
    assert found.beyond == 3
    assert np.flatnonzero(~found.kept).tolist() == np.flatnonzero(~found.fitted).tolist() == [18, 19]


@pytest.mark.parametrize(("score", "kept"), [(2.0, True), (6.5, True), (8.7, True), (8.8, False)])
def test_how_far_normals_may_reach(score: float, kept: bool) -> None:
    """Of 39 in -1..1 the upper quartile is 0.5; ten times that, and 30 / 40 more for so few: 8.75."""
    found = _within(np.concatenate([np.linspace(-1, 1, 39), [score]]), 10.0)
    assert (bool(found.kept[39]), found.beyond) == (kept, int(not kept))
    assert bool(found.fitted[39]) is (score < 2.24)  # 4.48 times: what the farthest of 40 usually reaches


def test_equal_scores_are_all_within_reach() -> None:
    """Nobody lies farther off than the others."""
    found = _within(np.full(30, 2.0), 5.0)
    assert found.fitted.all()
    assert found.kept.all()
    assert found.beyond == 0


def test_a_first_look_counts_each_part_by_its_own_spread() -> None:
    """Off the median, in units of the upper quartile: of two parts the mean, however wide one is."""
    rows = {
        name: width * np.array([[3], [0], [14], [1], [2]], np.float32)
        for name, width in (("a", 1), ("b", 10))
    }
    found = _rough_scores({name: plain(1) for name in rows}, rows, 0)
    np.testing.assert_allclose(found, [1, -2, 12, -1, 0], atol=1e-4)


@pytest.mark.parametrize(("highest", "expected"), [(0, [-0.5, -1.5, 6, 0, 18.5]), (1, [1, -1, 12, 1, 37])])
def test_a_first_look_counts_as_many_parts_as_are_scored(highest: int, expected: list[float]) -> None:
    """Of two parts that disagree, the mean or the higher of each image."""
    rows = {
        "a": np.array([[3], [0], [14], [1], [2]], np.float32),
        "b": np.array([[1], [2], [3], [4], [40]], np.float32),
    }
    found = _rough_scores({name: plain(1) for name in rows}, rows, highest)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_unit_of_scores_is_of_all_that_are_kept() -> None:
    """One that the densities are not fitted to still counts for threshold and unit: tails are heavy."""
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(40, 4)).astype(np.float32)
    normals[17] *= 6 / np.linalg.norm(normals[17])
    found = adapt({"residual": plain(4)}, {"residual": normals}, reach=1000.0)
    assert np.flatnonzero(~found.fitted).tolist() == [17]
    assert found.kept.all()
    assert found.scores.mean() == pytest.approx(0, abs=1e-9)
    assert found.scores.std() == pytest.approx(1, abs=1e-5)


def test_the_unit_of_scores_is_of_those_that_are_kept_alone() -> None:
    """Of 40 with two far beyond what normals reach these two count for no unit, and have their scores."""
    normals = np.random.default_rng(3).normal(size=(40, 4)).astype(np.float32)
    normals[[5, 25], 0] = 60, -70
    found = adapt({"residual": plain(4)}, {"residual": normals}, reach=1.0)
    assert np.flatnonzero(~found.kept).tolist() == [5, 25]
    assert found.scores[found.kept].mean() == pytest.approx(0, abs=1e-9)
    assert found.scores[found.kept].std() == pytest.approx(1, abs=1e-5)
    assert found.scores[[5, 25]].min() > 20


def test_anomalies_of_one_kind_are_counted_before_they_are_fitted_to() -> None:
    """Six of 40 lie 15 deviations off the same way: two count for the densities, and hide nobody."""
    normals = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    normals[np.linspace(0, 39, 6).astype(int), 0] += 15
    found = adapt({"residual": plain(8)}, {"residual": normals}, reach=0.0)
    assert int((~found.kept).sum()) == 4
    assert found.beyond == 6
