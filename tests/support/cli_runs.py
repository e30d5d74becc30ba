"""``sranogan-score`` in this process, and the lines that it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sranogan_edge.commands.score import app


def score(*arguments: object) -> Result:
    """Run the command inside this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines_in(folder: Path) -> list[dict[str, Any]]:
    """Every line of ``results.jsonl``, none of them partial."""
    text = (folder / "results.jsonl").read_text()
    assert not text or text.endswith("\n")
    return [json.loads(one, parse_constant=pytest.fail) for one in text.splitlines()]
