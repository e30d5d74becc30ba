"""benchmarks/pages/onnx_page.py: its tables, and that the page holds those of the results."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

RESULT: dict[str, Any] = {"provenance": {"machine": {"cpu": "A processor"}, "load_average_before": 0.5}}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.pages.onnx_page")


def test_the_page_is_current(page: ModuleType) -> None:
    """All tables on the page are those that the results give."""
    with pytest.raises(typer.Exit) as ended:
        page.main(check=True)
    assert ended.value.exit_code == 0


def test_what_is_lost_stands_in_the_table(page: ModuleType) -> None:
    """Rows beyond a bound say no, rows within say yes, and rows that are not compared say nothing."""
    row = {"steps": 2, "auroc": 0.9, "final_loss": 100.0, "total_ms": 4.0}
    rows = [{**row, "recipe": name} for name in ("qat", "qat, symmetric", "ptq, symmetric")]
    compared = [
        {"recipe": "qat, symmetric", "steps": 2, "within_bounds": True},
        {"recipe": "ptq, symmetric", "steps": 2, "within_bounds": False},
    ]
    bounds = {"auroc": 0.001, "final_loss": 0.005, "total_ms": 0.02}
    split = {"normal": 60, "abnormal": 50}
    rest = {"bounds": bounds, "split": split, "timed_images": 60}
    lines = page.symmetric_table({**RESULT, **rest, "rows": rows, "compared": compared}).splitlines()
    assert [line.split("|")[-2].strip() for line in lines[2:5]] == ["", "yes", "**no**"]
    assert "AUROC 0.001 lower, loss 0.5% and time 2% higher" in lines[-1]


def test_engines_and_what_is_refused(page: ModuleType) -> None:
    """A graph has the size of its engine, or that it was refused."""
    graphs = {
        "head": {"onnx_bytes": 2048, "engine_bytes": 1_536_000},
        "search_steps_8": {"onnx_bytes": 1024, "refused": "Assertion failed"},
    }
    result = {"tensorrt_rtx": "1.7", "results": [{"bundle": "int8", "graphs": graphs}]}
    lines = page.engines_table(result).splitlines()
    assert lines[2] == "| int8 | head | 2 | 1,500 |"
    assert lines[3] == "| int8 | search_steps_8 | 1 | refused, as the manifest says |"


def test_golden_cases_stand_beside_times(page: ModuleType) -> None:
    """Of each bundle and number of steps: how far its golden cases are off, and the search's two times."""
    of = {"backend": "onnx:openvino", "bundle": "demo/int8.sranogan", "steps": 8, "label": "x (OpenVINO)"}
    search = {**of, "graph": "search", "milliseconds": {"p50": 2.5}, "xnnpack_milliseconds": {"p50": 1.25}}
    golden = {**of, "graph": "", "off_by_at_most": 0.01, "tolerance": 0.25}
    table = page.openvino_table({**RESULT, "results": [search, golden]})
    assert "| onnx:openvino | int8 | 8 | 0.0100 (0.25) | 2.50 | 1.25 |" in table
    assert "x (OpenVINO), one thread, medians, on A processor, load average 0.5" in table
