"""The benchmark of a first start: a real runner on few results of an earlier version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.runner.first_start import main


@pytest.mark.slow
def test_few_results(tiny_bundle: Path, tmp_path: Path) -> None:
    """All of them are found at the end, the runner gave signs of life, and films were scored meanwhile."""
    main(tiny_bundle, count=2000, seed=3, out=tmp_path / "start.json")
    figures = json.loads((tmp_path / "start.json").read_text())
    assert figures["results"] == figures["found"] == 2000
    assert figures["watchdog_longest_gap_s"] > 0
    for turn in ("while_made_ready", "afterwards"):
        assert figures[turn]["asked"] >= 1
        assert figures[turn]["film_median_ms"] > 0
