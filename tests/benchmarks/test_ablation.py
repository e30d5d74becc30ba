"""benchmarks/detection/ablation.py: rows that can be checked against the run itself, and its tables."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from keras_sranogan.data.load import load_images
from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.scorers import RunScorer
from keras_sranogan.run import Run
from sranogan_edge.errors import SettingsError

DATA = "phantom?train=60&val=12&test=12&size=96"  # what the tiny run was trained on
ROWS = ["all", "image", "l1_g", "no_refiner", "steps_0"]


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the script."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.detection.ablation")


@pytest.mark.slow
def test_all_parts_give_the_runs_own_figure(ablation: ModuleType, tiny_run: Run, tmp_path: Path) -> None:
    """The reference row is what the run's own detector gives; every row asked for stands in the tables."""
    out, table = tmp_path / "ablation.json", tmp_path / "ablation.md"
    ablation.main(tiny_run.folder, DATA, out, tmp_path / "work", "val", ROWS, fewer=True, table=table)
    result = json.loads(out.read_text())
    rows = {row["name"]: row for row in result["rows"]}
    source = open_source(DATA)
    images = load_images(source, source.items("val"), tiny_run.settings.preprocess)
    scored = RunScorer(tiny_run.folder, anogan_steps=1).score(images.x, lambda done: None)
    abnormal = np.array([not item.is_normal for item in images.items])
    assert rows["all"]["auroc"] == pytest.approx(metrics.auroc(scored.score, abnormal), abs=0.01)
    assert rows["l1_g"]["auroc"] == metrics.auroc(scored.search_distance, abnormal)
    assert list(rows) == ROWS
    assert all(row["title"] in table.read_text() for row in result["rows"])
    assert rows["steps_0"]["images"] == {"normals": 6, "abnormals": 6, "fitted_on": 24}
    assert "fewer images" in table.read_text()


def test_an_unknown_row_is_refused_with_those_that_there_are(ablation: ModuleType) -> None:
    """A misspelt row is no empty result."""
    with pytest.raises(SettingsError, match=r"residuals.*there are all, residual"):
        ablation.choose(["all", "residual"], ["residuals"])


def test_difference_is_paired(ablation: ModuleType) -> None:
    """Equal scores differ by nothing in every resample; a better score differs by its gain."""
    abnormal = np.arange(20) >= 10
    good, poor = abnormal + np.linspace(0, 0.5, 20), np.tile([0.0, 1.0], 10)
    assert ablation.difference(good, good, abnormal) == {"auroc": 0.0, "auroc_ci": [0.0, 0.0]}
    found = ablation.difference(good, poor, abnormal)
    assert found["auroc"] == pytest.approx(0.5)
    assert found["auroc_ci"][0] > 0


def test_the_page_shows_the_committed_figures(ablation: ModuleType) -> None:
    """The tables of docs/method/ablation.md are those of the result file."""
    root = Path(__file__).parents[2]
    result = root / "benchmarks" / "results" / "chest_xray_val_ablation_seed0.json"
    assert (
        ablation.tables(json.loads(result.read_text()))
        in (root / "docs" / "method" / "ablation.md").read_text()
    )
