"""README shows the figures that are in benchmarks/results, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def test_readme_shows_the_committed_figures() -> None:
    """The table between README's markers is what tables.py makes of the result file."""
    command = [sys.executable, str(ROOT / "benchmarks" / "pages" / "tables.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_results_say_how_they_were_made(path: Path) -> None:
    """Every result file states its commands, seed, minutes, machine and versions."""
    result = json.loads(path.read_text())
    assert result["commands"]
    assert isinstance(result["seed"], int)
    assert result["minutes"]
    assert {"cpu", "python", "tensorflow", "keras"} <= set(result["provenance"]["machine"])
