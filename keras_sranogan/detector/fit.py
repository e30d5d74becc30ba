"""Stage 4: the density of held-out normals' residual features, and the calibration of the score.

No abnormal image and no label is used. The normals here were not seen by the networks. Each of
their calibration scores comes from a density fitted on the other folds (cross-conformal, Vovk
2015), so that a new normal's score and theirs are alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from keras_sranogan.settings import DetectorSettings
from sranogan_edge.score import Calibration, Density, anomaly_score, standard_heat

HEAT_LIMIT_QUANTILE = 0.75
FLOOR = 1e-6


def fit_density(features: NDArray[np.float32], heat: NDArray[np.float32]) -> Density:
    """Fit the Gaussian (Ledoit-Wolf shrinkage, on standardised features) and the heat statistics.

    Args:
        features: ``(N, D)`` float32 residual features of normals, jittered copies included.
        heat: ``(N, *HEAT_SHAPE)`` float32 heat of the same images.
    """
    center = features.mean(axis=0, dtype=np.float64)
    scale = features.std(axis=0, dtype=np.float64) + FLOOR
    covariance = LedoitWolf(assume_centered=True).fit((features - center) / scale)
    values, vectors = np.linalg.eigh(covariance.covariance_)
    whitening = vectors / np.sqrt(np.maximum(values, FLOOR)) / scale[:, None]
    heat_center, heat_scale = heat.mean(axis=0), heat.std(axis=0) + FLOOR
    peaks = [standard_heat(one, heat_center, heat_scale).max() for one in heat]
    return Density(
        center=center.astype(np.float32),
        whitening=whitening.astype(np.float32),
        heat_center=heat_center.astype(np.float32),
        heat_scale=heat_scale.astype(np.float32),
        heat_limit=float(np.quantile(peaks, HEAT_LIMIT_QUANTILE)),
    )


def fit_detector(
    features: NDArray[np.float32],
    heat: NDArray[np.float32],
    groups: NDArray[np.int64],
    original: NDArray[np.bool_],
    settings: DetectorSettings,
    seed: int,
) -> tuple[Density, Calibration]:
    """Fit the final density on everything, and calibrate on out-of-fold scores of the unjittered images.

    Args:
        features: ``(N, D)`` float32.
        heat: ``(N, *HEAT_SHAPE)`` float32.
        groups: ``(N,)`` patient of each row; copies of one image, and images of one patient, share a fold.
        original: ``(N,)`` true where the row is an image as it came, false for a jittered copy.
        settings: folds and false-alarm rate.
        seed: of the assignment to folds.
    """
    patients = np.unique(groups)
    folds = min(settings.folds, len(patients))
    fold_of = dict(
        zip(np.random.default_rng(seed).permutation(patients), np.arange(len(patients)) % folds, strict=True)
    )
    fold = np.array([fold_of[group] for group in groups])
    scores: list[float] = []
    for k in range(folds):
        density = fit_density(features[fold != k], heat[fold != k])
        scores += [anomaly_score(row, density) for row in features[(fold == k) & original]]
    calibration = Calibration(tuple(sorted(scores)), settings.false_alarm_rate)
    return fit_density(features, heat), calibration
