"""Searches of a bundle: which kinds and lengths there are, several in one file, and their fine-tuning."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import SearchSettings
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import SettingsError
from sranogan_export import write_bundle as module
from sranogan_export.rebuild.flatbuffer import signatures
from sranogan_export.rebuild.search_graph import MAX_STEPS, check_search
from sranogan_export.recipe import ExportOptions, QatSettings
from sranogan_export.write_bundle import export_run
from tests.support.quick_export import PTQ, Told


def test_encoder_alone_without_cells(tiny_run: Run, tmp_path: Path) -> None:
    """With 0 steps the search is the encoder's start, all on integers; card and progress tell of it.

    A run of before there were usual cells has a bundle without: heat is told as it was.
    """
    told, run = Told(), Run(tmp_path / "before")
    shutil.copytree(tiny_run.folder, run.folder)
    settings = json.loads((run.folder / "settings.json").read_text())
    del settings["detector"]["cells"]
    (run.folder / "settings.json").write_text(json.dumps(settings))
    result = export_run(run, replace(PTQ, steps=0), tmp_path / "fast.sranogan", told)
    bundle = read_bundle(result.path)
    detector = open_detector(bundle)
    assert bundle.density.cells is None
    assert bundle.density.heat_center.shape == (3, 32, 32)
    assert set(detector.graphs.by_name["head"].outputs) == {"features", "map"}
    assert [(task, total == done) for task, total, done in told.tasks] == [
        ("exporting graphs", True),
        ("calibrating on held-out normals", True),
        ("proving equality", True),
    ]
    assert result.operators["search_steps_0"]["float32"] == {}
    assert bundle.details["float_islands"] == {}
    assert bundle.details["search"]["steps"] == 0
    assert "an encoder finds the nearest normal" in bundle.model_card


@pytest.mark.parametrize("steps", [-1, MAX_STEPS + 1])
def test_steps_out_of_range(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Steps that no fixed graph can have are refused before any work is done."""
    monkeypatch.setattr(module, "examples", pytest.fail)
    with pytest.raises(SettingsError, match="steps"):
        export_run(tiny_run, replace(PTQ, steps=steps), tmp_path / "b.sranogan", Silent())
    assert not list(tmp_path.iterdir())


def test_random_start_is_refused_at_once(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that searches from random starts is refused before any work, with the cure."""
    search = SearchSettings(steps=500, start="random")
    monkeypatch.setattr(Run, "settings", replace(tiny_run.settings, search=search))
    monkeypatch.setattr(module, "examples", pytest.fail)
    with pytest.raises(SettingsError, match=r"start=random.*cannot be exported.*--preset"):
        export_run(tiny_run, PTQ, tmp_path / "b.sranogan", Silent())


@pytest.mark.parametrize("steps", [0, 1, MAX_STEPS])
def test_steps_at_the_borders(steps: int) -> None:
    """The encoder alone and the longest search are both allowed."""
    check_search(SearchSettings(steps=steps))


def test_step_budgets(tiny_run: Run, tmp_path: Path) -> None:
    """A bundle of several budgets stores the weights once, and each budget proves itself."""
    options = ExportOptions("float32", steps=2, budgets=(0, 1))
    several = read_bundle(export_run(tiny_run, options, tmp_path / "several", Silent()).path)
    assert (several.steps, sorted(several.budgets)) == (2, [0, 1, 2])
    assert list(signatures(several.graphs["search"])) == ["steps_0", "steps_1", "steps_2"]
    one = read_bundle(export_run(tiny_run, replace(options, budgets=()), tmp_path / "one", Silent()).path)
    assert len(several.graphs["search"]) < 1.5 * len(one.graphs["search"])
    np.testing.assert_allclose(several.golden.scores, one.golden.scores, rtol=1e-6)
    for steps in several.budgets:
        open_detector(several.with_steps(steps))


def test_fine_tuned_bundle(tiny_run: Run, tmp_path: Path) -> None:
    """With quantisation-aware fine-tuning no network is worse than before, and the manifest tells of each."""
    options = ExportOptions(search="encoder", qat=QatSettings(steps=2, batch=4))
    told = Told()
    result = export_run(tiny_run, options, tmp_path / "b.sranogan", told)
    open_detector(read_bundle(result.path))
    assert [gain.network for gain in result.gains] == [
        "encoder",
        "generator",
        "refiner",
        "resolver",
        "judge",
        "head",
    ]
    assert all(gain.qat_error <= gain.ptq_error for gain in result.gains)
    stated = read_bundle(result.path).details["quantisation"]
    gains = [asdict(gain) for gain in result.gains]
    assert stated == {"engine": "keras", "symmetric": False, "networks": gains}
    assert told.tasks[0] == ("fine-tuning for int8", 12, 12)
    assert result.operators["search_steps_0"]["float32"] == {}


def test_learned_search(tiny_run: Run, tmp_path: Path) -> None:
    """The learned search, its network fine-tuned along, has no operator on floats; the card names it."""
    options = ExportOptions(search="learned", budgets=(1,), qat=QatSettings(steps=2, batch=4))
    result = export_run(tiny_run, options, tmp_path / "b.sranogan", Silent())
    bundle = read_bundle(result.path)
    assert "corrector" in [gain.network for gain in result.gains]
    assert (bundle.steps, sorted(bundle.budgets)) == (tiny_run.settings.corrector.search_steps, [1, 2])
    assert bundle.details["float_islands"] == {}
    assert "then 2 learned steps" in bundle.model_card
    open_detector(bundle)
