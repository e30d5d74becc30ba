"""benchmarks/detection/search.py and its page: every way to export once, and what the table says of them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from keras_sranogan.run import Run

DATA = "phantom?train=60&val=24&test=12&size=96"  # the tiny run's


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the script."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.detection.search")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import what writes its table."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.pages.search_page")


def row(search: str, steps: int, recipe: str, loss: float) -> dict[str, Any]:
    """One row of a result."""
    kept = {"search": search, "steps": steps, "recipe": recipe, "final_loss": loss, "auroc": 0.9}
    return {**kept, "search_ms": 2.0, "total_ms": 5.0, "bundle_bytes": 2**20}


def test_every_search_is_exported_in_every_recipe(search: ModuleType) -> None:
    """The encoder alone is a budget of the gradient search, not an export of its own."""
    asked = search.wanted([2, 8], [1, 4], tfmot=False)
    assert {(one.search, one.steps) for one in asked} == {("gradient", (0, 2, 8)), ("learned", (1, 4))}
    assert len(asked) == 2 * len(search.RECIPES)
    assert len({one.name for one in asked}) == len(asked)
    command = asked[0].command(Path("run"), Path("a.sranogan"))
    assert command[command.index("--budgets") + 1] == "0,2,8"
    assert {one.recipe for one in search.wanted([2], [], tfmot=True)} - set(search.RECIPES) == set(
        search.TFMOT
    )


def test_each_loss_is_compared_with_its_own_search_in_float(page: ModuleType) -> None:
    """The share is of the float32 row of the same search and steps; the encoder stands first."""
    result = {
        "rows": [
            row("learned", 4, "float32", 100.0),
            row("learned", 4, "int8", 103.0),
            row("gradient", 8, "float32", 200.0),
            row("gradient", 8, "int8", 201.0),
            row("encoder", 0, "float32", 300.0),
        ],
        "split": {"name": "val", "normal": 2, "abnormal": 4},
        "seed": 0,
        "threads": 1,
        "timed_images": 6,
        "provenance": {"machine": {"cpu": "a cpu"}, "load_average": [0.25, 0.0, 0.0]},
    }
    lines = page.table(result).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:7]] == [
        "encoder",
        "gradient",
        "gradient",
        "learned",
        "learned",
    ]
    assert "+0.5%" in lines[4]
    assert "+3.0%" in lines[6]


@pytest.mark.slow
def test_a_run_is_exported_scored_and_timed(
    search: ModuleType, page: ModuleType, tiny_run: Run, tmp_path: Path
) -> None:
    """One row for each budget of each recipe, with figures that can be; bundles are not made twice."""
    out, work = tmp_path / "search.json", tmp_path / "work"
    search.main(tiny_run.folder, DATA, work, out, "val", "1,2", "", False)
    rows = json.loads(out.read_text())["rows"]
    assert len(rows) == 3 * len(search.RECIPES)
    for one in rows:
        assert 0 <= one["auroc"] <= 1
        assert one["final_loss"] > 0
        assert one["total_ms"] > one["search_ms"] > 0
    exact = [one["final_loss"] for one in rows if one["recipe"] == "float32"]
    assert np.diff(exact).max() < 0  # each step lowers it
    assert page.table(json.loads(out.read_text()))
    made = {path: path.stat().st_mtime_ns for path in work.iterdir()}
    search.main(tiny_run.folder, DATA, work, out, "val", "1,2", "", False)
    assert made == {path: path.stat().st_mtime_ns for path in work.iterdir()}


def test_the_page_shows_the_committed_figures(page: ModuleType) -> None:
    """The table of docs/method/search.md is that of the result file, where one was committed."""
    if not page.RESULT.exists():
        pytest.skip(
            "benchmarks/detection/search.py was not run to its end on this tree: there is no result file"
        )
    assert page.table(json.loads(page.RESULT.read_text())) in page.PAGE.read_text()
