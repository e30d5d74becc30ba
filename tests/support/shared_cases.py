"""The shared examples: small files that once gave a wrong result, a wrong word or none.

They lie beside this repository, in ``../shared/cases``, or where SRANOGAN_CASES says. Where they are absent,
their tests are skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

__all__ = ["CASES", "copied", "every_file_of", "needs", "scored"]

CASES = Path(os.environ.get("SRANOGAN_CASES") or Path(__file__).parents[3] / "shared" / "cases")


def needs(folder: str) -> pytest.MarkDecorator:
    """Skip where this folder of the examples is absent."""
    place = CASES / folder
    return pytest.mark.skipif(not place.is_dir(), reason=f"{place} is not here; SRANOGAN_CASES names another")


def every_file_of(folder: str) -> set[str]:
    """The paths of all files and links below a folder of the examples."""
    place = CASES / folder
    found = (path for path in place.rglob("*") if path.is_symlink() or path.is_file())
    return {path.relative_to(place).as_posix() for path in found}


def copied(folder: str, to: Path, links: Collection[str] = ()) -> Path:
    """Copy a folder of the examples; ``links`` were stored as files that hold their target."""
    for name in every_file_of(folder):
        path, copy = CASES / folder / name, to / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            copy.symlink_to(os.readlink(path))
        elif name in links:
            copy.symlink_to(path.read_text())
        else:
            copy.write_bytes(path.read_bytes())
    return to


def scored(bundle: Path, places: Sequence[Path], out: Path, *more: str) -> tuple[int, list[Any], Any, str]:
    """Call sranogan-score: its exit code, its lines, its figures, and all that it printed."""
    from sranogan_edge.commands.score import app

    figures = out.with_suffix(".json")
    command = [str(bundle), *map(str, places), "--out", str(out), "--json", str(figures), *more]
    done = CliRunner().invoke(app, command)
    results = out / "results.jsonl"
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    return done.exit_code, lines, json.loads(figures.read_text()) if figures.exists() else {}, done.output
