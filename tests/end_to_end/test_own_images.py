"""The walk of docs/guide/own_images.md, as it stands there, and its notebook, on drawn images."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data.open import open_source
from keras_sranogan.settings import TrainSettings
from tests.support.plates import plate

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = REPOSITORY / "docs" / "guide" / "own_images.md"
NOTEBOOK = REPOSITORY / "docs" / "notebooks" / "own_images.ipynb"
MOST_BYTES = 300_000
GOOD, NEW = 60, 6
STANDARD = "--preset standard"  # an hour; what is trained instead has the same steps, but few


def commands() -> list[list[str]]:
    """Return the commands of the page, in its order, a list of words each."""
    text = GUIDE.read_text(encoding="utf-8")
    return [
        line.split()
        for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
        for line in block.splitlines()
    ]


def photos(folder: Path) -> None:
    """Draw colour photographs: orange plates, the last of the new ones with a green patch."""
    for name, first, count in (("good", 0, GOOD), ("new", GOOD, NEW)):
        (folder / name).mkdir()
        for number in range(first, first + count):
            frame = plate(number, patched=number == GOOD + NEW - 1)
            Image.fromarray(frame.pixels).save(folder / name / f"{number:03d}.jpg", quality=95)


def radiographs(folder: Path) -> None:
    """Draw grey films of 16 bits, of several sizes."""
    drawn = open_source(f"phantom?train={GOOD + NEW}&size=128")
    for number, item in enumerate(drawn.items("train")):
        name = "good" if number < GOOD else "new"
        (folder / name).mkdir(exist_ok=True)
        pixels = drawn.frame(item).pixels.astype(np.uint16) * 257
        film = Image.fromarray(pixels[: 128 - number % 5])
        film.save(folder / name / f"{number:03d}.png")


def test_the_walk_is_three_commands() -> None:
    """The page names them in the order that they are typed in; each takes what the one before made."""
    assert [words[0] for words in commands()] == ["sranogan-train", "sranogan-export", "sranogan-score"]
    train, export, score = commands()
    assert train[train.index("--out") + 1] == export[1] == "runs/mine"
    assert export[export.index("--out") + 1] == score[1] == "mine.sranogan"
    assert STANDARD in " ".join(train)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "kind"), [(photos, "colour"), (radiographs, "grey")], ids=["photos", "films"]
)
def test_the_walk_of_the_page(
    draw: Callable[[Path], None], kind: str, settings: TrainSettings, tmp_path: Path
) -> None:
    """As it stands there but for the length of the training: table, sentence, bundle, results, regions."""
    draw(tmp_path)
    short = replace(settings, preset="standard", preprocess=replace(settings.preprocess, size=32)).to_dict()
    short["preprocess"].pop("colour", None)
    (tmp_path / "short.json").write_text(json.dumps(short), encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = []
    for words in commands():
        line = " ".join(words).replace(STANDARD, "--settings short.json")
        done = subprocess.run(
            line.split(),
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said.append(f"{done.stdout}\n{done.stderr}")
    assert re.search(rf"train +NORMAL +{GOOD} .*{kind}", said[0])
    assert "nearly equal: " in said[0]
    assert "Learned from " in said[0]
    assert "next: sranogan-export runs/mine --out mine.sranogan" in said[0]
    assert "next: sranogan-score mine.sranogan" in said[1]
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()
    with (tmp_path / "scores" / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == NEW
    assert not any(row["error"] or row["colour"] for row in rows)
    regions = json.loads((tmp_path / "scores" / "regions.json").read_text())
    assert len(regions["images"]) == NEW
    assert (tmp_path / "scores" / "report.html").is_file()


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
    assert any("no such file" in one.get("text/plain", "") for one in shown)
