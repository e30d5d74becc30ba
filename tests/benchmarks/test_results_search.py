"""The benchmark of the search: its spool and its questions, on few results."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.runner.results_search import main
from sranogan_edge.spool.search import MOST


def test_few_results(tmp_path: Path) -> None:
    """Each question finds what its name says, and the file says how it was made."""
    main(count=9000, runs=1, seed=3, out=tmp_path / "found.json")
    figures = json.loads((tmp_path / "found.json").read_text())
    assert figures["results"] == 9000
    found = {name: one["found"] for name, one in figures["questions"].items()}
    assert found["the newest"] == 9000
    assert found["the begin of all names"] == MOST < 9000
    assert (found["a patient"], found["an accession number"], found["a study's UID"]) == (3, 2, 2)
    assert found["an object's UID"] == found["a file"] == found["inside a name, among the newest"] == 1
    assert found["the begin of a few names"] == 100
    assert found["what is not there"] == 0
    assert found["normal"] + found["errors"] < 9000
    assert found["three days"] == 3 * 2880
    assert found["errors of three days"] == found["the begin of all names, errors of three days"] > 0
