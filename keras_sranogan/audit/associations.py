"""What the score moves with inside one class, and what ranking is left when that is taken out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from keras_sranogan.audit.ranking import Left, Ranking, rank, share_left
from keras_sranogan.audit.statistics import LOGARITHMIC, SHORTCUTS

Values = NDArray[np.float64]
Truth = NDArray[np.bool_]

MIN_IMAGES = 10  # of a class, for a rank correlation
MIN_NORMALS_PER_TERM = 5  # of the regression
CONSTANT = 1e-9  # spread, relative to the largest value, below which a statistic is one number for all
Z_95 = 1.96


@dataclass(frozen=True)
class Association:
    """Spearman's rank correlation of score and statistic inside one class, mean over the models.

    Attributes:
        rho: -1 to 1; None where the statistic is constant or the class too small.
        rho_ci: its 95 % interval, by Fisher's z with the variance of Bonett and Wright (2000).
    """

    rho: float | None = None
    rho_ci: list[float] | None = None


@dataclass(frozen=True)
class Removed:
    """The AUROC of what a linear regression on shortcut statistics does not explain of the score.

    Attributes:
        statistics: the regressors.
        explained: share of the normals' score variance that they explain, leave-one-out; below 0: nothing.
        outside: share of the abnormals beyond the normals' range in one of them, where it extrapolates.
        ranking: of the rest.
        left: against the plain score.
    """

    statistics: list[str]
    explained: float
    outside: float
    ranking: Ranking
    left: Left


def associations(
    scores: Values, labels: Sequence[str], statistics: Mapping[str, Values]
) -> dict[str, dict[str, Association]]:
    """Per class label and shortcut statistic; ``scores`` is ``(M, N)``."""
    kind = np.array(labels)
    return {
        label: {
            name: associate(scores[:, kind == label], statistics[name][kind == label])
            for name in SHORTCUTS
            if name in statistics
        }
        for label in sorted(set(labels))
    }


def associate(scores: Values, values: Values) -> Association:
    """Correlate ``(M, N)`` scores with ``(N,)`` values."""
    if len(values) < MIN_IMAGES or _constant(values) or any(_constant(one) for one in scores):
        return Association()
    rho = float(np.mean([spearmanr(one, values).statistic for one in scores]))
    z = math.atanh(max(-0.999999, min(0.999999, rho)))
    margin = Z_95 * math.sqrt((1 + rho**2 / 2) / (len(values) - 3))
    return Association(rho, [math.tanh(z - margin), math.tanh(z + margin)])


def remove(
    scores: Values, abnormal: Truth, statistics: Mapping[str, Values], names: Sequence[str], seed: int
) -> Removed | None:
    """Regress the score on the named statistics, on the normals alone, and rank what is left of it.

    The normals' own rests are those of leave-one-out fits, so that a regression on few normals does not
    flatter them. None where no statistic varies among the normals or these are too few.
    """
    used = [name for name in names if name in statistics and not _constant(statistics[name][~abnormal])]
    normals = int((~abnormal).sum())
    if not used or normals < MIN_NORMALS_PER_TERM * (len(used) + 1):
        return None
    raw = np.stack([np.log(statistics[n]) if n in LOGARITHMIC else statistics[n] for n in used], axis=1)
    centre, spread = raw[~abnormal].mean(axis=0), raw[~abnormal].std(axis=0)
    terms = np.column_stack([np.ones(len(raw)), (raw - centre) / spread])
    rest = np.stack([_rest(one, terms, abnormal) for one in scores])
    ranges = raw[~abnormal].min(axis=0), raw[~abnormal].max(axis=0)
    beyond = ((raw < ranges[0]) | (raw > ranges[1])).any(axis=1)
    return Removed(
        statistics=used,
        explained=float(1 - np.mean(rest[:, ~abnormal].var(axis=1) / scores[:, ~abnormal].var(axis=1))),
        outside=float(beyond[abnormal].mean()) if abnormal.any() else 0.0,
        ranking=rank(rest, abnormal, seed),
        left=share_left(scores, rest, abnormal, seed),
    )


def _rest(score: Values, terms: Values, abnormal: Truth) -> Values:
    """``(N,)``: the score less its prediction, normals predicted without themselves."""
    mine = terms[~abnormal]
    inverse = np.linalg.pinv(mine, rcond=1e-6)  # statistics may be multiples of each other
    rest = score - terms @ (inverse @ score[~abnormal])
    leverage = np.einsum("ij,ji->i", mine, inverse)
    rest[~abnormal] /= np.maximum(1 - leverage, 1e-6)
    return np.asarray(rest, np.float64)


def _constant(values: Values) -> bool:
    return not len(values) or bool(np.ptp(values) <= CONSTANT * np.abs(values).max())
