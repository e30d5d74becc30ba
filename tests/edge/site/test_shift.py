"""Whether a site's normals score as the bundle's: false cries, images until it is said, what is tolerated."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError
from sranogan_edge.site import drift_ks
from sranogan_edge.site.drift import DriftSettings
from sranogan_edge.site.shift import ShiftMonitor

FLAGGED_23 = 0.906  # standard deviations that normals score higher by where 23 % are above the 5 % threshold
ILL = 2.5  # standard deviations above normals
Values = NDArray[np.float64]


def stream(
    rng: np.random.Generator, count: int, rho: float = 0.0, ill: float = 0.0, shift: float = 0.0
) -> Values:
    """Scores in a row of which one has ``rho`` in common with the next; a share of them is ``ill``."""
    values = rng.normal(size=count)
    for number in range(1, count):
        values[number] = rho * values[number - 1] + (1 - rho**2) ** 0.5 * values[number]
    sick = rng.random(count) < ill
    values[sick] = rng.normal(ILL, 1, int(sick.sum()))
    return values + shift


def cries(monitor: ShiftMonitor, scores: Values) -> int:
    """How often it begins to say that the site differs."""
    said, found = False, 0
    for score in scores.tolist():
        reason = bool(monitor.add(score))
        found, said = found + (reason and not said), reason
    return found


def until(monitor: ShiftMonitor, scores: Values) -> int:
    """The number of the image at which it is said; one more than there are where it never is."""
    return next((n for n, score in enumerate(scores.tolist(), 1) if monitor.add(score)), len(scores) + 1)


@pytest.mark.slow
@pytest.mark.parametrize("normals", [50, 100, 200])
@pytest.mark.parametrize("rho", [0.0, 0.3])
@pytest.mark.parametrize("ill", [0.0, 0.05])
def test_it_hardly_ever_cries_wolf(normals: int, rho: float, ill: float) -> None:
    """At most 1 false cry in 10,000 unshifted images, also dependent ones and with 5 % ill: 1,000 bundles."""
    found = 0
    for seed in range(1000):
        rng = np.random.default_rng((seed, normals))
        found += cries(ShiftMonitor(rng.normal(size=normals).tolist()), stream(rng, 400, rho, ill))
    assert found / (1000 * 400) * 10_000 <= 1


@pytest.mark.parametrize("stride", [1, 10])
def test_the_alarms_are_shared_by_the_windows(stride: int) -> None:
    """Quarters, halves and wholes of 100 images have a quarter, a quarter and half of 2 in 10,000 images."""
    settings = DriftSettings(window=100, stride=stride, alarms_per_10000=2.0)
    levels = ShiftMonitor(np.arange(500.0).tolist(), settings)._levels
    assert levels == pytest.approx({25: 0.00125 * stride, 50: 0.0025 * stride, 100: 0.01 * stride})


@pytest.mark.parametrize(
    ("normals", "rho", "ill", "within_100", "median"),
    [
        (100, 0.0, 0.0, 0.95, 50),
        (100, 0.0, 0.05, 0.95, 50),
        (100, 0.3, 0.05, 0.85, 100),
        (50, 0.0, 0.05, 0.85, 75),
        (50, 0.3, 0.05, 0.7, 100),
        (200, 0.0, 0.05, 0.97, 50),
    ],
)
def test_a_site_that_differs_is_told_soon(
    normals: int, rho: float, ill: float, within_100: float, median: int
) -> None:
    """Where 23 % of a site's normals are above the 5 % threshold, that is said within 100 images."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng((seed, normals, 1))
        scores = stream(rng, 200, rho, ill, FLAGGED_23)
        found.append(until(ShiftMonitor(rng.normal(size=normals).tolist()), scores))
    assert np.mean(np.array(found) <= 100) >= within_100
    assert np.median(found) <= median


def test_a_tenth_of_the_images_may_score_anything() -> None:
    """With ten of a hundred as ill as can be, the stated rate holds; images that score lower are no cry."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(100):
        normals, scores = rng.normal(size=100).tolist(), stream(rng, 100)
        scores[rng.permutation(100)[:10]] = 50
        found += cries(ShiftMonitor(normals), scores)
        assert cries(ShiftMonitor(normals), stream(rng, 100, shift=-3)) == 0
    assert found / (100 * 100) * 10_000 <= 1


def test_what_it_says_and_when_it_is_over() -> None:
    """The sentence has both medians and the cure, and is over with a whole window in order."""
    rng = np.random.default_rng(1)
    monitor = ShiftMonitor(rng.normal(size=100).tolist())
    for score in stream(rng, 200, shift=2):
        monitor.add(score)
    assert "half of the last " in monitor.reason
    assert "sranogan-calibrate --adapt" in monitor.reason
    for score in stream(rng, 99):
        assert monitor.add(score)
    assert monitor.add(0.0) == ""


def test_one_of_so_many_is_looked_at() -> None:
    """With a stride, images between count for nothing."""
    rng = np.random.default_rng(2)
    every = ShiftMonitor(rng.normal(size=100).tolist(), DriftSettings(stride=10))
    scores = np.full(2000, -3.0)  # lower than normals, which is no cry
    scores[::10] = 3
    assert 241 <= until(every, scores) <= 991
    assert (
        until(ShiftMonitor(rng.normal(size=100).tolist(), DriftSettings(stride=10)), np.roll(scores, 9))
        > 2000
    )


def test_images_that_depend_on_each_other_count_as_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four as one: of 25, 50 and 100, less the fifth to tenth that is tolerated, 5, 10 and 22 are left."""
    monitor, counts = ShiftMonitor(np.arange(100.0).tolist()), list[int]()

    def noted(level: float, normals: int, count: int, *, one_sided: bool) -> float:
        counts.append(count)
        return 1.1

    monkeypatch.setattr(drift_ks, "critical_distance", noted)
    monkeypatch.setattr(monitor._long_run, "add", lambda values: np.array([4.0]))
    for score in range(100):
        monitor.add(score)
    assert counts == [5, 5, 10, 5, 5, 10, 22]


def test_too_few_normals_are_told() -> None:
    """A bundle that held out one normal cannot say whether a site differs."""
    with pytest.raises(SettingsError, match="1 held-out normals are too few"):
        ShiftMonitor([0.0])


def test_the_one_sided_chance() -> None:
    """Of 4 and 3 numbers, all orders equally likely, the chance is counted over all 35 of them."""
    from itertools import combinations

    for gap in (0.25, 0.5, 2 / 3, 1.0):
        found = 0
        for first in combinations(range(7), 4):
            shares = [
                sum(n <= at for n in first) / 4 - sum(n <= at for n in set(range(7)) - set(first)) / 3
                for at in range(7)
            ]
            found += max(shares) >= gap - 1e-9
        assert drift_ks.p_value(gap, 4, 3, one_sided=True) == pytest.approx(found / 35)
