"""Two processes train one model together, by way of the loopback device: as two machines would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from sranogan_edge.errors import ExitCode
from tests.support.killed_runs import PATIENCE_S, assert_same, checkpoint, finish, start, stop_after

if TYPE_CHECKING:
    from keras_sranogan.settings import TrainSettings

pytestmark = pytest.mark.slow
Pair = list[subprocess.Popen[str]]


@pytest.fixture(scope="module")
def jax(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a training on JAX, one device a process; what is compiled is kept for the next."""
    pytest.importorskip("jax", reason="JAX is not installed (the extra jax)")
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(tmp_path_factory.mktemp("compiled"))
    kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return {"KERAS_BACKEND": "jax", "XLA_FLAGS": "", **kept}


def both(folders: list[Path], settings: list[TrainSettings], jax: dict[str, str], *options: str) -> Pair:
    """Start two hosts, each with its folder and settings."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = ("--distribute", "hosts", "--coordinator", f"127.0.0.1:{port}", "--hosts", "2", *options)
    each = enumerate(zip(folders, settings, strict=True))
    return [start(folder, own, *shared, "--host-id", str(k), **jax) for k, (folder, own) in each]


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code of a process, and what it said in one line."""
    _, errors = process.communicate(timeout=PATIENCE_S)
    return process.returncode, " ".join(errors.split())


@pytest.fixture(scope="module")
def undisturbed(
    settings: TrainSettings, jax: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """The tiny run of two hosts, trained in one go."""
    folders = [tmp_path_factory.mktemp("hosts") / name for name in ("a", "b")]
    for process in both(folders, [settings, settings], jax):
        assert "trains on 2 devices of 2 processes" in " ".join(finish(process).split())
    return folders


def test_hosts_end_with_the_same(undisturbed: list[Path]) -> None:
    """Both folders hold the same networks, densities and scores to the bit, and say what they are of."""
    assert_same(*undisturbed)
    for folder in undisturbed:
        noted = json.loads((folder / "provenance.json").read_text())
        assert noted["trained_on"] == {"devices": 2, "processes": 2}


def test_near_one_process(
    undisturbed: list[Path], settings: TrainSettings, jax: dict[str, str], tmp_path: Path
) -> None:
    """One process ends near them: by 40 steps of the GAN, which let rounding grow, and all that follows."""
    alone = tmp_path / "run"
    finish(start(alone, settings, **jax))
    for path in sorted((alone / "models").iterdir()):
        pair = [keras.saving.load_model(run / "models" / path.name) for run in (alone, undisturbed[0])]
        for one, other in zip(*(model.get_weights() for model in pair), strict=True):
            np.testing.assert_allclose(one, other, atol=0.15, err_msg=path.name)


@pytest.mark.parametrize(("killed", "stage", "step"), [(1, "gan", 20), (0, "head", 10)])
def test_one_is_killed(
    undisturbed: list[Path],
    settings: TrainSettings,
    jax: dict[str, str],
    tmp_path: Path,
    killed: int,
    stage: str,
    step: int,
) -> None:
    """The other ends and says so; resumed, both end with the bits of an undisturbed run."""
    folders = [tmp_path / "a", tmp_path / "b"]
    pair = both(folders, [settings, settings], jax)
    stop_after(pair[killed], checkpoint(folders[killed], stage, step), signal.SIGKILL)
    code, told = ended(pair[1 - killed])
    assert "another host of this training has ended" in told or "another task died" in told
    assert code == ExitCode.BAD_RUN or (killed == 0 and code == -signal.SIGABRT), told
    for process in both(folders, [settings, settings], jax, "--resume"):
        finish(process)
    for folder in folders:
        assert_same(folder, undisturbed[0])


def test_hosts_with_other_settings(settings: TrainSettings, jax: dict[str, str], tmp_path: Path) -> None:
    """Both end before anything is trained, and name both values."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for process in both(folders, [settings, replace(settings, seed=3)], jax):
        code, told = ended(process)
        assert code == ExitCode.BAD_RUN, told
        assert "hosts 0 and 1 do not train the same (" in told
        assert "seed: 0 and 3" in told
    assert not any((folder / "gan" / "checkpoints").exists() for folder in folders)
