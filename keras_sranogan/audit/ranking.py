"""AUROC of one score or several at once, with intervals from resamples that all of them share.

``scores`` is ``(M, N)`` throughout: M models (the seeds of one design), N images; a figure is the mean
over the models. Resampling draws normals and abnormals apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.evaluation.metrics import auroc, both_classes

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]

RESAMPLES = 1000
INTERVAL = (0.025, 0.975)  # 95 %
CHANCE = 0.5
MIN_ADVANTAGE = 0.05  # of the AUROC over chance: below it there is nothing of which a share could be left


@dataclass(frozen=True)
class Ranking:
    """How well scores rank abnormals above normals.

    Attributes:
        auroc: mean over the models; None where there is one class only.
        auroc_ci: its 95 % interval.
        per_model: AUROC of each.
    """

    auroc: float | None
    auroc_ci: list[float] | None
    per_model: list[float] | None


@dataclass(frozen=True)
class Left:
    """What a change leaves of an AUROC's advantage over chance, (changed - 0.5) / (plain - 0.5).

    Attributes:
        left: the share; None where the plain advantage is below :data:`MIN_ADVANTAGE`.
        left_ci: its 95 % interval, over the same images in both.
    """

    left: float | None = None
    left_ci: list[float] | None = None


def rank(scores: Scores, abnormal: Truth, seed: int) -> Ranking:
    """AUROC of each model, their mean, and its interval."""
    if not both_classes(abnormal):
        return Ranking(None, None, None)
    each = [auroc(one, abnormal) or 0.0 for one in scores]
    drawn = resampled_aurocs(scores, abnormal, seed).mean(axis=1)
    return Ranking(float(np.mean(each)), _interval(drawn), each)


def share_left(plain: Scores, changed: Scores, abnormal: Truth, seed: int) -> Left:
    """Compare two ``(M, N)`` sets of scores of the same images."""
    if not both_classes(abnormal):
        return Left()
    before, after = (float(np.mean([auroc(one, abnormal) or 0.0 for one in s])) for s in (plain, changed))
    if before - CHANCE < MIN_ADVANTAGE:
        return Left()
    drawn = resampled_aurocs(np.concatenate([plain, changed]), abnormal, seed) - CHANCE
    first, second = drawn[:, : len(plain)].mean(axis=1), drawn[:, len(plain) :].mean(axis=1)
    kept = second / np.maximum(first, MIN_ADVANTAGE)  # a resample without any advantage says little
    return Left((after - CHANCE) / (before - CHANCE), _interval(kept))


def intervals(scores: Scores, abnormal: Truth, seed: int) -> list[list[float] | None]:
    """95 % interval of the AUROC of each row."""
    if not both_classes(abnormal) or not len(scores):
        return [None] * len(scores)
    return [_interval(column) for column in resampled_aurocs(scores, abnormal, seed).T]


def resampled_aurocs(scores: Scores, abnormal: Truth, seed: int) -> NDArray[np.float64]:
    """``(RESAMPLES, M)``: the AUROC of each row on the same images, drawn again with replacement."""
    rng, found = np.random.default_rng(seed), np.empty((RESAMPLES, len(scores)))
    abnormals, normals = np.flatnonzero(abnormal), np.flatnonzero(~abnormal)
    places = [np.unique(one, return_inverse=True)[1] for one in scores]
    sizes = [int(place.max()) + 1 for place in places]
    for k in range(RESAMPLES):
        drawn = rng.choice(abnormals, len(abnormals)), rng.choice(normals, len(normals))
        for m, (place, size) in enumerate(zip(places, sizes, strict=True)):
            positive, negative = (np.bincount(place[chosen], minlength=size) for chosen in drawn)
            in_order = positive @ (np.cumsum(negative) - negative / 2)
            found[k, m] = in_order / (len(abnormals) * len(normals))
    return found


def _interval(drawn: NDArray[np.float64]) -> list[float]:
    return [float(bound) for bound in np.quantile(drawn, INTERVAL)]
