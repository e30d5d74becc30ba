"""The walk of docs/guide/own_images.md: its commands as they stand there, its images, what it leaves."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from keras_sranogan.data.open import open_source
from keras_sranogan.settings import TrainSettings
from tests.support.plates import plate

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "own_images.md"
GOOD, NEW = 60, 6
STANDARD = "--preset standard"  # an hour; what is trained instead has the same steps, but few


def commands() -> list[str]:
    """Return the commands of the page, in its order."""
    text = GUIDE.read_text(encoding="utf-8")
    return [
        line
        for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
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


def shortened(command: str, folder: Path, settings: TrainSettings) -> str:
    """Return ``command`` with a training of seconds, by a file of settings."""
    short = replace(settings, preset="standard", preprocess=replace(settings.preprocess, size=32)).to_dict()
    short["preprocess"].pop("colour", None)
    (folder / "short.json").write_text(json.dumps(short), encoding="utf-8")
    return command.replace(STANDARD, "--settings short.json")


def check_left(folder: Path, said: Sequence[str], kind: str) -> None:
    """Hold what training, export and scoring said, and left in ``folder``, against what the page promises."""
    train, export, _ = said
    assert re.search(rf"train +NORMAL +{GOOD} .*{kind}", train)
    assert "nearly equal: " in train
    assert "Learned from " in train
    assert "next: sranogan-export runs/mine --out mine.sranogan" in train
    assert "next: sranogan-score mine.sranogan" in export
    assert (folder / "runs" / "mine" / "report.html").is_file()
    with (folder / "scores" / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == NEW
    assert not any(row["error"] or row["colour"] for row in rows)
    regions = json.loads((folder / "scores" / "regions.json").read_text())
    assert len(regions["images"]) == NEW
    for name in ("report.html", "contact_sheet.png"):
        assert (folder / "scores" / name).is_file()
