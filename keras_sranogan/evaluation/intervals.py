"""The interval of an AUROC: for few images, for images of one patient, and where no pair is out of order.

Newcombe's score interval (2006, method 5) of as many images as are worth as much as independent ones: their
number over the design effect, by how much the variance of the AUROC over patients (Obuchowski 1997, who
extends DeLong) is larger than that of Hanley and McNeil (1982), on which the interval rests.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Scores = NDArray[np.floating[Any]]
Truth = NDArray[np.bool_]
Groups = NDArray[np.integer[Any]]

Z = 1.959964  # 95 %
EDGE = 1e-9


def auroc_interval(scores: Scores, abnormal: Truth, groups: Groups | None = None) -> list[float] | None:
    """Return the lower and the upper bound, 95 %; None when there is one class only.

    Args:
        scores: ``(N,)``, high means anomalous.
        abnormal: ``(N,)``.
        groups: ``(N,)`` whose image each is; None takes every image for a patient of its own.
    """
    if abnormal.all() or not abnormal.any():
        return None
    groups = np.arange(len(scores)) if groups is None else np.unique(groups, return_inverse=True)[1]
    places = _placements(scores, abnormal)
    auroc = float(places[abnormal].mean())
    counts = np.array([abnormal.sum(), (~abnormal).sum()], np.float64)
    if 0 < auroc < 1:
        counts /= max(1.0, _variance(places, abnormal, groups, auroc) / hanley_mcneil(auroc, *counts))
    else:  # nothing varies: as many as there are patients
        counts = np.array([len(np.unique(groups[abnormal])), len(np.unique(groups[~abnormal]))], np.float64)
    return [_bound(auroc, counts, side) for side in (1, -1)]


def _placements(scores: Scores, abnormal: Truth) -> NDArray[np.float64]:
    """Return for each image the share of the other class that it is rightly above, or below; ties half."""
    found = np.empty(len(scores))
    for own, sign in ((abnormal, 1), (~abnormal, -1)):
        other = np.sort(sign * scores[~own])
        sides = [np.searchsorted(other, sign * scores[own], side) for side in ("left", "right")]
        found[own] = sum(sides) / (2 * len(other))
    return found


def _variance(places: NDArray[np.float64], abnormal: Truth, groups: Groups, auroc: float) -> float:
    """Of the AUROC over patients: Obuchowski (1997), equation 4; of one image each, DeLong's."""
    sums = []
    for own in (abnormal, ~abnormal):
        apart = np.bincount(groups[own], places[own] - auroc, minlength=int(groups.max()) + 1)
        sums.append((apart / own.sum(), len(np.unique(groups[own]))))
    (up, n_up), (down, n_down) = sums
    n = int(groups.max()) + 1
    own_variances = sum(
        _corrected(count) * float(part @ part) for part, count in ((up, n_up), (down, n_down))
    )
    return own_variances + 2 * _corrected(n) * float(up @ down)


def _corrected(count: int) -> float:
    return count / (count - 1) if count > 1 else 1.0


def hanley_mcneil(auroc: float, abnormal: float, normal: float) -> float:
    """Return the variance of an AUROC of so many independent images (1982, equations 1 and 2)."""
    both = (abnormal - 1) * (1 - auroc) / (2 - auroc) + (normal - 1) * auroc / (1 + auroc)
    return auroc * (1 - auroc) / (abnormal * normal) * (1 + both)


def _bound(auroc: float, counts: NDArray[np.float64], side: int) -> float:
    """Return the AUROC from which this one is as far as its own deviation allows, below (1) or above (-1)."""
    half = max(counts.mean(), 1.0)  # Newcombe takes the mean of both numbers for each

    def apart(truth: float) -> float:
        spread = hanley_mcneil(truth, half, half) * half**2 / counts.prod()
        return side * (auroc - truth) - Z * math.sqrt(max(spread, 0.0))

    inner, outer = min(max(auroc, EDGE), 1 - EDGE), EDGE if side > 0 else 1 - EDGE
    if apart(outer) <= 0:
        return 0.0 if side > 0 else 1.0
    return float(brentq(apart, *sorted((outer, inner))))
