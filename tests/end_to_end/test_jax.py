"""A run of JAX's: killed and resumed, and gone on with, evaluated and exported on TensorFlow."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keras_sranogan.training.event_log import read_curves
from tests.support.backends import on
from tests.support.killed_runs import assert_same, checkpoint, finish, start, stop_after
from tests.support.tiny import TINY_DATA

if TYPE_CHECKING:
    from keras_sranogan.run import Run
    from keras_sranogan.settings import TrainSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def jax(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a training on JAX; what it compiled once is kept for the next."""
    pytest.importorskip("jax", reason="JAX is not installed (the extra jax)")
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(tmp_path_factory.mktemp("compiled"))
    kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return {"KERAS_BACKEND": "jax", **kept}


@pytest.fixture(scope="module")
def jax_run(settings: TrainSettings, jax: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, trained on JAX in one go."""
    folder = tmp_path_factory.mktemp("jax") / "run"
    finish(start(folder, settings, **jax))
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["machine"]["backend"] == "jax"
    return folder


@pytest.mark.parametrize(("stage", "step", "images_in"), [("gan", 20, "memory"), ("srgan", 5, "disk")])
def test_killed_and_resumed(
    jax_run: Path,
    settings: TrainSettings,
    jax: dict[str, str],
    tmp_path: Path,
    stage: str,
    step: int,
    images_in: str,
) -> None:
    """Killed in the middle of a stage and resumed on JAX, a run ends with the same bits as one in one go.

    So it does with its images on disk.
    """
    folder, options = tmp_path / "run", ("--images-in", images_in)
    begun = start(folder, settings, *options, **jax)
    stop_after(begun, checkpoint(folder, stage, step), signal.SIGKILL, 0.05)
    finish(start(folder, settings, *options, "--resume", **jax))
    assert_same(folder, jax_run)


@pytest.mark.parametrize(("first", "then"), [("jax", "tensorflow"), ("tensorflow", "jax")])
def test_begun_on_one_and_ended_on_the_other(
    settings: TrainSettings, jax: dict[str, str], tmp_path: Path, first: str, then: str
) -> None:
    """Killed on one backend in the middle of a stage, a run goes on on the other, says so, and is whole."""
    folder = tmp_path / "run"
    begun = start(folder, settings, **{**jax, "KERAS_BACKEND": first})
    stop_after(begun, checkpoint(folder, "gan", 20), signal.SIGKILL)
    told = finish(start(folder, settings, "--resume", **{**jax, "KERAS_BACKEND": then}))
    assert f"begun on {first}, goes on on {then}" in " ".join(told.split())
    assert (folder / "detector" / "calibration.json").exists()


PIXELS = {
    "gan": "l1",
    "encoder": "l1",
    "refiner": "l1",
    "srgan": "l1",
    "head": "image",
}  # losses that say how far


def test_reaches_the_figures_of_tensorflow(jax_run: Path, tiny_run: Run) -> None:
    """From other weights and other draws each stage ends where it ends on TensorFlow, within a third."""
    for stage, metric in PIXELS.items():
        curves = (read_curves(folder / "logs" / stage)[metric] for folder in (jax_run, tiny_run.folder))
        ours, theirs = (values[-1] for values in curves)
        assert ours[0] == theirs[0], stage
        assert ours[1] == pytest.approx(theirs[1], rel=1 / 3), stage


def evaluated(folder: Path, out: Path, backend: str) -> Any:
    """The figures of an evaluation on a backend."""
    script = "from keras_sranogan.cli import evaluate_main; evaluate_main()"
    options = ("--json", out, "--anogan-steps", "2", "--no-low-pass")
    done = on(backend, "-c", script, folder, TINY_DATA, *options)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def test_evaluated_on_either(jax_run: Path, tmp_path: Path) -> None:
    """The run has the same figures on TensorFlow and on JAX."""
    one, other = (evaluated(jax_run, tmp_path / f"{name}.json", name) for name in ("tensorflow", "jax"))
    assert one["machine"]["backend"] == "tensorflow"
    assert other["machine"]["backend"] == "jax"
    ours = [figures["auroc"] for figures in (one, other)]
    assert ours[0] == pytest.approx(ours[1], abs=0.03)


def test_exported_whatever_the_backend(jax_run: Path, tmp_path: Path) -> None:
    """The export runs on TensorFlow although KERAS_BACKEND says jax; its graphs compute what Keras does."""
    script = "from sranogan_export.cli import export_main; export_main()"
    out = tmp_path / "model.sranogan"
    done = on("jax", "-c", script, jax_run, "--float32", "--ptq", "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 10_000
