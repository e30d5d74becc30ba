"""The exact Kolmogorov-Smirnov test against SciPy's, and against the rate that it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from sranogan_edge.site.drift_ks import critical_distance, distance, p_value


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 7), (20, 20), (60, 228), (200, 100)])
@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_like_scipy(n: int, m: int, shift: float) -> None:
    """Distance and p-value are those of SciPy's exact test."""
    rng = np.random.default_rng(n + m)
    a, b = rng.normal(0, 1, n), rng.normal(shift, 1, m)
    expected = ks_2samp(a, b, method="exact")
    assert distance(a, b) == pytest.approx(expected.statistic)
    assert p_value(expected.statistic, n, m) == pytest.approx(expected.pvalue, abs=1e-9)


def test_critical_distance() -> None:
    """At the critical distance the p-value is within the level; one grid step nearer it is not."""
    limit = critical_distance(0.01, 50, 40)
    assert p_value(limit, 50, 40) <= 0.01 < p_value(limit - 1 / (50 * 40) - 1e-6, 50, 40)


def test_too_small_samples_never_reach_it() -> None:
    """Five and five cannot be unlike at one in a million: the distance is above 1."""
    assert critical_distance(1e-6, 5, 5) > 1


def test_ties_only_make_it_careful() -> None:
    """Rounded numbers raise no more alarms than stated."""
    rng = np.random.default_rng(3)
    limit = critical_distance(0.05, 40, 40)
    pairs = (np.round(rng.normal(0, 1, (2, 40)), 0) for _ in range(500))
    assert np.mean([distance(a, b) >= limit for a, b in pairs]) <= 0.05
