"""The two-sample Kolmogorov-Smirnov test, exact, with NumPy alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["critical_distance", "distance", "p_value"]

_GRID_ROUNDING = 1e-9  # distances are multiples of 1/(n m), give or take this


def distance(one: ArrayLike, other: ArrayLike) -> float:
    """Largest gap between the cumulative shares of two samples, 0 to 1."""
    a, b = np.sort(np.asarray(one, np.float64)), np.sort(np.asarray(other, np.float64))
    both = np.concatenate([a, b])
    shares_a = np.searchsorted(a, both, side="right") / len(a)
    shares_b = np.searchsorted(b, both, side="right") / len(b)
    return float(np.abs(shares_a - shares_b).max())


def p_value(gap: float, n: int, m: int, *, one_sided: bool = False) -> float:
    """Chance that samples of ``n`` and ``m`` from one distribution lie at least ``gap`` apart.

    ``one_sided`` counts only where the first sample's cumulative share is the larger one: where the second's
    numbers are higher. Exact for numbers without ties and at most too large with them: in a random merge of
    the two samples, all merges being equally likely, the paths that stay nearer than ``gap`` are counted,
    n + m steps of one vector operation each, as long as the smaller sample.
    """
    few, many, sign = (n, m, 1) if n <= m else (m, n, -1)
    staying: NDArray[np.float64] = np.zeros(few + 1)  # chance of i from the smaller, never ``gap`` apart
    staying[0] = 1.0
    taken = np.arange(few + 1)
    for drawn in range(few + many):
        left = few + many - drawn
        other = drawn - taken  # taken from the larger sample so far
        from_other = staying * np.clip(many - other, 0, None) / left
        from_one = staying * (few - taken) / left
        staying = from_other
        staying[1:] += from_one[:-1]
        apart = sign * (taken / few - (drawn + 1 - taken) / many)
        staying[(apart if one_sided else np.abs(apart)) >= gap - _GRID_ROUNDING] = 0.0
    return float(np.clip(1 - staying.sum(), 0, 1))


@lru_cache(maxsize=512)
def critical_distance(chance: float, n: int, m: int, *, one_sided: bool = False) -> float:
    """The smallest distance that is at most this likely between samples of one distribution.

    Above 1, so never reached, where the samples are too small for the ``chance``.
    """
    low, high = 0.0, 1.0 + 1 / (n * m)
    while high - low > 0.5 / (n * m):
        middle = (low + high) / 2
        low, high = (low, middle) if p_value(middle, n, m, one_sided=one_sided) <= chance else (middle, high)
    return high
