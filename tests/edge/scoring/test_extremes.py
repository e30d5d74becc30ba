"""How often a normal lies beyond the farthest of others: ranks and chances that are known exactly."""

from __future__ import annotations

import pytest

from sranogan_edge.scoring.extremes import chance_beyond, normals_for, rank_of, widening


@pytest.mark.parametrize(
    ("count", "rate", "rank"),
    [(20, 0.01, 20), (98, 0.01, 98), (99, 0.01, 99), (199, 0.01, 198), (999, 0.1, 900)],
)
def test_the_rank_of_the_conformal_quantile(count: int, rate: float, rank: int) -> None:
    """Of 199 and 1 in 100 the 198th: a new one is beyond it with a chance of 2 in 200."""
    assert rank_of(count, rate) == rank


@pytest.mark.parametrize(("count", "rank"), [(2, 2), (20, 20), (21, 21), (61, 60), (100, 90)])
def test_the_chance_of_lying_beyond_a_rank(count: int, rank: int) -> None:
    """Of the r-th of n it is (n - r + 1) / (n + 1), whatever the distribution."""
    assert chance_beyond(1.0, count, rank) == pytest.approx((count - rank + 1) / (count + 1), rel=1e-12)


def test_the_chance_of_lying_twice_as_far() -> None:
    """Of 3 numbers the middle one is the second: 2/4 of new ones lie above, 1 / (1 + 2) of these so far."""
    assert chance_beyond(2.0, 3, 3) == pytest.approx(2 / 4 * 1 / 3)
    assert chance_beyond(2.0, 5, 5) == pytest.approx(3 / 6 * (1 / 3) * (2 / 4))


def test_how_many_normals_need_no_wider_limit() -> None:
    """The fewest: one less has to be widened, for a single side and for several."""
    for asked in ((1.25,), (1.5, 1.5, 2.0)):
        needed = normals_for(asked, 0.01)
        assert widening(asked, needed, 0.01) == 1
        assert widening(asked, needed - 1, 0.01) > 1
