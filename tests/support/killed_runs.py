"""Trainings in a process of their own, to be killed, and the comparison of run folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

import keras_sranogan.layers  # noqa: F401  # registers what saved networks are made of
from tests.support.tiny import TINY_DATA

if TYPE_CHECKING:
    from keras_sranogan.settings import TrainSettings

PATIENCE_S = 900  # JAX compiles for minutes on a busy machine
POLL_S = 0.02

# The command itself, with the tests' small settings from a file.
SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell makes its background jobs ignore Ctrl-C
from keras_sranogan.cli import train_main
train_main()
"""


def start(folder: Path, settings: TrainSettings, *options: str, **variables: str) -> subprocess.Popen[str]:
    """Start the training of the tiny run in a process of its own, with these variables set."""
    small = folder.with_name(f"{folder.name}.json")
    small.write_text(json.dumps(settings.to_dict()), encoding="utf-8")
    arguments = [TINY_DATA, "--out", str(folder), "--settings", str(small), *options]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
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


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a training to end well; return what it printed for people."""
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    return errors


def checkpoint(folder: Path, stage: str, step: int) -> Path:
    """Name the file that tells that a checkpoint was written."""
    return folder / stage / "checkpoints" / f"ckpt-{step}.npz"


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
