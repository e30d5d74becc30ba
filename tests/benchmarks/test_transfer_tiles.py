"""Designs in tiles: their parts in units of images, the sets that they are judged by, and their table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from benchmarks.transfer import __main__ as command
from benchmarks.transfer import fast
from benchmarks.transfer.designs import DESIGNS
from benchmarks.transfer.judge import CHOSEN, CHOSEN_IN_TILES, Standard, judge
from benchmarks.transfer.protocols import IN_TILES, VIEWS, Images
from benchmarks.transfer.table import page

TILES = 5  # of each image


def in_tiles(count: int) -> Images:
    """Images that nothing is read from: ``count`` held out, as many normals to judge, and abnormal ones."""
    blank = np.zeros((count * TILES, 1, 1, 1), np.uint8)
    tiles = np.zeros((2 * count * TILES, 4), np.int64)
    tiles[:, 0] = np.repeat(np.arange(2 * count), TILES)
    held = np.repeat(np.arange(count), TILES)
    every, abnormal = np.ones(count * TILES, np.bool_), np.arange(2 * count) >= count
    judged = dict.fromkeys(VIEWS, blank)
    return Images(blank, blank, blank, held, every, judged, abnormal, tiles[::TILES, 0], None, tiles, held)


def of_tiles(rows: NDArray[np.float64], count: int) -> Standard:
    """A part of so many held-out images, then of those that are judged, ``(3 * count, TILES)``."""
    return Standard(rows[:count].ravel(), dict.fromkeys(VIEWS, rows[count:].ravel()))


def test_a_part_that_is_high_somewhere_in_every_normal_hides_no_other() -> None:
    """In units of tiles the loud one would: its highest of an image varies by 8, and tells nothing."""
    rng, count = np.random.default_rng(0), 100
    telling, loud = rng.normal(size=(2, 3 * count, TILES))
    telling[2 * count :, 2] += 7
    loud[:, 4] = rng.normal(30, 8, 3 * count)
    found = judge({"late": of_tiles(telling, count), "map": of_tiles(loud, count)}, in_tiles(count))
    assert found["late"]["plain"]["auroc"] > 0.99
    assert 0.4 < found["map"]["plain"]["auroc"] < 0.6
    assert found["late + map"]["plain"]["auroc"] > 0.9
    assert found["late + map"]["plain"]["false_alarms"] < 0.12


def test_designs_in_tiles_are_judged_by_sets_of_small_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """And those of whole images by all the others."""
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(fast, "run_fast", lambda name, protocol, *_: asked.append((name, protocol)))
    names = ["flaws-drawn-tiles", "spots-drawn"]
    done = CliRunner().invoke(command.app, ["run", *names, "--seeds", "1"])
    assert done.exit_code == 0, done.output
    assert [protocol for name, protocol in asked if name == names[0]] == ["brick", "pcb", "large texture"]
    assert "large texture" not in [protocol for name, protocol in asked if name == names[1]]
    assert len(asked) == 3 + 10
    wrong = CliRunner().invoke(command.app, ["run", "nothing"])
    assert wrong.exit_code == 2
    assert "flaws-drawn-tiles" in wrong.output


def test_designs_in_tiles_have_a_table_of_their_own(tmp_path: Path) -> None:
    """With the mean and the worst of these sets; none of them stands among designs of whole images."""
    said = {"auroc": 0.75, "false_alarms": 0.0625}
    for design, score in (("flaws-drawn-tiles", CHOSEN_IN_TILES), ("spots-drawn", CHOSEN)):
        for number, protocol in enumerate(IN_TILES):
            views = {view: {**said, "auroc": said["auroc"] + number / 8} for view in VIEWS}
            found = {"design": design, "protocol": protocol, "seed": 0, "scores": {score: views}}
            (tmp_path / f"{design}__{number}__0.json").write_text(json.dumps(found))
    title, table = (
        page(tmp_path).split("### In tiles, AUROC")[0],
        page(tmp_path).split("### In tiles, AUROC")[1],
    )
    assert "flaws, in tiles" not in title
    rows = [line for line in table.split("###")[0].splitlines() if line.startswith("| flaws, in tiles")]
    figures = "0.750 | 0.875 | 1.000 | **0.875** | 0.750"
    assert rows == [f"| {DESIGNS['flaws-drawn-tiles'].says} | {CHOSEN_IN_TILES} | {figures} |"]
    assert DESIGNS["flaws-drawn-tiles"].settings(0).head.anomalies == "flaws"
