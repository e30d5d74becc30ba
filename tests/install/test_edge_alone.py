"""The edge by itself, as somebody installs it who reads no further than its README."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.data.phantom import render_normal
from sranogan_edge import open_detector
from tests.support.installs import REPOSITORY, run

pytestmark = pytest.mark.slow

README = REPOSITORY / "edge" / "README.md"
NOT_NEEDED = {"tensorflow", "keras", "pydicom", "paho-mqtt", "urllib3", "starlette", "onnxruntime"}


def test_the_readmes_python_runs_where_the_edge_alone_is_installed(
    environment: Callable[..., Path], every_bundle: Mapping[str, str], tmp_path: Path
) -> None:
    """``pip install ./edge`` in a new environment, and README's lines give the score that they give here."""
    python = environment(f"3.{sys.version_info.minor}")
    run(python, "-m", "pip", "install", "-qq", "./edge")
    installed = {one.partition("==")[0].lower() for one in run(python, "-m", "pip", "freeze").splitlines()}
    assert installed & NOT_NEEDED == set()
    bundle = Path(every_bundle["SRANOGAN_TEST_BUNDLES"]) / "budgets.sranogan"
    array = render_normal(7, 0, 96).pixels
    np.save(tmp_path / "image.npy", array)
    text = README.read_text(encoding="utf-8")
    (lines,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    before = "import numpy\narray = numpy.load('image.npy')\n"
    code = f"{before}{lines.replace('chest.sranogan', str(bundle))}print(verdict.score)\n"
    said = run(python, "-c", code, cwd=tmp_path)
    assert float(said) == pytest.approx(open_detector(bundle).score(array).score, abs=1e-3)
