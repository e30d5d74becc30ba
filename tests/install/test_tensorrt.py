"""TensorRT for RTX, which needs no card to build: its parser takes what the export says, and nothing else."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.bundle.bundle import onnx_names, read_bundle
from tests.support.installs import BARE, REPOSITORY, run

pytestmark = pytest.mark.slow

BUNDLES: dict[str, dict[str, Any]] = {
    "float32": {"recipe": "float32"},
    "float16": {"recipe": "float16"},
    "symmetric": {"symmetric": True, "budgets": (0,)},
    "learned": {"symmetric": True, "search": "learned"},
    "as it comes": {},
}


@pytest.fixture(scope="module")
def rtx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into a folder."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("there are wheels for Linux on x86-64")
    folder = tmp_path_factory.mktemp("rtx")
    run(sys.executable, "-m", "pip", "install", "-qq", "--target", folder, "tensorrt-rtx-cu12")
    return folder


@pytest.mark.parametrize("name", BUNDLES)
def test_every_graph_becomes_an_engine(
    rtx: Path, bundle_of: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    """Engines come of each graph of each budget, in floats, half floats and symmetric int8, by the runner's.

    Of int8 with zero points as they come the parser refuses what the manifest says, for their sake.
    """
    options = {"engine": "none", "onnx": True, **BUNDLES[name]}
    path = bundle_of(f"engines {name}", **options)
    paths = ":".join(map(str, (rtx, REPOSITORY, REPOSITORY / "edge", REPOSITORY / "export")))
    out = tmp_path / "found.json"
    command = [sys.executable, "-m", "benchmarks.gpu.engines", str(path), "--out", str(out)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**BARE, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(out.read_text())["results"]
    assert set(found["graphs"]) == set(onnx_names(read_bundle(path).budgets))
    for graph in found["graphs"].values():
        if name == "as it comes":
            assert "(QuantizeLinear): Assertion failed" in graph["refused"]
            assert "Non-zero zero point is not supported" in graph["refused"]
        else:
            assert graph["engine_bytes"] > 10_000
