"""``--distribute``: what is refused, and what people are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from keras_sranogan.cli import train_app
from keras_sranogan.distribute import check_distribute
from sranogan_edge.errors import ExitCode


def refused(out: Path, *options: str) -> str:
    """What the command says of options that it refuses, before it looks at images."""
    done = CliRunner().invoke(train_app, ["phantom", "--out", str(out), *options])
    assert done.exit_code == ExitCode.USAGE
    assert not out.exists()
    return " ".join(done.output.split())


def test_tensorflow_trains_on_one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for, what can do it, and how to get that."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    told = refused(tmp_path / "run", "--distribute", "devices")
    assert "--distribute devices: on TensorFlow a training runs on one device" in told
    for part in ("it runs on JAX", '".[jax]"', "KERAS_BACKEND=jax", "run folder is the same on both"):
        assert part in told


@pytest.mark.parametrize("asked", ["auto", "none"])
def test_tensorflow_does_what_it_did(asked: str) -> None:
    """Unless several devices are asked for, nothing is refused."""
    check_distribute(asked, "tensorflow")


def test_an_unknown_value(tmp_path: Path) -> None:
    """The values there are, and the one that was probably meant."""
    told = refused(tmp_path / "run", "--distribute", "device")
    assert "--distribute must be one of auto, none, devices; received 'device'" in told
