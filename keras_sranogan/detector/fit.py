"""Stage 4: the densities of what held-out normals measure, and the calibration of the score.

No abnormal image and no label is used. The normals here were not seen by the networks. Each of
their calibration scores comes from densities fitted on the other folds (cross-conformal, Vovk
2015), so that a new normal's score and theirs are alike; the unit of each part's distance is the
spread of just these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from keras_sranogan.settings import DetectorSettings
from sranogan_edge.density import Calibration, Density, Gaussian
from sranogan_edge.score import standard_heat

HEAT_LIMIT_QUANTILE = 0.75
FLOOR = 1e-6


def fit_gaussian(features: NDArray[np.float32]) -> Gaussian:
    """Fit ``(N, D)`` (Ledoit-Wolf shrinkage, on standardised features); distances are not yet scaled."""
    center = features.mean(axis=0, dtype=np.float64)
    scale = features.std(axis=0, dtype=np.float64) + FLOOR
    covariance = LedoitWolf(assume_centered=True).fit((features - center) / scale)
    values, vectors = np.linalg.eigh(covariance.covariance_)
    upright = vectors * np.where(vectors.sum(axis=0) < 0, -1, 1)  # the sign of an eigenvector is anybody's
    whitening = upright / np.sqrt(np.maximum(values, FLOOR)) / scale[:, None]
    return Gaussian(center.astype(np.float32), whitening.astype(np.float32))


def fit_detector(
    measured: Mapping[str, NDArray[np.float32]],
    heat: NDArray[np.float32],
    groups: NDArray[np.int64],
    original: NDArray[np.bool_],
    settings: DetectorSettings,
    seed: int,
) -> tuple[Density, Calibration]:
    """Fit the final densities on everything, and calibrate on out-of-fold scores of the unjittered images.

    Args:
        measured: ``(N, D)`` float32 by part.
        heat: ``(N, *HEAT_SHAPE)`` float32.
        groups: ``(N,)`` patient of each row; copies of one image, and images of one patient, share a fold.
        original: ``(N,)`` true where the row is an image as it came, false for a jittered copy.
        settings: parts, folds and false-alarm rate.
        seed: of the assignment to folds.
    """
    fold = _folds(groups, settings.folds, seed)
    parts, standard = {}, []
    for name in settings.parts:
        distances = _out_of_fold(measured[name], fold)
        usual, spread = float(distances.mean()), float(distances.std()) + FLOOR
        parts[name] = replace(fit_gaussian(measured[name]), usual=usual, spread=spread)
        standard.append((distances[original] - usual) / spread)
    scores = np.sort(np.mean(standard, axis=0))
    center, scale = heat.mean(axis=0), heat.std(axis=0) + FLOOR
    peaks = [standard_heat(one, center, scale).max() for one in heat]
    density = Density(parts, center, scale, heat_limit=float(np.quantile(peaks, HEAT_LIMIT_QUANTILE)))
    return density, Calibration(tuple(scores.tolist()), settings.false_alarm_rate)


def _folds(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return ``(N,)`` the fold of each row."""
    patients, rows = np.unique(groups, return_inverse=True)
    count = min(folds, len(patients))
    fold_of = np.empty(len(patients), np.int64)
    fold_of[np.random.default_rng(seed).permutation(len(patients))] = np.arange(len(patients)) % count
    return np.asarray(fold_of[rows], dtype=np.int64)


def _out_of_fold(features: NDArray[np.float32], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``(N,)`` distances, each by a density that was fitted on the other folds."""
    distances = np.empty(len(features))
    for k in np.unique(fold):
        gaussian = fit_gaussian(features[fold != k])
        distances[fold == k] = [gaussian.distance(row) for row in features[fold == k]]
    return distances
