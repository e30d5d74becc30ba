"""The GPU's path, for real: LiteRT's WebGPU on a Vulkan driver in software."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.probe import probe
from sranogan_edge.errors import ExitCode

SCORE = Path(sys.executable).with_name("sranogan-score")
NO_DRIVER = {"VK_ICD_FILENAMES": "/no/such/driver.json", "VK_DRIVER_FILES": "/no/such/driver.json"}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Give an image with something on it."""
    rows, columns = np.mgrid[0:96, 0:96]
    pixels = 120 + 60 * np.sin(rows / 11) * np.cos(columns / 9)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "film.png")
    return tmp_path / "film.png"


def score(
    bundle: Path, film: Path, backend: str, environment: dict[str, str]
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the command in a process of its own; return it, and its one line or nothing."""
    out = film.parent / "out"
    arguments = [str(part) for part in (SCORE, bundle, film, "--backend", backend, "--out", out)]
    done = subprocess.run(
        arguments, capture_output=True, text=True, env=environment, timeout=500, check=False
    )
    lines = out / "results.jsonl"
    return done, json.loads(lines.read_text()) if lines.exists() else {}


@pytest.fixture
def software_gpu(swiftshader: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Let processes that this one starts find the GPU in software."""
    for name in ("VK_ICD_FILENAMES", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, swiftshader[name])
    return swiftshader


def test_every_graph_passes_on_the_gpu(tiny_bundle: Path, software_gpu: dict[str, str]) -> None:
    """All graphs of an int8 bundle load on the GPU alone, and the golden cases score within tolerance."""
    report = probe(read_bundle(tiny_bundle), 1, ("gpu",), limit_s=500)
    assert report.failure is None
    assert report.milliseconds["gpu"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic", "int8"])
def test_every_recipe_and_budget_passes_on_the_gpu(
    export_tiny: Callable[[str], Path], software_gpu: dict[str, str], recipe: str
) -> None:
    """Each budget of each recipe reproduces its golden scores on the GPU."""
    bundle = read_bundle(export_tiny(recipe))
    for steps in bundle.budgets:
        report = probe(bundle.with_steps(steps), 1, ("gpu",), limit_s=500)
        assert report.failure is None, f"{steps} steps"


@pytest.mark.slow
def test_scored_on_the_gpu(tiny_bundle: Path, film: Path, software_gpu: dict[str, str]) -> None:
    """--backend gpu scores on the GPU, near what XNNPACK scores, and every line names the adapter."""
    done, line = score(tiny_bundle, film, "gpu", software_gpu)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "GPU: SwiftShader" in line["backend"]
    assert line["backend_fallback"] is None
    _, on_cpu = score(tiny_bundle, film, "xnnpack", software_gpu)
    assert line["score"] == pytest.approx(on_cpu["score"], abs=read_bundle(tiny_bundle).golden.tolerance)


@pytest.mark.slow
def test_auto_leaves_a_slow_gpu_alone(tiny_bundle: Path, film: Path, software_gpu: dict[str, str]) -> None:
    """The choice finds the software GPU far slower than XNNPACK: line and summary say so."""
    done, line = score(tiny_bundle, film, "auto", software_gpu)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "XNNPACK" in line["backend"]
    assert "SwiftShader" in line["backend_fallback"]
    assert "ms an image" in line["backend_fallback"]
    assert "the GPU was not used: " in done.stdout


def test_auto_without_a_driver(tiny_bundle: Path, film: Path) -> None:
    """Where the GPU cannot be reached, auto scores on XNNPACK with the reason in line, log and summary."""
    done, line = score(tiny_bundle, film, "auto", {**os.environ, **NO_DRIVER})
    assert done.returncode == ExitCode.OK, done.stderr
    assert "XNNPACK" in line["backend"]
    assert "graph 'search' cannot be loaded on the GPU" in line["backend_fallback"]
    assert "scoring on the CPU, not on the GPU" in done.stderr
    assert "the GPU was not used: " in done.stdout


def test_gpu_without_a_driver(tiny_bundle: Path, film: Path) -> None:
    """The GPU asked for and not reached is exit code 8, and nothing is scored."""
    done, line = score(tiny_bundle, film, "gpu", {**os.environ, **NO_DRIVER})
    assert done.returncode == ExitCode.NO_BACKEND
    assert done.stderr.startswith("error: --backend gpu cannot be used here: graph 'search'")
    assert not line
