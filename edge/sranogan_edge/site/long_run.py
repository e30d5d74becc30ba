"""How much more the mean of successive numbers varies than that of independent ones: the long-run factor.

Of a statistic whose images follow each other, n are worth n / factor. The factor is the larger of two:

- ``(1 + r) / (1 - r)``, r the correlation of one with the next and half a standard deviation of it: right for
  an autoregression of order 1 (Bayley and Hammersley 1946);
- ``1 + 2 * sum over k of (1 - k / (L + 1)) r_k``, L lags (Newey and West 1987), less one standard deviation
  of that sum: it tells dependence that is weak and lasts, and costs independent images nothing.

Correlations are of ranks inside each stretch, so one that is shifted as a whole tells no dependence, and they
are corrected for the mean that is taken from the same numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LongRun"]

LAGS = 20  # of a window, or a quarter of it where it is short
KEPT = 0.9  # of what earlier windows tell, a window: about the last ten count
CAUTION = 0.5  # standard deviations that the correlation of one with the next is taken higher than it looks
_HIGHEST = 0.99  # correlation of one with the next; beyond, nothing is left to be told
Values = NDArray[np.float64]


class LongRun:
    """What a feed has told so far of each of its statistics, in fixed memory."""

    def __init__(self, calibration: Values) -> None:
        """Begin with what the ``calibration`` ``(n, S)`` tells, in the order that its images came in.

        In another order it tells nothing, and what the feed itself tells counts alone.
        """
        count = len(calibration)
        self._of_calibration = _newey_west(*_sums(calibration, count // 4), count, count)
        self._sums: Values | None = None
        self._stretches = 0.0

    def add(self, window: Values) -> Values:
        """Take in the next ``(W, S)``; return the factors ``(S,)`` by which n are worth fewer, at least 1."""
        size = len(window)
        lagged, squares = _sums(window, min(LAGS, size // 4))
        new = np.vstack([lagged, squares])
        self._sums = new if self._sums is None else KEPT * self._sums + new
        self._stretches = KEPT * self._stretches + 1
        lagged, squares = self._sums[:-1], self._sums[-1]
        first = lagged[0] / squares
        seen = size * self._stretches
        doubt = CAUTION * np.sqrt((1 - first**2).clip(0) / seen)
        first = np.clip(first + (1 + 3 * first.clip(0)) / size + doubt, 0, _HIGHEST)
        slow = _newey_west(lagged, squares, size, seen)
        return np.asarray(np.maximum(np.maximum((1 + first) / (1 - first), slow), self._of_calibration))


def _sums(values: Values, lags: int) -> tuple[Values, Values]:
    """Return sums of products of ranks 1 to ``lags`` apart, ``(lags, S)``, and of squares, ``(S,)``."""
    count = len(values)
    ranks = np.stack([_ranks(column) for column in values.T], axis=1)
    products = [(ranks[k:] * ranks[:-k]).sum(axis=0) * count / (count - k) for k in range(1, lags + 1)]
    return np.reshape(products, (lags, values.shape[1])), np.square(ranks).sum(axis=0).clip(1)


def _ranks(values: Values) -> Values:
    """Return ranks of ``(n,)``, 0 on average; equal numbers have equal ones."""
    ordered = np.sort(values)
    sides = [np.searchsorted(ordered, values, side) for side in ("left", "right")]
    return np.asarray((sides[0] + sides[1] - len(values)) / 2)


def _newey_west(lagged: Values, squares: Values, size: int, seen: float) -> Values:
    """Return the factors ``(S,)``, at least 1, from sums over stretches of ``size``, ``seen`` in all."""
    lags = len(lagged)
    weights = 1 - np.arange(1, lags + 1)[:, None] / (lags + 1)
    correlations = lagged / squares
    # Each correlation is too low by so much over the size.
    rough = np.maximum(1 + 2 * (weights * correlations).sum(axis=0), 1)
    factor = 1 + 2 * (weights * (correlations + rough / size)).sum(axis=0)
    return np.asarray(np.maximum(factor / (1 + np.sqrt(4 * lags / (3 * seen))), 1))
