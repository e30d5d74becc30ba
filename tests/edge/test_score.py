"""The arithmetic from residuals to a score, a p-value and a heat map."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError
from sranogan_edge.score import (
    BAND_SIGMAS_SHARE,
    FEATURES,
    HEAT_SHAPE,
    Calibration,
    Density,
    anomaly_score,
    arrays_from_bytes,
    arrays_to_bytes,
    frequency_bands,
    gradient_magnitude,
    heat_map,
    log_energy,
    pool,
    raw_distance,
    residual,
    standardise,
)

Array = NDArray[np.float32]


def textured(size: int = 64, seed: int = 0) -> Array:
    """``(size, size)`` float32 in 0.2..0.8, with contrast at every scale."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size] / size
    waves = 0.15 * np.sin(9 * rows) * np.cos(7 * columns) + 0.05 * rng.normal(size=(size, size))
    return np.clip(0.5 + waves, 0.2, 0.8).astype(np.float32)


def known_density(center: Array, covariance: NDArray[np.float64]) -> Density:
    """The density of a Gaussian, whitened as the fit does it."""
    values, vectors = np.linalg.eigh(covariance)
    return Density(
        center=center.astype(np.float32),
        whitening=(vectors / np.sqrt(values)).astype(np.float32),
        heat_center=np.full(HEAT_SHAPE, 2.0, np.float32),
        heat_scale=np.full(HEAT_SHAPE, 0.5, np.float32),
        heat_limit=3.0,
    )


@settings(deadline=None, max_examples=40)
@given(gain=st.floats(0.6, 1.6), offset=st.floats(-0.2, 0.2), seed=st.integers(0, 99))
def test_standardise_ignores_exposure(gain: float, offset: float, seed: int) -> None:
    """Another gain and offset of the same image hardly change it: only the noise floor is not scaled."""
    image = textured(seed=seed)
    plain = standardise(image)
    exposed = standardise((image * np.float32(gain) + np.float32(offset)).astype(np.float32))
    assert np.abs(exposed - plain).mean() < 0.25 * np.abs(plain).mean()
    assert np.corrcoef(exposed.ravel(), plain.ravel())[0, 1] > 0.999


def test_frequency_bands_add_up() -> None:
    """The bands sum to the image less its coarsest blur, and doubling the image doubles each."""
    image = textured()
    bands = frequency_bands(image)
    coarsest = cv2.GaussianBlur(image, (0, 0), BAND_SIGMAS_SHARE[-1] * 64)
    np.testing.assert_allclose(bands.sum(axis=0), image - coarsest, atol=1e-5)
    np.testing.assert_allclose(frequency_bands(2 * image), 2 * bands, atol=1e-5)


def test_log_energy_of_a_silent_band_is_zero() -> None:
    """Silence is 0 and not minus infinity, and ten times the amplitude is a hundred times the energy."""
    silent = np.zeros((4, 64, 64), np.float32)
    assert not log_energy(silent).any()
    loud = log_energy(silent + 10) - log_energy(silent + 1)
    np.testing.assert_allclose(loud, math.log(100), rtol=1e-4)


def test_standardise_does_not_amplify_noise() -> None:
    """A nearly flat image stays nearly flat, instead of becoming noise of unit contrast."""
    noise = np.random.default_rng(0).normal(0.5, 0.001, (64, 64)).astype(np.float32)
    assert np.abs(standardise(noise)).max() < 0.2
    assert not standardise(np.full((64, 64), 0.5, np.float32)).any()


def test_pool_is_the_mean_of_each_cell() -> None:
    """Grey and many-channel arrays are averaged cell by cell."""
    grey = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(pool(grey, 2), [[2.5, 4.5], [10.5, 12.5]])
    stack = np.stack([grey, -grey, grey + 1], axis=-1)
    np.testing.assert_array_equal(
        pool(stack, 2), np.stack([pool(stack[..., k], 2) for k in range(3)], axis=-1)
    )


def test_gradient_magnitude_of_a_ramp() -> None:
    """A ramp of one hundredth per pixel has the Sobel magnitude 0.08 in any direction."""
    rows, columns = np.mgrid[0:16, 0:16].astype(np.float32) / 100
    for ramp in (rows, columns, (rows + columns) / np.float32(math.sqrt(2))):
        np.testing.assert_allclose(gradient_magnitude(ramp)[2:-2, 2:-2], 0.08, rtol=1e-4)


