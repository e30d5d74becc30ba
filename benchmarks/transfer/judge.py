"""What parts, and combinations of them, tell of images: from normals alone, reported with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer.protocols import VIEWS, Images
from keras_sranogan.detector.fit import fit_gaussian
from keras_sranogan.metrics import auroc
from sranogan_edge.density import Gaussian

Array = NDArray[np.float32]
Scores = NDArray[np.float64]
FOLDS = 5
FALSE_ALARM_RATE = 0.05


def mean(z: Scores) -> Scores:
    """Return the mean over the parts, ``(P, N)`` to ``(N,)``."""
    return np.asarray(z.mean(axis=0))


def softplus_mean(z: Scores) -> Scores:
    """Return the mean of log(1 + exp(z)): a part that says "normal" takes nothing from one that does not."""
    return np.asarray(np.logaddexp(0, z).mean(axis=0))


@dataclass(frozen=True)
class Score:
    """A combination of parts."""

    parts: tuple[str, ...]
    combine: Callable[[Scores], Scores] = mean


SCORES = {
    "laplacian, low": Score(("laplacian_low",)),
    "laplacian, high": Score(("laplacian_high",)),
    "PCA residual, k = 4": Score(("pca_4",)),
    "PCA residual, k = 16": Score(("pca_16",)),
    "early": Score(("early",)),
    "middle": Score(("middle",)),
    "late": Score(("late",)),
    "map": Score(("map",)),
    "late + map": Score(("late", "map")),
    "late + middle": Score(("late", "middle")),
    "late + middle + map": Score(("late", "middle", "map"), softplus_mean),
    "late + middle + early + map": Score(("late", "middle", "early", "map"), softplus_mean),
    "late + map + PCA": Score(("late", "map", "pca_16"), softplus_mean),
    "late + middle + map + PCA": Score(("late", "middle", "map", "pca_16"), softplus_mean),
    "all": Score(("late", "middle", "early", "map", "pca_4", "pca_16"), softplus_mean),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """One part of all images of a protocol, ``(N, D)`` each.

    Attributes:
        seen: normals that the networks were trained on, where these widen the density; else none.
        held: the held-out normals and their copies.
        judged: by view.
    """

    seen: Array
    held: Array
    judged: Mapping[str, Array]


def judge(measured: Mapping[str, Measured], images: Images) -> dict[str, Any]:
    """Return the figures of every score of :data:`SCORES` whose parts were measured, by its name."""
    standard = {name: _standard(part, images) for name, part in measured.items()}
    found: dict[str, Any] = {}
    for name, score in SCORES.items():
        if set(score.parts) <= set(standard):
            held = score.combine(np.stack([standard[part][0] for part in score.parts]))[images.original]
            threshold = float(np.quantile(held, 1 - FALSE_ALARM_RATE))
            found[name] = {view: {} for view in VIEWS}
            for view in VIEWS:
                scores = score.combine(np.stack([standard[part][1][view] for part in score.parts]))
                alarms = float((scores[~images.abnormal] > threshold).mean())
                found[name][view] = {"auroc": auroc(scores, images.abnormal), "false_alarms": alarms}
    return found


def _standard(part: Measured, images: Images) -> tuple[Scores, dict[str, Scores]]:
    """Return out-of-fold distances of held-out rows, and of those judged, in standard deviations."""
    fold = np.random.default_rng(0).permutation(images.groups.max() + 1)[images.groups] % FOLDS
    distances = np.empty(len(part.held))
    for number in range(FOLDS):
        gaussian = fit_gaussian(np.concatenate([part.held[fold != number], part.seen]))
        distances[fold == number] = _distances(gaussian, part.held[fold == number])
    whole = fit_gaussian(np.concatenate([part.held, part.seen]))
    usual, spread = distances.mean(), distances.std() + 1e-6
    judged = {view: (_distances(whole, rows) - usual) / spread for view, rows in part.judged.items()}
    return (distances - usual) / spread, judged


def _distances(gaussian: Gaussian, rows: Array) -> Scores:
    """Return what :meth:`Gaussian.distance` says of each row."""
    white = np.asarray((rows - gaussian.center) @ gaussian.whitening, np.float64)
    return white[:, 0] if rows.shape[1] == 1 else np.sqrt(np.square(white).sum(axis=1) / rows.shape[1])
