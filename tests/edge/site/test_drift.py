"""The drift monitor: the rate of false alarms that it states, and what it finds."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.statistics import apart, successive
from sranogan_edge.site.drift import DriftMonitor, DriftSettings, DriftState

NAMES = ("score", "brightness", "sharpness")


def site(rng: np.random.Generator, count: int = 200) -> SiteCalibration:
    """A calibration of independent numbers."""
    values = {name: tuple(rng.normal(0, 1, count)) for name in NAMES}
    return SiteCalibration("b" * 64, 4, "a stopwatch", 0.05, values, "0" * 64, "normals")


def drawn(rng: np.random.Generator, **shifts: float) -> dict[str, float]:
    """One image's numbers."""
    return {name: float(rng.normal(shifts.get(name, 0), 1)) for name in NAMES}


def test_no_more_false_alarms_than_stated() -> None:
    """Over 80 calibrations, the alarms in 10,000 images are on average at most as many as stated."""
    rng = np.random.default_rng(0)
    alarms, windows, stated = 0, 100, 5.0
    for _ in range(80):
        reference = site(rng)
        monitor = DriftMonitor(reference, DriftSettings(alarms_per_10000=stated))
        for row in rng.normal(0, 1, (10 * windows, len(NAMES))):
            state = monitor.add(dict(zip(NAMES, row, strict=True)))
            alarms += len(state.reasons) if state.seen % 100 == 0 else 0
    assert 0 < alarms / (80 * 10 * windows) * 10_000 <= stated