def test_residual_of_identical_images_is_zero() -> None:
    """Where the reconstruction equals the image, features and heat are zero throughout."""
    x, f = textured()[..., None], np.random.default_rng(1).normal(size=(16, 16, 6)).astype(np.float32)
    found = residual(x, x, f, f)
    assert found.features.shape == (FEATURES,)
    assert not found.features.any()
    assert not found.heat.any()


def test_residual_is_hottest_where_the_images_differ() -> None:
    """A spot in the image alone makes the heat peak there."""
    normal, f = textured(), np.zeros((16, 16, 6), np.float32)
    spotted = normal.copy()
    spotted[40:48, 8:16] = 1.0
    heat = residual(spotted[..., None], normal[..., None], f, f).heat
    total = heat.sum(axis=0)
    row, column = np.unravel_index(total.argmax(), total.shape)
    assert 20 <= row < 24
    assert 4 <= column < 8


@pytest.mark.parametrize("part", ["x", "features"])
def test_residual_feels_pixels_and_features(part: str) -> None:
    """A difference in pixels, or in discriminator features, moves the features; heat is of pixels."""
    x, f = textured()[..., None], np.random.default_rng(1).normal(size=(16, 16, 6)).astype(np.float32)
    other_x, other_f = (textured(seed=5)[..., None], f) if part == "x" else (x, f + 1)
    found = residual(x, other_x, f, other_f)
    assert np.abs(found.features).max() > 0.1
    assert (np.abs(found.heat).max() > 0.1) == (part == "x")


def test_gradient_magnitude_is_the_same_wherever_arrays_lie() -> None:
    """Results at other addresses have the very same bits (OpenCV's own have not), so no score varies."""
    image = textured()
    expected = gradient_magnitude(image)
    kept = []
    for places in range(40):  # what is kept moves the arrays of the next call
        kept += [np.empty(64 * 64 + 4 * (places % 3), np.float32), gradient_magnitude(image)]
        np.testing.assert_array_equal(kept[-1], expected)


def test_score_is_the_mahalanobis_distance() -> None:
    """The score equals sqrt((v - m)' C^-1 (v - m) / D) of a known Gaussian, computed independently."""
    rng = np.random.default_rng(3)
    mix = rng.normal(size=(12, 12))
    covariance = mix @ mix.T + np.eye(12)
    center, vector = rng.normal(size=12), rng.normal(size=12) * 3
    expected = math.sqrt((vector - center) @ np.linalg.inv(covariance) @ (vector - center) / 12)
    found = anomaly_score(vector.astype(np.float32), known_density(center.astype(np.float32), covariance))
    assert found == pytest.approx(expected, rel=1e-4)


def test_score_of_normals_is_about_one() -> None:
    """Draws from the density itself score 1 on average; its center scores 0."""
    rng = np.random.default_rng(4)
    density = known_density(np.ones(50, np.float32), np.diag(np.linspace(0.5, 2, 50)))
    draws = 1 + rng.normal(size=(200, 50)) * np.sqrt(np.linspace(0.5, 2, 50))
    scores = [anomaly_score(row.astype(np.float32), density) for row in draws]
    assert np.mean(scores) == pytest.approx(1, abs=0.03)
    assert anomaly_score(density.center, density) == 0


def test_heat_map_of_average_heat_is_zero() -> None:
    """Heat as normals have it on average shows nothing."""
    density = known_density(np.ones(3, np.float32), np.eye(3))
    assert not heat_map(density.heat_center, density, 64).any()


def test_heat_map_counts_standard_deviations() -> None:
    """Two deviations off the normals, more detail or less, read 2 all over, at the size of the image."""
    density = known_density(np.ones(3, np.float32), np.eye(3))
    for sign in (1, -1):
        found = heat_map(density.heat_center + sign * 2 * density.heat_scale, density, 64)
        assert found.shape == (64, 64)
        np.testing.assert_allclose(found, 2, rtol=1e-5)


def test_raw_distance() -> None:
    """Plain AnoGAN's score is the sum of absolute differences on the 0-255 scale."""
    x = np.zeros((4, 4, 1), np.float32)
    assert raw_distance(x, x + np.float32(0.5)) == 16 * 127.5


