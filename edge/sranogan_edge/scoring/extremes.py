"""How far beyond the farthest of n normals another one lies, and how often.

A new number x lies more than ``a`` times as far from the r-th of n ordered numbers, of the same distribution
and independent, as the k-th is off that, with a chance of at most

    (n - k + 1) / (n + 1) * prod over i from n - r + 1 to n - k of i / (i + a)        a >= 1, k < r

(beyond ``x_k + a (x_r - x_k)``), where the distribution's hazard does not fall above x_k: then its cumulative
hazard H is convex there, so ``H(x_k + a d) >= H(x_k) + a (H(x_k + d) - H(x_k))``, and H of ordered numbers is
a sum of independent exponential spacings, E_i / i (Renyi 1953). It is exact for exponential tails; lighter
ones (normal, logistic, bounded) are beyond less often. For a = 1 it is (n - r + 1) / (n + 1), whatever the
distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from sranogan_edge.scoring.conformal import RANK_ROUNDING

__all__ = ["chance_beyond", "normals_for", "rank_of", "widening"]

RESERVE = 0.75  # of the stated rate is what exponential tails may use up; heavier ones take of the rest
_WIDEST = 1e3
_HALVINGS = 50


def rank_of(count: int, rate: float) -> int:
    """The rank, from 1, of the conformal quantile of ``count`` numbers; the farthest's where they are few."""
    return min(count, math.ceil((count + 1) * (1 - rate) - RANK_ROUNDING))


def chance_beyond(times: float, count: int, rank: int) -> float:
    """Chance of lying beyond ``times`` the distance of the ``rank``-th of ``count`` from their median.

    Args:
        times: at least 1.
        count: n, at least 2.
        rank: r, above the median's.
    """
    middle = count // 2 + 1  # of an even number the upper one, from which the distance is smaller
    inner = np.arange(count - rank + 1, count - middle + 1)
    return float((count - middle + 1) / (count + 1) * np.exp(-np.log1p(times / inner).sum()))


def widening(allowances: Iterable[float], count: int, rate: float) -> float:
    """The least factor, from 1 up, with which ``allowances`` of ``count`` numbers keep to ``rate`` together.

    Args:
        allowances: one for each side of each sign; at least 1.
        count: n, of independent normals; at least 20.
        rate: the share of normals that may lie beyond any of them.
    """
    return _widening(tuple(allowances), count, rate)


@lru_cache
def _widening(asked: tuple[float, ...], count: int, rate: float) -> float:
    low, high = 1.0, _WIDEST
    if _keeps(asked, low, count, rate):
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _keeps(asked, middle, count, rate) else (middle, high)
    return high


def normals_for(allowances: Iterable[float], rate: float) -> int:
    """How many independent normals ``allowances`` take that need not be widened."""
    asked, low, high = tuple(allowances), 1, 2
    while not _keeps(asked, 1.0, high, rate):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _keeps(asked, 1.0, middle, rate) else (middle, high)
    return high


def _keeps(allowances: tuple[float, ...], factor: float, count: int, rate: float) -> bool:
    rank = rank_of(count, rate / len(allowances))
    return sum(chance_beyond(factor * one, count, rank) for one in allowances) <= RESERVE * rate
