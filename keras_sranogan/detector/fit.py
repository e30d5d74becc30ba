"""Stage 4: the densities of what held-out normals measure, and the calibration of the score.

No abnormal image and no label is used. The normals here were not seen by the networks. Each of
their calibration scores comes from densities fitted on the other folds (cross-conformal, Vovk
2015), so that a new normal's score and theirs are alike. Means and deviations that anything is told
in (the parts, the score, the heat map's limit) are those of normals as they came: jittered copies
widen densities, and count for nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from keras_sranogan.settings import DetectorSettings
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density, Gaussian
from sranogan_edge.scoring.heat import HEAT_PLANES, enlarged, standard_heat
from sranogan_edge.scoring.residual import HEAT_GRID

HEAT_LIMIT_QUANTILE = 0.75
FLOOR = 1e-6
FLOOR_SHARE = 0.01  # of the other features' usual deviation: what one is taken to vary by at least
DISPLAYED = 4 * HEAT_GRID  # side that the heat map's limit is taken at
TRIMMING_PASSES = 3


def fit_gaussian(features: NDArray[np.float32]) -> Gaussian:
    """Fit ``(N, D)`` (Ledoit-Wolf shrinkage, on standardised features); distances are not yet scaled.

    A feature that hardly varies here may vary elsewhere: it is taken to do so by ``FLOOR_SHARE`` of what the
    others do, on its own account.
    """
    center = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    scale = np.maximum(deviation + FLOOR, _least_deviation(deviation))
    covariance = LedoitWolf(assume_centered=True).fit((features - center) / scale).covariance_
    own = np.where(scale > deviation + FLOOR, 1 - np.square(deviation / scale), 0)
    values, vectors = np.linalg.eigh(covariance + np.diag(own))
    upright = vectors * np.where(vectors.sum(axis=0) < 0, -1, 1)  # the sign of an eigenvector is anybody's
    whitening = upright / np.sqrt(np.maximum(values, FLOOR)) / scale[:, None]
    return Gaussian(center.astype(np.float32), whitening.astype(np.float32))


def _least_deviation(deviation: NDArray[np.float64]) -> float:
    """Return the deviation below which a feature counts as constant, by that of the others ``(D,)``."""
    varying = deviation[deviation > FLOOR]
    return FLOOR_SHARE * float(np.median(varying)) if len(varying) else 0.0


def fit_detector(
    measured: Mapping[str, NDArray[np.float32]],
    heat: NDArray[np.float32],
    groups: NDArray[np.int64],
    original: NDArray[np.bool_],
    settings: DetectorSettings,
    seed: int,
    trained_on: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> tuple[Density, Calibration]:
    """Fit the final densities on everything, and calibrate on out-of-fold scores of the unjittered images.

    Args:
        measured: ``(N, D)`` float32 by part.
        heat: ``(N, *HEAT_SHAPE)`` float32.
        groups: ``(N,)`` patient of each row; copies of one image, and images of one patient, share a fold.
        original: ``(N,)`` true where the row is an image as it came, false for a jittered copy.
        settings: parts, folds, false-alarm rate, and the share of normals to leave out as suspect: those of
            the highest scores, found again in a few passes.
        seed: of the assignment to folds.
        trained_on: by part, ``(M, D)`` of normals that the networks were trained on, where a part measures
            these like any others. They widen its density, and count for no distance and no score.
    """
    fold = folds_of(groups, settings.folds, seed)
    everything = {name: measured[name] for name in settings.parts}
    kept, also = np.ones(len(fold), np.bool_), trained_on
    parts, scores = _fit_parts(everything, fold, kept, original, also)
    for _ in range(TRIMMING_PASSES if settings.contamination else 0):
        kept = scores <= np.quantile(scores, 1 - settings.contamination)
        also = {
            name: _typical(trained_on[name], parts[name], settings.contamination)
            for name in also
            if name in parts
        }
        parts, scores = _fit_parts(everything, fold, kept, original, also)
    center, scale = _heat_statistics(heat[kept])
    own = scores[original & kept]
    usual, spread = float(own.mean()), float(own.std()) + FLOOR
    limit = _heat_limit(heat[original & kept], center, scale)
    density = Density(parts, center, scale, limit, (usual, spread))
    standard = np.sort((own - usual) / spread)
    calibration = Calibration(tuple(standard.tolist()), settings.false_alarm_rate)
    return density, calibration


def _heat_statistics(heat: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation by plane, the same for all places; brightness has a mean for each.

    Head and reconstruction know where anomalies are likely; taken place by place, this would be lost.
    """
    center, scale = np.empty_like(heat[0]), np.empty_like(heat[0])
    for number, name in enumerate(HEAT_PLANES):
        plane = heat[:, number]
        center[number] = plane.mean(axis=0) if name == "brightness" else plane.mean()
        scale[number] = np.sqrt(np.mean((plane - center[number]) ** 2))
    return center, scale + np.float32(FLOOR)


def _heat_limit(heat: NDArray[np.float32], center: NDArray[np.float32], scale: NDArray[np.float32]) -> float:
    """Return what at most one normal in four exceeds somewhere (split conformal), as it is displayed."""
    peaks = np.sort([enlarged(standard_heat(one, center, scale), DISPLAYED).max() for one in heat])
    rank = min(math.ceil((len(peaks) + 1) * HEAT_LIMIT_QUANTILE), len(peaks))
    return max(float(peaks[rank - 1]), FLOOR)


def _fit_parts(
    measured: Mapping[str, NDArray[np.float32]],
    fold: NDArray[np.int64],
    kept: NDArray[np.bool_],
    original: NDArray[np.bool_],
    also: Mapping[str, NDArray[np.float32]],
) -> tuple[dict[str, Gaussian], NDArray[np.float64]]:
    """Return the densities of the rows ``kept``, and ``(N,)`` out-of-fold means of the parts.

    The unit of each part is that of the ``original`` rows among them.
    """
    parts, standard = {}, []
    for name, rows in measured.items():
        extra = also.get(name, rows[:0])
        distances = out_of_fold(rows, fold, kept, extra)
        own = distances[kept & original]
        usual, spread = float(own.mean()), float(own.std()) + FLOOR
        gaussian = fit_gaussian(np.concatenate([rows[kept], extra]))
        parts[name] = replace(gaussian, usual=usual, spread=spread)
        standard.append((distances - usual) / spread)
    return parts, np.asarray(np.mean(standard, axis=0))


def _typical(rows: NDArray[np.float32], gaussian: Gaussian, contamination: float) -> NDArray[np.float32]:
    """Return ``rows`` without the share that is farthest from the normals."""
    distances = np.array([gaussian.distance(row) for row in rows])
    return rows[distances <= np.quantile(distances, 1 - contamination)]


def folds_of(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return ``(N,)`` the fold of each row: all rows of one group (a patient) share one."""
    patients, rows = np.unique(groups, return_inverse=True)
    count = min(folds, len(patients))
    fold_of = np.empty(len(patients), np.int64)
    fold_of[np.random.default_rng(seed).permutation(len(patients))] = np.arange(len(patients)) % count
    return np.asarray(fold_of[rows], dtype=np.int64)


def out_of_fold(
    features: NDArray[np.float32],
    fold: NDArray[np.int64],
    kept: NDArray[np.bool_],
    also: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return ``(N,)`` distances, each by a density fitted on the other folds' rows ``kept``, and ``also``."""
    distances = np.empty(len(features))
    for k in np.unique(fold):
        gaussian = fit_gaussian(np.concatenate([features[(fold != k) & kept], also]))
        distances[fold == k] = [gaussian.distance(row) for row in features[fold == k]]
    return distances