def test_density_round_trip() -> None:
    """A density survives its bytes, to the bit, and equal densities give equal bytes."""
    density = known_density(np.arange(3, dtype=np.float32), np.eye(3) + 0.5)
    read = Density.from_bytes(density.to_bytes())
    for name in ("center", "whitening", "heat_center", "heat_scale"):
        np.testing.assert_array_equal(getattr(read, name), getattr(density, name))
        assert getattr(read, name).dtype == np.float32
    assert (read.heat_limit, read.to_bytes()) == (density.heat_limit, density.to_bytes())


def test_density_refuses_what_cannot_score() -> None:
    """A density with NaN in it is refused when read, not first noticed as a NaN score."""
    broken = replace(known_density(np.ones(3, np.float32), np.eye(3)), center=np.full(3, np.nan, np.float32))
    with pytest.raises(ValueError, match="not finite"):
        Density.from_bytes(broken.to_bytes())


def test_arrays_name_what_is_missing() -> None:
    """An archive without a wanted array is refused by that array's name."""
    with pytest.raises(ValueError, match=r"no array .*other\.npy"):
        arrays_from_bytes(arrays_to_bytes({"x": np.zeros(2)}), ["x", "other"])


scores_lists = st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=60).map(sorted)
rates = st.floats(0.001, 0.999)


@given(scores=scores_lists, score=st.floats(-1, 12))
def test_p_value_is_the_share_at_least_as_anomalous(scores: list[float], score: float) -> None:
    """The p-value equals its definition counted out, and lies in [1 / (n + 1), 1]."""
    found = Calibration(tuple(scores), 0.05).p_value(score)
    assert found == (1 + sum(s >= score for s in scores)) / (len(scores) + 1)
    assert 1 / (len(scores) + 1) <= found <= 1


@given(scores=scores_lists, pair=st.tuples(st.floats(-1, 12), st.floats(-1, 12)))
def test_p_value_falls_as_the_score_rises(scores: list[float], pair: tuple[float, float]) -> None:
    """A higher score never has a higher p-value."""
    calibration = Calibration(tuple(scores), 0.05)
    assert calibration.p_value(max(pair)) <= calibration.p_value(min(pair))


@given(scores=scores_lists, rate=rates, score=st.floats(-1, 12))
def test_flagged_means_p_value_within_the_rate(scores: list[float], rate: float, score: float) -> None:
    """Above the threshold is the same as a p-value of at most the false-alarm rate."""
    calibration = Calibration(tuple(scores), rate)
    assert (score > calibration.threshold) == (calibration.p_value(score) <= rate + 1e-9)


@given(
    count=st.integers(1, 400), rate=st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 0.7])
)
def test_threshold_is_the_conformal_quantile(count: int, rate: float) -> None:
    """The threshold is the ceil((n + 1)(1 - rate))-th score, in exact arithmetic, else infinite."""
    calibration = Calibration(tuple(float(k) for k in range(1, count + 1)), rate)
    rank = -((-(count + 1) * (100 - round(100 * rate))) // 100)  # ceil, in whole numbers
    assert calibration.threshold == (rank if rank <= count else math.inf)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), count=st.integers(20, 300), rate=st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_false_alarms_keep_to_the_rate(seed: int, count: int, rate: float) -> None:
    """Of exchangeable normals, at most the stated share is flagged, averaged over calibrations."""
    rng = np.random.default_rng(seed)
    draws = np.sort(rng.lognormal(size=(400, count)), axis=1)
    new = rng.lognormal(size=(400, 50))
    thresholds = np.array([Calibration(tuple(row), rate).threshold for row in draws.tolist()])
    flagged = (new > thresholds[:, None]).mean(axis=1)
    assert flagged.mean() <= rate + 5 * flagged.std() / math.sqrt(len(flagged)) + 1e-9


@pytest.mark.parametrize(("count", "finite"), [(18, False), (19, True)])
def test_threshold_needs_enough_normals(count: int, finite: bool) -> None:
    """A rate of 5 % needs 19 held-out normals; with fewer nothing is ever flagged."""
    assert math.isfinite(Calibration(tuple(map(float, range(count))), 0.05).threshold) is finite


@pytest.mark.parametrize(
    ("scores", "rate"),
    [((), 0.05), ((2.0, 1.0), 0.05), ((math.nan,), 0.05), ((math.inf,), 0.05), ((1.0,), 0.0), ((1.0,), 1.0)],
)
def test_calibration_that_cannot_be(scores: tuple[float, ...], rate: float) -> None:
    """Scores or rates from which no threshold can follow are refused at once."""
    with pytest.raises(SettingsError):
        Calibration(scores, rate)
