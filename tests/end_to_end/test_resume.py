"""Trainings that are killed or interrupted, and go on as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from sranogan_edge.errors import ExitCode

if TYPE_CHECKING:
    from keras_sranogan.run import Run
    from keras_sranogan.settings import TrainSettings

DATA = "phantom?train=60&val=12&test=12&size=96"  # what tiny_run is trained on
PATIENCE_S = 300
POLL_S = 0.02

# The command itself, with the tests' small settings from a file.
SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell makes its background jobs ignore Ctrl-C
from keras_sranogan.cli import train_main
train_main()
"""


def start(folder: Path, settings: TrainSettings, *options: str) -> subprocess.Popen[str]:
    """Start the training in a process of its own."""
    small = folder.with_name(f"{folder.name}.json")
    small.write_text(json.dumps(settings.to_dict()), encoding="utf-8")
    arguments = [DATA, "--out", str(folder), "--settings", str(small), *options]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def stop_after(process: subprocess.Popen[str], sign: Path, how: signal.Signals, delay_s: float = 0.0) -> str:
    """Send a signal ``delay_s`` after the file ``sign`` is there; return what was printed."""
    deadline = time.monotonic() + PATIENCE_S
    while not sign.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{sign} did not come"
        time.sleep(POLL_S)
    time.sleep(delay_s)
    process.send_signal(how)
    return process.communicate(timeout=PATIENCE_S)[1]


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for a training to end well."""
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors


def checkpoint(folder: Path, stage: str, step: int) -> Path:
    """Name the file that tells that a checkpoint was written."""
    return folder / stage / "checkpoints" / f"ckpt-{step}.index"


def assert_same(found: Path, expected: Path) -> None:
    """Two run folders hold the same models, densities and scores, to the bit."""
    names = sorted(path.name for path in (expected / "models").iterdir())
    assert sorted(path.name for path in (found / "models").iterdir() if ".part" not in path.name) == names
    for name in names:
        pair = [keras.saving.load_model(run / "models" / name).get_weights() for run in (found, expected)]
        for one, other in zip(*pair, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
    with np.load(found / "detector/density.npz") as one, np.load(expected / "detector/density.npz") as other:
        for name in other.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    scores = [(run / "detector/calibration.json").read_text() for run in (found, expected)]
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_killed_once(tiny_run: Run, settings: TrainSettings, tmp_path: Path) -> None:
    """A training killed in the middle of a stage and resumed ends with the weights of one that was not."""
    folder = tmp_path / "run"
    stop_after(start(folder, settings), checkpoint(folder, "gan", 20), signal.SIGKILL, 0.05)
    assert not (folder / "progress.json").exists()
    finish(start(folder, settings, "--resume"))
    assert_same(folder, tiny_run.folder)


@pytest.fixture(scope="module")
def bfloat16_run(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train every stage of the tiny model in mixed bfloat16, as AMX and GPUs since Ampere do by default."""
    from keras_sranogan.data.open import open_source
    from keras_sranogan.progress import Silent
    from keras_sranogan.training.train import train

    folder = tmp_path_factory.mktemp("bfloat16") / "run"
    return train(open_source(DATA), folder, replace(settings, precision="mixed_bfloat16"), Silent())


def test_every_stage_trains_in_bfloat16(bfloat16_run: Run, tiny_run: Run) -> None:
    """All networks come out in float32, finite, and near those of a float32 training, but not equal."""
    names = sorted(path.name for path in (tiny_run.folder / "models").iterdir())
    assert sorted(path.name for path in (bfloat16_run.folder / "models").iterdir()) == names
    for name in names:
        runs = (bfloat16_run, tiny_run)
        half, full = (keras.saving.load_model(run.folder / "models" / name) for run in runs)
        pairs = list(zip(half.get_weights(), full.get_weights(), strict=True))
        assert all(one.dtype == np.float32 and np.isfinite(one).all() for one, _ in pairs), name
        distance = sum(np.square(one - other).sum() for one, other in pairs)
        assert 0 < distance < 0.1 * sum(np.square(other).sum() for _, other in pairs), name
    assert np.isfinite(bfloat16_run.detector()[1].scores).all()


def test_killed_in_bfloat16(bfloat16_run: Run, settings: TrainSettings, tmp_path: Path) -> None:
    """Killed in the middle of stage 3 and resumed, a bfloat16 training ends with the same weights."""
    folder, half = tmp_path / "run", replace(settings, precision="mixed_bfloat16")
    stop_after(start(folder, half), checkpoint(folder, "srgan", 5), signal.SIGKILL)
    assert "srgan" not in json.loads((folder / "progress.json").read_text())
    finish(start(folder, half, "--resume"))
    assert_same(folder, bfloat16_run.folder)


def test_interrupted(settings: TrainSettings, tmp_path: Path) -> None:
    """Ctrl-C ends with exit code 130, and says how to go on, without a traceback."""
    folder = tmp_path / "run"
    process = start(folder, settings)
    errors = stop_after(process, checkpoint(folder, "gan", 5), signal.SIGINT)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "--resume" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_killed_three_times(tiny_run: Run, settings: TrainSettings, tmp_path: Path, seed: int) -> None:
    """Kills at random moments of three stages, perhaps in the middle of a file, change nothing."""
    rng, folder = random.Random(seed), tmp_path / "run"
    for stage, last in (("gan", 35), ("refiner", 5), ("srgan", 10)):
        resume = [] if stage == "gan" else ["--resume"]
        step = rng.randrange(5, last + 1, 5)
        sign = checkpoint(folder, stage, step)
        stop_after(start(folder, settings, *resume), sign, signal.SIGKILL, rng.uniform(0, 0.3))
    finish(start(folder, settings, "--resume"))
    assert_same(folder, tiny_run.folder)


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["gan", "encoder", "refiner", "srgan"])
def test_killed_between_stages(tiny_run: Run, settings: TrainSettings, tmp_path: Path, piece: str) -> None:
    """A kill as a stage ends, when its networks are being saved, changes nothing."""
    folder = tmp_path / "run"
    last = getattr(settings, {"gan": "anogan", "encoder": "anogan"}.get(piece, piece))
    steps = last.encoder_steps if piece == "encoder" else last.steps
    stop_after(start(folder, settings), checkpoint(folder, piece, steps), signal.SIGKILL)
    finish(start(folder, settings, "--resume"))
    assert_same(folder, tiny_run.folder)
    assert (folder / piece).is_dir()
    assert list((folder / piece).glob("*.png"))


@pytest.mark.slow
def test_interrupted_and_resumed(tiny_run: Run, settings: TrainSettings, tmp_path: Path) -> None:
    """Interrupted by Ctrl-C in the last trained stage, a run goes on to the same weights."""
    folder = tmp_path / "run"
    process = start(folder, settings)
    stop_after(process, checkpoint(folder, "srgan", 5), signal.SIGINT)
    assert process.returncode == ExitCode.INTERRUPTED
    finish(start(folder, settings, "--resume"))
    assert_same(folder, tiny_run.folder)
