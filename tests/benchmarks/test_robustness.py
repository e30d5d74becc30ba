"""benchmarks/detection/robustness.py: its columns, and normals that are told apart by source."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from types import ModuleType

import pytest

from keras_sranogan.data.open import open_source
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import RunError, SettingsError

DATA = "phantom?train=60&val=12&test=12&size=96"  # what the tiny run was trained on


@pytest.fixture
def robustness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the script."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.detection.robustness")


def test_a_source_that_is_all_there_is_gives_the_bundles_own_figures(
    robustness: ModuleType, tiny_run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    """Densities fitted again on every normal are the bundle's own; each column is there, with its spread."""
    out = tmp_path / "robustness.json"
    robustness.main(DATA, [tiny_bundle], out, "val", [tiny_run.folder], ["0"], draws=1)
    result = json.loads(out.read_text())
    columns = result["models"][0]["columns"]
    assert columns["sources"]["fitted on 0, tested on 0"] == {
        name: columns[name] for name in ("plain", "low_pass")
    }
    assert result["summary"]["shifted"]["auroc"] == {
        "mean": columns["shifted"]["auroc"],
        "min": columns["shifted"]["auroc"],
        "std": None,
    }
    assert any("networks were trained" in note for note in result["notes"])
    assert result["normals"] == result["abnormals"] == 12


def test_normals_of_other_data_are_refused(robustness: ModuleType, tiny_run: Run, tiny_bundle: Path) -> None:
    """Names are taken from data that gives the run's own held-out normals, and from no other."""
    model = robustness.Model(open_detector(read_bundle(tiny_bundle)), open_source(f"{DATA}&seed=5"), Silent())
    with pytest.raises(RunError, match="held-out normals"):
        robustness.named_normals(model, tiny_run)


def test_sources_need_runs(robustness: ModuleType, tmp_path: Path) -> None:
    """A prefix without run folders is an error before anything is scored."""
    with pytest.raises(SettingsError, match="--run"):
        robustness.main(DATA, [Path("none")], tmp_path / "out.json", source_prefix=["0"])


def test_summary_of_seeds(robustness: ModuleType) -> None:
    """Mean, minimum and standard deviation over seeds, at any depth; what one seed lacks is None."""
    found = robustness.summarise([{"a": {"auroc": 0.5, "x": None}}, {"a": {"auroc": 0.7, "x": 1.0}}])
    assert found["a"]["x"] is None
    assert found["a"]["auroc"]["mean"] == pytest.approx(0.6)
    assert found["a"]["auroc"]["min"] == 0.5
    assert found["a"]["auroc"]["std"] == pytest.approx(math.sqrt(0.02))
