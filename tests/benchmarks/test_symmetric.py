"""benchmarks/detection/symmetric.py: what a symmetric recipe loses against its like."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def symmetric(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the benchmark."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.detection.symmetric")


def row(recipe: str, steps: int, auroc: float, loss: float, ms: float) -> dict[str, Any]:
    """A row of the table."""
    return {"recipe": recipe, "steps": steps, "auroc": auroc, "final_loss": loss, "total_ms": ms}


def test_each_is_compared_with_its_like(symmetric: ModuleType) -> None:
    """The same engine and number of steps, and all three bounds, decide."""
    rows = [
        row("float32", 2, 0.99, 90.0, 9.0),
        row("qat", 0, 0.90, 110.0, 2.0),
        row("qat", 2, 0.95, 100.0, 4.0),
        row("qat, symmetric", 0, 0.90, 111.0, 2.0),
        row("qat, symmetric", 2, 0.9495, 100.4, 4.05),
        row("ptq, symmetric", 2, 0.95, 100.0, 4.0),
    ]
    worse, within = symmetric.compared(rows)
    assert (worse["steps"], worse["within_bounds"]) == (0, False)
    assert (within["steps"], within["within_bounds"]) == (2, True)
    assert within["lost"] == pytest.approx({"auroc": 0.0005, "final_loss": 0.004, "total_ms": 0.0125})


@pytest.mark.parametrize("change", [{"auroc": 0.948}, {"final_loss": 100.6}, {"total_ms": 4.1}])
def test_each_bound_counts(symmetric: ModuleType, change: dict[str, float]) -> None:
    """One figure beyond its bound is enough; what became better is no loss."""
    like, same = row("ptq", 8, 0.95, 100.0, 4.0), row("ptq, symmetric", 8, 0.95, 100.0, 4.0)
    better = row("ptq, symmetric", 8, 0.97, 90.0, 3.0)
    assert symmetric.compared([like, same])[0]["within_bounds"]
    assert symmetric.compared([like, better])[0]["within_bounds"]
    assert not symmetric.compared([like, {**same, **change}])[0]["within_bounds"]
