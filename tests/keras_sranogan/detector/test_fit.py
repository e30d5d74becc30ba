from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.detector import fit
from keras_sranogan.detector.fit import fit_density, fit_detector
from keras_sranogan.settings import DetectorSettings
from sranogan_edge.score import HEAT_SHAPE, anomaly_score, standard_heat

RNG = np.random.default_rng(0)
MIX = (np.eye(8) + 0.2 * RNG.normal(size=(8, 8))) * np.geomspace(
    0.01, 10, 8
)  # correlated, and of very different scales


def normals(count: int, seed: int) -> np.ndarray:
    """Features of ``count`` normals, all from one Gaussian."""
    return (np.random.default_rng(seed).normal(size=(count, 8)) @ MIX + 3).astype(np.float32)


def heat(count: int) -> np.ndarray:
    """Some heat for each."""
    return np.random.default_rng(9).random((count, *HEAT_SHAPE), np.float32)


def test_whitening_gives_unit_covariance() -> None:
    """Whitened normals have mean zero and the identity as covariance, whatever their scales."""
    features = normals(4000, 1)
    density = fit_density(features, heat(4000))
    white = (features - density.center) @ density.whitening
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(white.T), np.eye(8), atol=0.05)


def test_score_is_about_one_for_normals_and_grows_outside() -> None:
    """The score is a distance in standard deviations: about 1 for normals, higher the farther away."""
    features = normals(2000, 2)
    density = fit_density(features, heat(2000))
    scores = [anomaly_score(row, density) for row in normals(200, 3)]
    assert 0.8 < np.mean(scores) < 1.2
    center = features.mean(axis=0)
    away = [anomaly_score(center + far * MIX[0].astype(np.float32), density) for far in (0.0, 5.0, 10.0)]
    assert away[0] < away[1] < away[2]
    assert away[1] > np.max(scores) / 2


def test_heat_statistics() -> None:
    """Heat of normals is centred and scaled per cell; one normal in four exceeds the limit somewhere."""
    values = heat(400)
    density = fit_density(normals(400, 4), values)
    np.testing.assert_allclose(density.heat_center, values.mean(axis=0), rtol=1e-4)
    peaks = np.array([standard_heat(v, density.heat_center, density.heat_scale).max() for v in values])
    assert np.mean(peaks > density.heat_limit) == pytest.approx(0.25, abs=0.003)


def test_a_patient_stays_in_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """No density that scores a patient was fitted on a copy or another image of the same one."""
    patients = np.repeat(np.arange(11), 4)
    features = normals(44, 5)
    features[:, 0] = patients
    seen = []

    def spy(rows: np.ndarray, heat_of_rows: np.ndarray) -> object:
        seen.append(np.bincount(rows[:, 0].astype(int), minlength=11))
        return fit_density(rows, heat_of_rows)

    monkeypatch.setattr(fit, "fit_density", spy)
    original = np.tile([True, False, False, False], 11)
    _, calibration = fit_detector(features, heat(44), patients, original, DetectorSettings(folds=4), seed=0)
    *folds, final = seen
    assert (final == 4).all()
    assert len(folds) == 4
    for counts in folds:
        assert set(counts) == {0, 4}
    assert (np.sum([counts == 0 for counts in folds], axis=0) == 1).all()  # each is scored once
    assert len(calibration.scores) == 11  # jittered copies are not scored


def test_stated_false_alarm_rate_is_kept() -> None:
    """Of new normals from the same Gaussian about the stated share is flagged."""
    groups = np.arange(500)
    settings = DetectorSettings(false_alarm_rate=0.1)
    density, calibration = fit_detector(
        normals(500, 6), heat(500), groups, np.ones(500, bool), settings, seed=0
    )
    scores = np.array([anomaly_score(row, density) for row in normals(3000, 7)])
    assert np.mean(scores > calibration.threshold) == pytest.approx(0.1, abs=0.04)


def test_seed_decides_the_folds() -> None:
    """The same seed gives the same calibration, another one another."""
    rows, groups = normals(60, 8), np.arange(60)
    first, again, other = (
        fit_detector(rows, heat(60), groups, np.ones(60, bool), DetectorSettings(), seed=seed)[1]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
