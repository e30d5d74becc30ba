"""benchmarks/runner/soak.py, camera.py, kill.py: what they make of what they measured."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sranogan_edge.feeds.kinds import feed_of


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture
def soak() -> ModuleType:
    """Import the soak."""
    return importlib.import_module("benchmarks.runner.soak")


def test_a_leak_is_found_and_a_peak_is_none(soak: ModuleType) -> None:
    """Two MiB in 100,000 images come out as such, with or without peaks that go away again."""
    draws = np.random.default_rng(1)
    images = np.linspace(0, 100_000, 400)
    noise = 100 + draws.normal(0, 0.1, 400)
    peaks = np.where(draws.random(400) < 0.1, 6.0, 0.0)
    flat, leak = soak.slope_of(images, noise + peaks), soak.slope_of(images, noise + peaks + 2e-5 * images)
    assert flat.low < 0 < flat.high
    assert flat.high < 0.3
    assert leak.low < 2.0 < leak.high
    assert leak.low > 1.7


def test_too_few_samples_for_a_slope(soak: ModuleType) -> None:
    """A run that ended at once has no slope."""
    with pytest.raises(ValueError, match="too few"):
        soak.slope_of([1.0, 2.0], [1.0, 2.0])


def test_the_film_and_its_latencies(tmp_path: Path) -> None:
    """The film has its frames; a result is as old as the time since its frame was read; gaps are drops."""
    camera = importlib.import_module("benchmarks.runner.camera")
    film = importlib.import_module("benchmarks.film").write_film(tmp_path / "film.avi", 12)
    watch = camera.Stopwatch(feed_of(str(film)).open())
    arrivals = list(watch)
    assert [arrival.frame.pixels.shape for arrival in arrivals if arrival.frame] == [(480, 640, 3)] * 12
    for number in (1, 2, 4, 8):
        watch.results.append(camera.Timed(number, 100.0, 100.0 + number / 1000, 0.5))
    found = camera.figures(watch, 1.0, 0.5, warm_up_s=1 / 30)
    assert found["frames"] == 12
    assert found["dropped_after_warm_up"] == 4  # 3, 5, 6, 7
    assert found["latency_ms"]["p50"] == 4.0
    assert found["cpu_cores_used"] == 0.5


def test_a_broken_promise_is_named() -> None:
    """A report with a lost object says so; one without does not."""
    lives = importlib.import_module("benchmarks.runner.killing.lives")
    counts = dict.fromkeys(lives.KillReport.__dataclass_fields__, 0)
    whole = {**counts, "feed": "dicom", "objects": 3, "acknowledged": 3, "done": 2, "dead_poison": 1}
    assert lives.KillReport(**whole).broken() == []
    lost = lives.KillReport(**{**whole, "lost": 1, "done": 1})
    assert lost.broken() == ["nothing acknowledged is lost", "each is scored or dead-lettered"]
    assert "acknowledged and lost" in importlib.import_module("benchmarks.runner.kill").text_of(lost)
