"""Trainings that are killed or interrupted, and go on as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from sranogan_edge.errors import ExitCode
from tests.support.killed_runs import assert_same, checkpoint, finish, start, stop_after
from tests.support.tiny import TINY_DATA

if TYPE_CHECKING:
    from keras_sranogan.run import Run
    from keras_sranogan.settings import TrainSettings


@pytest.mark.slow
def test_killed_once(tiny_run: Run, settings: TrainSettings, tmp_path: Path) -> None:
    """A training killed in the middle of a stage and resumed ends with the weights of one that was not."""
    folder = tmp_path / "run"
    stop_after(start(folder, settings), checkpoint(folder, "gan", 20), signal.SIGKILL, 0.05)
    assert not (folder / "progress.json").exists()
    finish(start(folder, settings, "--resume"))
    assert_same(folder, tiny_run.folder)


@pytest.mark.slow
def test_killed_with_its_images_on_disk(tiny_run: Run, settings: TrainSettings, tmp_path: Path) -> None:
    """Such a training, killed in two stages, ends with the weights of one that held its images in memory."""
    folder, on_disk = tmp_path / "run", ("--images-in", "disk")
    stop_after(start(folder, settings, *on_disk), checkpoint(folder, "encoder", 5), signal.SIGKILL)
    assert (folder / "images" / "normals-00000.npy").exists()
    begun = start(folder, settings, *on_disk, "--resume")
    stop_after(begun, checkpoint(folder, "srgan", 5), signal.SIGKILL)
    assert (folder / "images" / "refined.npy").exists()
    finish(start(folder, settings, *on_disk, "--resume"))
    assert_same(folder, tiny_run.folder)
    assert not (folder / "images").exists()


@pytest.fixture(scope="module")
def bfloat16_run(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train every stage of the tiny model in mixed bfloat16, as AMX and GPUs since Ampere do by default."""
    from keras_sranogan.data.open import open_source
    from keras_sranogan.progress import Silent
    from keras_sranogan.training.train import train

    folder = tmp_path_factory.mktemp("bfloat16") / "run"
    return train(open_source(TINY_DATA), folder, replace(settings, precision="mixed_bfloat16"), Silent())


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


@pytest.mark.slow
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
