"""Work in a process of its own, on one of Keras's backends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def on(backend: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``python ARGUMENTS`` in the repository with this KERAS_BACKEND; skip where JAX is not installed."""
    if backend == "jax":
        pytest.importorskip("jax", reason="JAX is not installed (the extra jax)")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
        cwd=REPOSITORY,
        env={**bare, "KERAS_BACKEND": backend, **variables},
    )
