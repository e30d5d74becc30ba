"""benchmarks/detection/contamination.py: who is put among the normals, and the figures that come of it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

from keras_sranogan.data.item import Item
from keras_sranogan.run import Run
from sranogan_edge.errors import DataError

DATA = "phantom?train=60&val=60&test=12&size=96"  # the tiny run's normals, with more abnormals beside them


@pytest.fixture
def contamination(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the script."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.detection.contamination")


def abnormals(count: int) -> list[Item]:
    """Items of two films a patient."""
    return [Item(f"{i}.png", "PNEUMONIA", False, f"person{i // 2}") for i in range(count)]


def test_no_patient_is_in_two_parts(contamination: ModuleType) -> None:
    """Every abnormal film has one part, all films of a patient the same, and the seed decides which."""
    drawn = contamination.draw(abnormals(80), 0.2, 3)
    parts = [drawn.held_out, drawn.trained, drawn.reported]
    groups = [{item.group for item in part} for part in parts]
    assert sum(map(len, parts)) == 80
    assert len(set.union(*groups)) == sum(map(len, groups)) == 40
    assert len(drawn.held_out) < len(drawn.trained) < len(drawn.reported)
    assert contamination.draw(abnormals(80), 0.2, 3) == drawn
    assert contamination.draw(abnormals(80), 0.2, 4) != drawn


def test_the_share_is_of_the_whole(contamination: ModuleType) -> None:
    """10 among 90 normals are 10 %; what a split cannot give is refused, with the number it would take."""
    assert contamination.added(90, 0.1, abnormals(20)) == 10
    assert contamination.added(90, 0.0, []) == 0
    with pytest.raises(DataError, match="10 abnormals are needed"):
        contamination.added(90, 0.1, abnormals(9))


@pytest.mark.slow
@pytest.mark.parametrize("head_steps", [0, 4])
def test_every_share_is_tried_with_every_share_left_out(
    contamination: ModuleType, tiny_run: Run, tmp_path: Path, head_steps: int
) -> None:
    """Nine rows of figures in 0..1, with the head kept and with the head trained again."""
    out = tmp_path / "contamination.json"
    contamination.main(tiny_run.folder, DATA, out, "val", 2 - head_steps // 4, head_steps, 0)
    rows = json.loads(out.read_text())["rows"]
    shares = contamination.SHARES
    found = [(row["contaminated"], row["left_out"]) for row in rows]
    assert found == [(contaminated, left_out) for contaminated in shares for left_out in shares]
    for row in rows:
        for name in ("auroc", "sensitivity", "false_alarm_rate"):
            assert 0 <= row[name] <= 1
            assert min(row[f"{name}_by_draw"]) <= row[name] <= max(row[f"{name}_by_draw"])
    assert "| 10% | 5% |" in contamination.table(rows)


def test_the_page_shows_the_committed_figures(contamination: ModuleType) -> None:
    """The table of docs/method/contamination.md is that of the result file."""
    root = Path(__file__).parents[2]
    rows = json.loads((root / "benchmarks" / "results" / "contamination.json").read_text())["rows"]
    assert contamination.table(rows) in (root / "docs" / "method" / "contamination.md").read_text()
