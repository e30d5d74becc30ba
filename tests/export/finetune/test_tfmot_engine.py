"""The second engine: plans that compute what the networks do, and a clear word where the extra is missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from sranogan_edge.errors import SettingsError
from sranogan_export.finetune import tfmot_engine
from sranogan_export.finetune.students import examples, students
from sranogan_export.finetune.tfmot_engine import check_tfmot, fine_tune_with_tfmot
from sranogan_export.finetune.tfmot_plan import plan_of
from sranogan_export.graphs import Unrolled
from sranogan_export.recipe import ExportOptions, QatSettings
from sranogan_export.write_bundle import check_extras

INSTALLED = all(find_spec(name) for name in tfmot_engine.MODULES)


def test_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the option is refused before any work, with the command that installs it."""
    monkeypatch.setattr(tfmot_engine, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r'pip install "\./export\[tfmot\]"'):
        check_extras(ExportOptions(engine="tfmot"))
    check_extras(ExportOptions("float32", engine="tfmot"))  # only int8 is fine-tuned


def test_plans_hold_every_weight(tiny_run: Run) -> None:
    """Each network but the corrector has a plan, with all of its kernels and outputs."""
    networks = Unrolled.of(tiny_run.networks(), {3: tiny_run.settings.search}).networks()
    for name, network in networks.items():
        plan = plan_of(name, network)
        assert plan is not None
        assert len(plan.outputs) == (2 if name == "head" else 1)
        used = [step["weights"] for step in plan.steps if "weights" in step]
        assert sorted(used) == list(range(len(plan.weights)))
    assert plan_of("corrector", object()) is None


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="the extra sranogan-export[tfmot] is not installed")
def test_fine_tuning_for_real(tiny_run: Run, tmp_path: Path) -> None:
    """Every network goes through the other process and comes back no worse than it was."""
    check_tfmot()
    networks, settings = tiny_run.networks(), tiny_run.settings
    normals, kind = tiny_run.representative(), settings.head.anomalies
    seen = examples(networks, settings.search, settings.preprocess, normals, tiny_run.seen(), kind)
    unrolled = Unrolled.of(networks, {3: settings.search}).networks()
    asked = students(unrolled, seen, seen)
    learned, gains = fine_tune_with_tfmot(asked, QatSettings(steps=10, batch=8), 0, Silent())
    assert list(learned) == list(unrolled)
    assert all(gain.engine == "tfmot" and gain.qat_error <= gain.ptq_error for gain in gains)
    assert any(gain.kept == "qat" for gain in gains)
    kernels = (learned["encoder"].matrix, unrolled["encoder"].matrix)
    assert kernels[0].shape == kernels[1].shape
    assert np.isfinite(kernels[0]).all()
