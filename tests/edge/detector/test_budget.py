"""The choice of steps by time: measured once, the largest that fits, and the figures where none does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector import budget
from sranogan_edge.detector.budget import largest_within, p95_ms, table_of
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import BackendError


class Timed:
    """Stands in for a detector whose budgets take as long as they are told to."""

    def __init__(self, steps: int, taken: dict[int, float]) -> None:
        self.steps, self.taken = steps, taken
        self.bundle = type("Bundle", (), {"budgets": taken, "steps": steps})
        self.backend = type("Backend", (), {"label": "a stopwatch"})


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Timed:
    """Give a detector of three budgets, of 2, 5 and 9 ms."""
    monkeypatch.setattr(budget, "p95_ms", lambda detector: detector.taken[detector.steps])
    monkeypatch.setattr(budget, "with_steps", lambda detector, steps: Timed(steps, detector.taken))
    return Timed(4, {8: 9.0, 0: 2.0, 4: 5.0})


@pytest.mark.parametrize(("limit_ms", "steps"), [(2.0, 0), (4.99, 0), (5.0, 4), (8.0, 4), (9.0, 8), (1e9, 8)])
def test_the_largest_that_fits(timed: Timed, limit_ms: float, steps: int) -> None:
    """Every budget is measured, and the largest within the limit is taken, the limit included."""
    found, taken = largest_within(timed, limit_ms)  # type: ignore[arg-type]  # a stand-in
    assert found.bundle.steps == steps
    assert dict(taken) == timed.taken


@pytest.mark.parametrize("limit_ms", [1.99, 0.0, float("nan")])
def test_none_fits(timed: Timed, limit_ms: float) -> None:
    """Where not even the smallest fits, the message has every figure and the backend."""
    with pytest.raises(
        BackendError, match=r"a stopwatch: p95 of 0 steps 2\.0 ms, 4 steps 5\.0 ms, 8 steps 9"
    ):
        largest_within(timed, limit_ms)  # type: ignore[arg-type]  # a stand-in


class Ticking:
    """Stands in for a detector; scoring moves the clock by what the next image takes, in milliseconds."""

    def __init__(self, taken_ms: list[float]) -> None:
        self.taken_ms, self.now_s, self.scored = taken_ms, 100.0, 0
        self.bundle = SimpleNamespace(golden=SimpleNamespace(x=[None] * 8))

    def score_x(self, _: object) -> None:
        self.now_s += self.taken_ms[self.scored] / 1000
        self.scored += 1


def test_p95_is_in_milliseconds_without_the_first_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 images that take 1 to 40 ms, after three slow ones, the 95th percentile is 38.05 ms."""
    detector = Ticking([5000.0, 5000.0, 5000.0, *(float(1 + 7 * n % 40) for n in range(40))])
    monkeypatch.setattr(budget, "perf_counter", lambda: detector.now_s)
    found = p95_ms(detector)  # type: ignore[arg-type]  # a stand-in
    assert found == pytest.approx(38.05, abs=1e-6)
    assert detector.scored == 43


def test_measured_on_a_real_bundle(budgets_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real bundle's golden inputs are scored to measure, and every budget proves itself on the way."""
    monkeypatch.setattr(budget, "RUNS", 5)
    detector = open_detector(read_bundle(budgets_bundle))
    found, taken = largest_within(detector, 1e9)
    assert found.bundle.steps == max(detector.bundle.budgets)
    assert sorted(taken) == sorted(detector.bundle.budgets)
    assert found.backend == detector.backend
    assert table_of({0: 1.26, 3: 20.0}) == "p95 of 0 steps 1.3 ms, 3 steps 20.0 ms"
