"""LiteRT's predecessor for real, in an environment of its own: it needs NumPy 1, training needs NumPy 2."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.bundle.bundle import read_bundle

EDGE = Path(__file__).parents[3] / "edge"
PROVE = """
import json, sys
from pathlib import Path
import numpy
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import SranoganError
from sranogan_edge.detector.open import open_detector
from sranogan_edge.detector.detector import Detector

bundle = read_bundle(Path(sys.argv[1]))
found = {"numpy": numpy.__version__, "scores": {}, "error": None}
try:
    for steps in bundle.budgets:
        detector = open_detector(bundle.with_steps(steps), backend="tflite-runtime")
        found["backend"] = [detector.backend.name, detector.backend.label]
        found["scores"][steps] = detector.score_x(bundle.golden_x[0]).score
except SranoganError as error:
    found["error"] = str(error)
print(json.dumps(found))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="tflite-runtime has no wheel for Python 3.12"),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python of a new environment with ``edge[tflite-runtime]``."""
    folder = tmp_path_factory.mktemp("tflite-runtime")
    leave = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(EDGE, folder / "edge", ignore=leave)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    python = folder / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", f"{folder / 'edge'}[tflite-runtime]"]
    done = subprocess.run(install, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return python


def prove(python: Path, bundle: Path) -> dict[str, Any]:
    """Prove every budget of ``bundle`` in the other environment."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", PROVE, bundle],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
        cwd=python.parent,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("recipe", ["float32", "float16", "int8"])
def test_golden_cases_pass(python: Path, export_tiny: Callable[[str], Path], recipe: str) -> None:
    """With NumPy 1, tflite-runtime 2.14 reproduces the golden scores of every budget."""
    bundle = read_bundle(export_tiny(recipe))
    found = prove(python, export_tiny(recipe))
    assert found["error"] is None
    assert found["numpy"].startswith("1.")
    assert found["backend"] == ["tflite-runtime", "tflite-runtime 2.14.0 (XNNPACK)"]
    for steps, budget in bundle.budgets.items():
        expected = pytest.approx(budget.golden_scores[0], abs=budget.tolerance)
        assert found["scores"][str(steps)] == expected


def test_what_it_cannot_run_is_said(python: Path, export_tiny: Callable[[str], Path]) -> None:
    """The recipe ``dynamic`` has operators newer than the runtime: refused, with what to do instead."""
    error = prove(python, export_tiny("dynamic"))["error"]
    assert "'search' cannot be loaded by tflite-runtime 2.14.0" in error
    assert "export the bundle again as int8, float16 or float32" in error
