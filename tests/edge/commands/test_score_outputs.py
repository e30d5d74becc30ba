"""What ``sranogan-score`` leaves beside its lines, and the limit of pixels."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import pytest
from PIL import Image

from keras_sranogan.data.phantom import render_normal
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.load import Loader, ScoringSettings
from sranogan_edge.errors import ExitCode
from tests.support.cli_runs import lines_in, score


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """Give a folder of two images and a broken one, in two folders."""
    folder = tmp_path / "feed"
    (folder / "deep").mkdir(parents=True)
    film = Image.fromarray(render_normal(5, 0, 96).pixels)
    film.save(folder / "normal.png")
    film.resize((150, 110)).save(folder / "deep" / "normal.png")
    (folder / "text.png").write_text("this is no image")
    return folder


def test_table_sheet_summary_and_page_lie_beside_the_lines(
    tiny_bundle: Path, feed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run leaves what people open first, in the order of its lines; the next one scores none of it."""
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "scores"
    done = score(tiny_bundle, feed, "--out", out, "--report", out / "report.html")
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    lines = lines_in(out)
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [line["file"] for line in lines]
    assert [row["score"] for row in rows] == [
        "" if line["score"] is None else str(line["score"]) for line in lines
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["folders"]) == {str(feed), str(feed / "deep")}
    assert str(feed / "deep") in " ".join(done.stdout.split())
    assert (out / "contact_sheet.png").is_file()
    assert "base64" in (out / "report.html").read_text()
    again = score(tiny_bundle, feed / "normal.png", out, "--out", out)
    assert again.exit_code == ExitCode.OK, again.output
    assert len(lines_in(out)) == 1
    assert len(list(out.glob("results-*.csv"))) == len(list(out.glob("contact_sheet-*.png"))) == 1


def test_the_limit_of_pixels_is_an_option(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """--max-pixels goes before the bundle's limit, lower or higher; what is refused names it."""
    done = score(tiny_bundle, feed / "normal.png", "--out", tmp_path / "out", "--max-pixels", 1000)
    assert done.exit_code == ExitCode.SOME_FAILED
    (line,) = lines_in(tmp_path / "out")
    assert "above the budget of 1,000. Shrink the image, or raise max_pixels" in line["error"]
    assert "--max-pixels" in line["error"]
    most = read_bundle(tiny_bundle).preprocess.max_pixels
    loader = Loader(ScoringSettings(max_pixels=most + 1))
    assert loader.judge(loader.detector(tiny_bundle)).max_pixels == most + 1
    assert score(tiny_bundle, feed / "normal.png", "--max-pixels", 2**40).exit_code == ExitCode.USAGE


def test_what_is_forgotten_stands_in_no_table(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """--older-than takes table, contact sheet and summary with the lines, of every run; other files stay."""
    for _ in range(2):
        score(tiny_bundle, feed / "normal.png", "--out", tmp_path / "out")
    (tmp_path / "out" / "results-of-mine.csv").write_text("mine")
    time.sleep(1.1)  # results say when by the second
    done = score(tiny_bundle, "--out", tmp_path / "out", "--older-than", 0)
    assert done.exit_code == ExitCode.OK, done.output
    left = {path.name for path in (tmp_path / "out").iterdir() if path.is_file() and path.stat().st_size}
    assert not {name for name in left if name.startswith(("contact_sheet", "summary", "results"))} - {
        "results-of-mine.csv",
        "results.lock",
    }
