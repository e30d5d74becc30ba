"""Drift of images that depend on each other: the rate of false alarms that is stated, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.scoring.statistics import STATISTICS
from sranogan_edge.site import drift_ks
from sranogan_edge.site.drift import DriftMonitor
from sranogan_edge.site.long_run import LongRun

NAMES = tuple(STATISTICS)
DRAWS, WINDOW = 1000, 100
Values = NDArray[np.float64]


def autoregression(rng: np.random.Generator, shape: tuple[int, int, int], rho: float) -> Values:
    """Streams ``(draws, images, statistics)`` of which one image has ``rho`` in common with the next."""
    values = rng.normal(size=shape)
    for number in range(1, shape[1]):
        values[:, number] = rho * values[:, number - 1] + (1 - rho**2) ** 0.5 * values[:, number]
    return values


def repeats(rng: np.random.Generator, shape: tuple[int, int, int], rho: float) -> Values:
    """Streams in which the next image is of the same patient, and equal, with a chance of ``rho``."""
    values = rng.normal(size=shape)
    for number in range(1, shape[1]):
        same = rng.random(shape[0]) < rho
        values[same, number] = values[same, number - 1]
    return values


def site(values: Values) -> SiteCalibration:
    """A calibration of ``(images, statistics)``."""
    columns = {name: tuple(column) for name, column in zip(NAMES, values.T.tolist(), strict=True)}
    return SiteCalibration("b" * 64, 4, "a stopwatch", 0.05, columns, "0" * 64, "normals")


def alarms(calibrations: Values, streams: Values) -> tuple[float, float]:
    """Alarms in 10,000 images of ``streams``; and were every image counted as one, as if independent."""
    found = naive = windows = 0
    for calibration, stream in zip(calibrations, streams, strict=True):
        monitor = DriftMonitor(site(calibration))
        for start in range(0, len(stream), WINDOW):
            part = stream[start : start + WINDOW]
            for row in part.tolist():
                state = monitor.add(dict(zip(NAMES, row, strict=True)))
            found, windows = found + len(state.reasons), windows + 1
            pairs = zip(part.T, calibration.T, strict=True)
            naive += sum(drift_ks.distance(*pair) >= monitor.limit for pair in pairs)
    return found / windows / WINDOW * 10_000, naive / windows / WINDOW * 10_000


@pytest.mark.parametrize(("rho", "naive"), [(0.0, 0), (0.3, 4), (0.5, 15), (0.8, 60)])
def test_no_more_false_alarms_than_stated(rho: float, naive: float) -> None:
    """At most 1 in 10,000 images, over 1,000 calibrations, however much of an image the next one has."""
    rng = np.random.default_rng(int(10 * rho))
    calibrations = autoregression(rng, (DRAWS, 100, len(NAMES)), rho)
    found, independent = alarms(calibrations, autoregression(rng, (DRAWS, WINDOW, len(NAMES)), rho))
    assert found <= 1
    assert independent >= naive


def test_images_of_one_patient_in_a_row() -> None:
    """Nor are there more where the dependence is no autoregression, or the calibration is in no order."""
    rng = np.random.default_rng(11)
    calibrations = repeats(rng, (DRAWS // 2, 100, len(NAMES)), 0.3)
    streams = repeats(rng, (DRAWS // 2, 4 * WINDOW, len(NAMES)), 0.3)
    found, independent = alarms(rng.permuted(calibrations, axis=1), streams)
    assert found <= 1 < independent


POWER = {  # by rho, of a calibration of 20, 30, 50, 100 and 200 images: docs/method/statistics.md
    0.0: (0.40, 0.66, 0.89, 0.98, 1.00),
    0.3: (0.09, 0.22, 0.44, 0.68, 0.89),
    0.5: (0.03, 0.06, 0.16, 0.32, 0.54),
}


@pytest.mark.parametrize(
    ("rho", "count", "power"),
    [
        pytest.param(rho, count, power, marks=[pytest.mark.slow] if rho or count > 50 else [])
        for rho, row in POWER.items()
        for count, power in zip((20, 30, 50, 100, 200), row, strict=True)
    ],
)
def test_power(rho: float, count: int, power: float) -> None:
    """So often is a shift by one standard deviation found with the first 100 images after it."""
    rng = np.random.default_rng(count)
    calibrations = autoregression(rng, (DRAWS, count, len(NAMES)), rho)
    streams = autoregression(rng, (DRAWS, WINDOW, len(NAMES)), rho)
    streams[..., NAMES.index("score")] += 1
    found = []
    for calibration, stream in zip(calibrations, streams, strict=True):
        monitor = DriftMonitor(site(calibration))
        for row in stream.tolist():
            state = monitor.add(dict(zip(NAMES, row, strict=True)))
        found.append(any(reason.startswith("score") for reason in state.reasons))
    assert np.mean(found) == pytest.approx(power, abs=0.05)


@pytest.mark.slow
def test_what_is_not_promised() -> None:
    """A quarter of the variance as slow as rho = .98, in an ordered calibration: many alarms."""
    rng, shape = np.random.default_rng(14), (DRAWS // 2, 200, len(NAMES))
    both = [0.5 * autoregression(rng, shape, 0.98) + 0.75**0.5 * rng.normal(size=shape) for _ in range(2)]
    found, independent = alarms(*both)
    assert 30 < found < 120
    assert independent > 3 * found


@pytest.mark.parametrize(("rho", "factor"), [(0.0, 1.0), (0.3, 13 / 7), (0.6, 4.0)])
def test_factor_of_an_autoregression(rho: float, factor: float) -> None:
    """After ten windows the factor is that of the process, (1 + rho) / (1 - rho), whatever is monotone."""
    rng = np.random.default_rng(12)
    values = np.exp(autoregression(rng, (1, 11 * WINDOW, 50), rho)[0])
    told = LongRun(rng.normal(size=(100, 50)))
    for start in range(0, len(values), WINDOW):
        factors = told.add(values[start : start + WINDOW])
    assert np.median(factors) == pytest.approx(factor, rel=0.12)


def test_slow_dependence_is_told_by_the_calibration_in_its_order() -> None:
    """A quarter of the variance that goes slowly is little in the next image, and much in all of them."""
    rng = np.random.default_rng(13)
    slow = autoregression(rng, (1, 300, 50), 0.98)[0]
    values = 0.5 * slow + 0.75**0.5 * rng.normal(size=slow.shape)
    ordered, shuffled = LongRun(values[:200]), LongRun(rng.permuted(values[:200], axis=0))
    assert np.median(ordered.add(values[200:])) > 1.5 * np.median(shuffled.add(values[200:]))


def test_constant_statistics() -> None:
    """Numbers that never change tell no dependence, and are compared all the same."""
    monitor = DriftMonitor(site(np.ones((50, len(NAMES)))))
    for _ in range(WINDOW):
        state = monitor.add(dict.fromkeys(NAMES, 2.0))
    assert len(state.reasons) == len(NAMES)
