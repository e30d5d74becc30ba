"""The walk of docs/guide/own_images.md as a reader sees it, and its notebook."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.own_images import STANDARD, commands

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebooks" / "own_images.ipynb"
MOST_BYTES = 300_000


def test_the_walk_is_three_commands() -> None:
    """After the installation, in the order of typing; each takes what the one before made."""
    install, *walk = (command.split() for command in commands())
    assert install[:2] == ["pip", "install"]
    assert [words[0] for words in walk] == ["sranogan-train", "sranogan-export", "sranogan-score"]
    train, export, score = walk
    assert train[train.index("--out") + 1] == export[1] == "runs/mine"
    assert export[export.index("--out") + 1] == score[1] == "mine.sranogan"
    assert STANDARD in " ".join(train)


def test_the_notebook_is_small_and_was_run() -> None:
    """What is stored fits into a page, no cell failed, and each that computes was run in order."""
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    cells = [
        one for one in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if one["cell_type"] == "code"
    ]
    assert [one["execution_count"] for one in cells] == list(range(1, len(cells) + 1))
    assert not [out for one in cells for out in one["outputs"] if out["output_type"] == "error"]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    """Every cell, in a folder of its own: the last table has all images and one that is not there."""
    nbformat = pytest.importorskip("nbformat", reason="of development")
    nbclient = pytest.importorskip("nbclient", reason="of development")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=where).execute()
    assert (tmp_path / "own.sranogan").is_file()
    shown = [out["data"] for cell in notebook.cells for out in cell.get("outputs", []) if "data" in out]
    assert any("the image with its heat" in one.get("text/html", "") for one in shown)
    assert any("SR-AnoGAN (ours)" in one.get("text/html", "") for one in shown)
    assert any("own/missing.png: no such" in one.get("text/plain", "") for one in shown)  # cut by pandas
