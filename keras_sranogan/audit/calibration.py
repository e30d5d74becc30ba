"""Do p-values mean here what they promise, and does a change of acquisition alone look anomalous?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, kstwobign

from keras_sranogan.evaluation.metrics import auroc

Values = NDArray[np.float64]

LEVELS = np.linspace(0, 1, 101)
BAND = (0.025, 0.975)  # 95 %, at each level by itself


class Calibration(Protocol):
    """What is asked of a model's calibration: the scores of its held-out normals, and what follows."""

    @property
    def scores(self) -> tuple[float, ...]:
        """Of the calibration's normals, ascending."""
        ...

    @property
    def false_alarm_rate(self) -> float:
        """Share of normals that the threshold may flag."""
        ...

    @property
    def threshold(self) -> float:
        """Scores above it are flagged; may be infinite."""
        ...

    def p_value(self, score: float) -> float:
        """Rank of a score among the held-out normals', in (0, 1]."""
        ...


@dataclass(frozen=True)
class Calibrated:
    """The p-values of this split's normals, means over the models.

    Attributes:
        levels: a, 0 to 1.
        shares: share of the normals with p <= a; about a where these normals are like those of the training.
        band: lower and upper share that chance allows: beta-binomial, for this number of normals and this
            number of held-out ones.
        distance: largest |share - a| (Kolmogorov-Smirnov).
        distance_p: chance of so large a distance (asymptotic).
        rate: false-alarm rate that was set.
        flagged: share of the normals above the threshold.
        flagged_band: what chance allows of it; None where the threshold is infinite.
    """

    levels: list[float]
    shares: list[float]
    band: list[list[float]]
    distance: float
    distance_p: float
    rate: float
    flagged: float
    flagged_band: list[float] | None


@dataclass(frozen=True)
class Shifted:
    """Normals as another machine might take them, against the same normals as they are.

    Attributes:
        auroc: of the shifted against the plain ones: 0.5, the shift is not seen.
        flagged_plain: share above the threshold as they are.
        flagged: share above the threshold when shifted.
    """

    auroc: float
    flagged_plain: float
    flagged: float


def calibrated(scores: Values, calibrations: Sequence[Calibration]) -> Calibrated:
    """Look at ``(M, N)`` scores of normals, each model by its own calibration."""
    count = scores.shape[1]
    held_out = min(len(one.scores) for one in calibrations)
    p = np.array([[c.p_value(s) for s in row] for row, c in zip(scores, calibrations, strict=True)])
    distances = [_distance(np.sort(row)) for row in p]
    effective = count * held_out / (count + held_out)  # two samples: these normals and the held-out ones
    rate = calibrations[0].false_alarm_rate
    finite = all(np.isfinite(c.threshold) for c in calibrations)
    low, high = _allowed(rate, count, held_out)
    return Calibrated(
        levels=LEVELS.tolist(),
        shares=[float((p <= level + 1e-12).mean()) for level in LEVELS],
        band=[list(_allowed(float(level), count, held_out)) for level in LEVELS],
        distance=float(np.mean(distances)),
        distance_p=float(kstwobign.sf(np.sqrt(effective) * np.mean(distances))),
        rate=rate,
        flagged=float(flagged(scores, calibrations).mean()),
        flagged_band=[low, high] if finite else None,
    )


def shifted(plain: Values, changed: Values, calibrations: Sequence[Calibration]) -> Shifted:
    """Compare ``(M, N)`` scores of the same normals, as they are and shifted."""
    is_shifted = np.repeat([False, True], plain.shape[1])
    pairs = zip(plain, changed, strict=True)
    return Shifted(
        auroc=float(np.mean([auroc(np.concatenate(pair), is_shifted) or 0.0 for pair in pairs])),
        flagged_plain=float(flagged(plain, calibrations).mean()),
        flagged=float(flagged(changed, calibrations).mean()),
    )


def flagged(scores: Values, calibrations: Sequence[Calibration]) -> NDArray[np.bool_]:
    """``(M, N)``: which scores each model flags."""
    return np.stack([row > c.threshold for row, c in zip(scores, calibrations, strict=True)])


def _distance(ordered: Values) -> float:
    """Largest distance of the distribution function of ascending p-values from the diagonal."""
    count = len(ordered)
    above = np.arange(1, count + 1) / count - ordered
    below = ordered - np.arange(count) / count
    return float(max(above.max(), below.max()))


@cache
def _allowed(level: float, count: int, held_out: int) -> tuple[float, float]:
    """The shares of ``count`` normals with p <= level that leave 2.5 % on either side.

    p = k / (held_out + 1) is the rank among exchangeable scores, so the number of normals with p <= k /
    (held_out + 1) is beta-binomial (Marques 2025): Beta(k, held_out + 1 - k).
    """
    k = int(np.floor(level * (held_out + 1) + 1e-9))
    if k == 0 or k == held_out + 1:
        return float(k > 0), float(k > 0)
    low, high = (float(betabinom.ppf(q, count, k, held_out + 1 - k)) / count for q in BAND)
    return low, high