@pytest.mark.parametrize(("window", "stride", "each"), [(100, 1, 1.0), (20, 10, 2.0), (50, 1, 0.5)])
def test_the_alarms_are_shared_by_all_that_is_tested(window: int, stride: int, each: float) -> None:
    """5 alarms in 10,000 images leave a window of 100 a chance of 5 %: a third for each of three statistics.

    Where the order of images is compared too, there are four.
    """
    rng, settings = (
        np.random.default_rng(11),
        DriftSettings(window=window, stride=stride, alarms_per_10000=5.0),
    )
    assert DriftMonitor(site(rng, 400), settings).level == pytest.approx(each * 0.05 / 3)
    assert DriftMonitor(ordered(film(rng, 400, 0.0)), settings).level == pytest.approx(each * 0.05 / 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_shift_is_found_and_named(name: str) -> None:
    """One standard deviation off is found with the first window after it, and only what changed is named."""
    rng = np.random.default_rng(1)
    monitor = DriftMonitor(site(rng))
    assert not any(monitor.add(drawn(rng)).alarm for _ in range(300))
    states = [monitor.add(drawn(rng, **{name: 1.0})) for _ in range(100)]
    assert states[-1].alarm
    assert not states[-2].alarm
    assert len(states[-1].reasons) == 1
    assert "is higher than in the calibration" in states[-1].reasons[0]
    for _ in range(100):
        monitor.add(drawn(rng))
    assert not monitor.state.alarm


def test_usual_images_are_what_is_compared_with() -> None:
    """A ward of ill patients is no drift where the calibration knows how the images usually come."""
    rng = np.random.default_rng(2)
    normals = site(rng)
    ward = replace(normals, usual={"score": tuple(rng.normal(2, 2, 200))})
    for reference, alarm in ((normals, True), (ward, False)):
        monitor = DriftMonitor(reference)
        for score in rng.normal(2, 2, 100):
            monitor.add({**drawn(rng), "score": float(score)})
        assert monitor.state.alarm is alarm


Looks = tuple[dict[str, tuple[float, ...]], NDArray[np.float32]]
COMMON = 0.8  # share of the images that they all have, as films of one kind do


def film(rng: np.random.Generator, count: int, rho: float) -> Looks:
    """Statistics and images of which successive ones have ``rho`` of their own part in common."""
    own = rng.normal(0, 1, (count, len(NAMES) + 32 * 32)).astype(np.float32)
    for number in range(1, count):
        own[number] = rho * own[number - 1] + (1 - rho**2) ** 0.5 * own[number]
    common = np.random.default_rng(99).normal(0, 1, 32 * 32).astype(np.float32)
    grids = COMMON**0.5 * common + (1 - COMMON) ** 0.5 * own[:, len(NAMES) :]
    statistics = {name: tuple(own[:, index].tolist()) for index, name in enumerate(NAMES)}
    return statistics, grids.reshape(-1, 32, 32)


def ordered(looks: Looks) -> SiteCalibration:
    """A calibration of these images, in this order."""
    statistics, grids = looks
    made = SiteCalibration("b" * 64, 4, "a stopwatch", 0.05, statistics, "0" * 64, "normals")
    return replace(made, successive=successive(list(grids)), apart=apart(list(grids)))


def watched(monitor: DriftMonitor, looks: Looks, shift: float = 0.0) -> list[DriftState]:
    """Watch these images, the first statistic of each higher by ``shift``."""
    statistics, grids = looks
    rows = [dict(zip(statistics, row, strict=True)) for row in zip(*statistics.values(), strict=True)]
    return [
        monitor.add({**row, NAMES[0]: row[NAMES[0]] + shift}, grid)
        for row, grid in zip(rows, grids, strict=True)
    ]


def test_a_window_of_images_that_are_alike_is_worth_fewer() -> None:
    """False alarms keep to what is stated for frames in a row."""
    rng, stated, windows = np.random.default_rng(7), 20.0, 20
    settings, alarms = DriftSettings(window=50, alarms_per_10000=stated), 0
    for _ in range(8):
        monitor = DriftMonitor(ordered(film(rng, 200, 0.0)), settings, of_camera=True)
        states = watched(monitor, film(rng, 50 * windows, 0.7))[49::50]
        alarms += sum(len(state.reasons) for state in states)
    assert alarms / (8 * 50 * windows) * 10_000 <= stated


def test_a_shift_is_found_in_frames_that_are_alike() -> None:
    """What is lost is power, not all of it; images that have nothing in common lose next to none."""
    rng = np.random.default_rng(8)
    site = ordered(film(rng, 300, 0.0))
    monitor = DriftMonitor(site, of_camera=True)
    (state,) = watched(monitor, film(rng, 100, 0.5), shift=3.0)[99::100]
    assert state.alarm
    assert 25 <= state.effective <= 40
    assert watched(DriftMonitor(site), film(rng, 100, 0.0))[-1].effective >= 70


@pytest.mark.parametrize(
    ("calibration", "feed", "of_camera", "way"),
    [
        (0.0, 0.0, False, None),
        (0.0, 0.9, False, "higher"),  # one patient again and again
        (0.0, 0.9, True, None),  # frames of a camera are alike
        (0.9, 0.9, True, None),
        (0.9, 0.0, True, "lower"),  # frames are lost
        (0.9, 0.99, True, "higher"),  # the scene stands still
    ],
)
def test_likeness_of_successive_images_is_compared(
    calibration: float, feed: float, of_camera: bool, way: str | None
) -> None:
    """For a camera only with a calibration that is a sequence too; the reason names it."""
    rng = np.random.default_rng(9)
    monitor = DriftMonitor(ordered(film(rng, 300, calibration)), of_camera=of_camera)
    reasons = watched(monitor, film(rng, 100, feed))[-1].reasons
    expected = [f"likeness of successive images is {way} than in the calibration"] if way else []
    assert [reason.split(":")[0] for reason in reasons] == expected


def test_images_too_alike_to_tell() -> None:
    """A window that is worth one image shows nothing, and the monitor knows that."""
    rng = np.random.default_rng(10)
    monitor = DriftMonitor(ordered(film(rng, 200, 0.0)), of_camera=True)
    assert monitor.can_tell
    (state,) = watched(monitor, film(rng, 100, 0.999), shift=9.0)[99::100]
    assert (state.alarm, state.effective, monitor.can_tell) == (False, 1, False)


def test_a_frozen_picture() -> None:
    """Five equal images in a row are an alarm at once, and the sixth, another one, ends it."""
    rng = np.random.default_rng(3)
    monitor, still = DriftMonitor(site(rng)), rng.normal(0, 1, (32, 32)).astype(np.float32)
    states = [monitor.add(drawn(rng), still) for _ in range(5)]
    assert [state.alarm for state in states] == [False] * 4 + [True]
    assert "frozen: 5 images in a row" in states[-1].reasons[0]
    assert not monitor.add(drawn(rng), -still).alarm


def test_a_stride_looks_at_fewer() -> None:
    """With a stride of 10, a window of 20 is tested after 191 images."""
    rng = np.random.default_rng(4)
    monitor = DriftMonitor(site(rng), DriftSettings(window=20, stride=10))
    tested = [monitor.add(drawn(rng)).tested for _ in range(200)]
    assert tested.index(1) == 190


def test_memory_stays() -> None:
    """Ten thousand images leave no more memory in use than a thousand."""
    rng = np.random.default_rng(5)
    monitor = DriftMonitor(site(rng))
    grids = rng.normal(0, 1, (7, 32, 32)).astype(np.float32)
    tracemalloc.start()
    try:
        for number in range(10_000):
            monitor.add(drawn(rng), grids[number % 7])
            if number == 1_000:
                before = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] - before < 4_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "values", [{"window": 9}, {"stride": 0}, {"frozen_after": 1}, {"alarms_per_10000": 0.0}, {"window": 2.5}]
)
def test_settings_that_cannot_work(values: dict[str, float]) -> None:
    """Each is refused with its name and value."""
    with pytest.raises(SettingsError, match=next(iter(values))):
        DriftSettings(**values)  # type: ignore[arg-type]  # wrong on purpose


def test_too_small_a_calibration() -> None:
    """Where even the greatest difference would be no evidence, the monitor says so."""
    with pytest.raises(SettingsError, match="Calibrate with more images"):
        DriftMonitor(site(np.random.default_rng(6), 2), DriftSettings(window=10, alarms_per_10000=0.01))
