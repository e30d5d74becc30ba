"""Scores of held-out normals: p-values, and the threshold that a false-alarm rate sets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError

REACH_SD = 10.0  # least distance from the normals' scores that a threshold may have
RANK_ROUNDING = 1e-9  # (n + 1) * (1 - rate) is a whole number for the usual n and rates, give or take this


@dataclass(frozen=True)
class Calibration:
    """Scores of held-out normals, and the threshold that follows from them (split conformal).

    Attributes:
        scores: ascending scores of held-out normals, each scored by a density fitted without it.
        false_alarm_rate: the share of normals that the threshold may flag.
        frames: the fewest that one of these normals has; its score is the highest of them.

    An object of more frames is judged by its highest score, and more frames have a higher one. It is taken
    for ``b`` objects, each of as many frames as a normal has. Where k of n normals score as high,
    ``p = 1 - n / (n + b) * (n - 1) / (n - 1 + b) * ... * (n - k) / (n - k + b)``: the chance that so few do,
    all orders of the n + b scores being equally likely. For b = 1 that is (k + 1) / (n + 1). Frames that are
    like each other have less of a chance than that, so objects are flagged at most at the rate.

    Raises:
        SettingsError: no scores, not ascending or not finite, or a rate outside (0, 1).
    """

    scores: tuple[float, ...]
    false_alarm_rate: float
    frames: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.false_alarm_rate < 1:
            raise SettingsError(
                f"the false-alarm rate must be between 0 and 1; received {self.false_alarm_rate!r}"
            )
        scores = np.asarray(self.scores, dtype=np.float64)
        if not len(scores) or not np.isfinite(scores).all() or (np.diff(scores) < 0).any():
            raise SettingsError(
                "a calibration needs the scores of at least one held-out normal, finite and "
                f"ascending; received {len(scores)} that are not so"
            )

    @property
    def threshold(self) -> float:
        """Flag scores above this. Infinite when too few normals were held out for the rate."""
        share = (len(self.scores) + 1) * (1 - self.false_alarm_rate)
        rank = max(1, math.ceil(share - RANK_ROUNDING))
        return self.scores[rank - 1] if rank <= len(self.scores) else math.inf

    @property
    def reach(self) -> tuple[float, float]:
        """Where a threshold may lie: as far from the normals' scores as these are apart, or 10.

        Below, all is anomalous; above, nothing that normals could teach about.
        """
        low, high = self.scores[0], self.scores[-1]
        margin = max(REACH_SD, high - low)
        return low - margin, high + margin

    def p_value(self, score: float) -> float:
        """Share of normals at least as anomalous: (1 + #{held-out >= score}) / (n + 1), in (0, 1]."""
        return (1 + self._above(score)) / (len(self.scores) + 1)

    def p_value_of(self, frames: int, score: float) -> float:
        """The p-value of an object of so many ``frames`` whose highest score this is, in (0, 1]."""
        return float(self._p_values(self._blocks(frames))[self._above(score)])

    def threshold_of(self, frames: int) -> float:
        """Flag objects of so many ``frames`` whose highest score is above this; else as :attr:`threshold`."""
        blocks = self._blocks(frames)
        if blocks == 1:
            return self.threshold
        allowed = int((self._p_values(blocks)[:-1] <= self.false_alarm_rate + RANK_ROUNDING).sum())
        return self.scores[-allowed] if allowed else math.inf

    def normals_needed(self, frames: int) -> int:
        """The fewest normals, of as many frames as these, for a finite :meth:`threshold_of`."""
        rate = self.false_alarm_rate
        return math.ceil(self._blocks(frames) * (1 - rate) / rate - RANK_ROUNDING)

    def _above(self, score: float) -> int:
        return len(self.scores) - int(np.searchsorted(self._ascending, score, side="left"))

    @cached_property
    def _ascending(self) -> NDArray[np.float64]:
        """The scores as an array: made once, for there may be many."""
        return np.asarray(self.scores, np.float64)

    def _blocks(self, frames: int) -> int:
        return max(1, math.ceil(frames / self.frames))

    def _p_values(self, blocks: int) -> NDArray[np.float64]:
        """By how many normals score as high, 0 to n: the chance that so few do, ``(n + 1,)``."""
        n = len(self.scores)
        lower = np.arange(n, -1, -1)
        return np.asarray(1 - np.cumprod(lower / (lower + blocks)), np.float64)
