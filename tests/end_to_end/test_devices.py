"""A run on several of JAX's devices: killed and resumed, and gone on with on one."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.killed_runs import assert_same, checkpoint, finish, start, stop_after

if TYPE_CHECKING:
    from keras_sranogan.settings import TrainSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def jax(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a training on two devices; what is compiled is kept for the next."""
    pytest.importorskip("jax", reason="JAX is not installed (the extra jax)")
    kept = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled"))}
    kept["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2", **kept}


def test_killed_and_resumed(settings: TrainSettings, jax: dict[str, str], tmp_path: Path) -> None:
    """Killed in the GAN and resumed on as many devices, a run ends with the bits of one in one go.

    A copy of it that goes on on one device says so, and is whole.
    """
    folder, copy, whole = (tmp_path / name for name in ("run", "copy", "whole"))
    begun = start(folder, settings, "--distribute", "devices", **jax)
    assert "trains on 2 devices" in stop_after(begun, checkpoint(folder, "gan", 20), signal.SIGKILL)
    shutil.copytree(folder, copy)
    finish(start(folder, settings, "--distribute", "devices", "--resume", **jax))
    finish(start(whole, settings, "--distribute", "devices", **jax))
    assert_same(folder, whole)
    assert json.loads((folder / "provenance.json").read_text())["devices"] == 2
    told = finish(start(copy, settings, "--resume", **jax))
    assert "begun on 2 devices, goes on on one device" in " ".join(told.split())
    assert json.loads((copy / "provenance.json").read_text())["devices"] == 1
    assert (copy / "detector" / "calibration.json").exists()
