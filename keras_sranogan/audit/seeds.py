"""How much of the figures is the luck of one training: several models of one design, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """AUROC over the models: mean, standard deviation (n - 1), smallest and largest."""

    mean: float
    sd: float
    min: float
    max: float


@dataclass(frozen=True)
class Seeds:
    """What the models agree on.

    Attributes:
        models: how many there are.
        auroc: per control.
        agreement: mean Spearman correlation of the scores of any two models, over ``all`` images, over
            ``normals`` and over ``abnormals`` alone (the classes' distance raises that over all).
    """

    models: int
    auroc: dict[str, Spread]
    agreement: dict[str, float | None]


def seeds(
    per_model: Mapping[str, list[float] | None], scores: Values, abnormal: NDArray[np.bool_]
) -> Seeds | None:
    """Compare the models by AUROC per control and by the ``(M, N)`` plain scores; None for one model."""
    if len(scores) < 2:
        return None
    kinds = {"all": np.ones_like(abnormal), "normals": ~abnormal, "abnormals": abnormal}
    return Seeds(
        models=len(scores),
        auroc={name: _spread(values) for name, values in per_model.items() if values},
        agreement={name: _agreement(scores[:, chosen]) for name, chosen in kinds.items()},
    )


def _spread(values: list[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)), min(values), max(values))


def _agreement(scores: Values) -> float | None:
    if scores.shape[1] < 3 or (np.ptp(scores, axis=1) == 0).any():
        return None
    return float(np.mean([spearmanr(a, b).statistic for a, b in combinations(scores, 2)]))
