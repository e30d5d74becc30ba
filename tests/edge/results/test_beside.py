"""What a run of files leaves beside its lines: table, contact sheet, summary, page."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sranogan_edge.commands.score_tables import print_run
from sranogan_edge.errors import ResultsError
from sranogan_edge.results.beside import write_beside, write_report
from sranogan_edge.results.contact_sheet import MOST_SHOWN, SIDE_PX, most_anomalous
from sranogan_edge.results.line import ResultLine, Scorer, error_line
from sranogan_edge.results.report import report_html
from sranogan_edge.results.summary import Summary, summarise
from sranogan_edge.results.table import harmless

SCORER = Scorer("b" * 64, 8, "runtime 1")
SHADES = (40, 220)  # of the heat maps of normals, of anomalous ones


def line_of(folder: Path, file: str, score: float, threshold: float = 1.0) -> ResultLine:
    """A line of a judged image, with its heat map in ``folder``."""
    anomalous = score > threshold
    heat = f"heat_maps/{abs(hash(file))}.png"
    (folder / "heat_maps").mkdir(exist_ok=True)
    Image.new("RGB", (384, 384), (SHADES[anomalous],) * 3).save(folder / heat)
    verdict = "anomalous" if anomalous else "normal"
    judged: dict[str, Any] = {
        "score": score,
        "p_value": 0.25,
        "threshold": threshold,
        "verdict": verdict,
        "heat_map": heat,
    }
    return replace(
        error_line(file, ValueError(), SCORER), error=None, milliseconds={"total": 4.0, "x": 1.0}, **judged
    )


def figures_of(lines: Sequence[ResultLine], folder: Path) -> Summary:
    """The summary of ``lines``."""
    return summarise(lines, threshold=1.0, scorer=SCORER, results=folder)


ODD = ("=1+1.png", "+a.png", "-b.png", "@c.png", "\td.png", "e,f\"g'.png", "é π.png", "a\nb.png", "plain.png")


def test_the_table_has_a_row_a_file_and_nothing_to_compute(tmp_path: Path) -> None:
    """Every line has its row, in order, with the fields of a line; no cell begins as a formula does."""
    lines = [line_of(tmp_path, name, score) for score, name in enumerate(ODD, start=-3)]
    lines.append(error_line("=broken.png", ValueError("=cmd|' /C calc'!A0"), SCORER))
    lines.append(error_line(os.fsdecode(b"/in/\xff.png"), ValueError("no image"), SCORER))
    write_beside(lines, figures_of(lines, tmp_path), tmp_path)
    text = (tmp_path / "results.csv").read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(rows[0]) == [one.name for one in fields(ResultLine)]
    assert [row["file"].removeprefix("'") for row in rows[:-1]] == [line.file for line in lines[:-1]]
    assert rows[-1]["file"] == "/in/\\udcff.png"
    assert [row["score"] for row in rows[:3]] == ["-3", "-2", "-1"]  # numbers stay numbers
    assert rows[0]["milliseconds"] == "4.0"
    names = {"file", "error", "verdict", "reason", "heat_map", "backend"}
    assert not [row for row in rows if any(row[name][:1] in tuple("=+-@\t\r") for name in names if row[name])]
    assert rows[0]["file"] == "'=1+1.png"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_text_that_would_be_computed(start: str) -> None:
    """Text that begins so gets an apostrophe; numbers and other text stay as they are."""
    assert harmless(f"{start}1") == f"'{start}1"
    assert [harmless(one) for one in (-1.5, None, f"a{start}", "")] == [-1.5, None, f"a{start}", ""]


def test_the_contact_sheet_shows_the_most_anomalous_and_no_more(tmp_path: Path) -> None:
    """So many pictures at most, the highest score first; without a judged image there is no sheet."""
    lines = [line_of(tmp_path, f"{number}.png", number / 10) for number in range(MOST_SHOWN * 2)]
    assert [line.score for line in most_anomalous(lines)] == [n / 10 for n in range(39, 19, -1)]
    write_beside(lines, figures_of(lines, tmp_path), tmp_path)
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("L"))
    assert pixels.shape[1] < 6 * SIDE_PX
    assert pixels.shape[0] < 6 * SIDE_PX
    rows = [row for row in pixels if (row == SHADES[1]).mean() > 0.9]
    assert len(rows) == 4 * SIDE_PX  # 20 pictures in four rows, all anomalous
    (tmp_path / "none").mkdir()
    none = [error_line("a.png", ValueError("no image"), SCORER)]
    write_beside(none, figures_of(none, tmp_path / "none"), tmp_path / "none")
    assert not (tmp_path / "none" / "contact_sheet.png").exists()


def test_names_of_any_kind_fit_under_their_picture(tmp_path: Path) -> None:
    """Long names, other alphabets and control characters end in a picture, not in an error."""
    names = ("x" * 300 + ".png", "心" * 40 + ".png", "a\nb\x1b.png", os.fsdecode(b"\xff.png"))
    lines = [line_of(tmp_path, name, 2.0) for name in names]
    write_beside(lines, figures_of(lines, tmp_path), tmp_path)
    assert (tmp_path / "contact_sheet.png").stat().st_size > 0


def test_the_summary_counts_each_folder(tmp_path: Path) -> None:
    """The figures of every folder add up to those of the run, in the summary and on the terminal."""
    lines = [
        line_of(tmp_path, "in/a/1.png", 0.5),
        line_of(tmp_path, "in/b/1.png", 3.0),
        line_of(tmp_path, "in/b/2.png", 1.5),
        error_line("in/b/3.png", ValueError("no image"), SCORER),
    ]
    write_beside(lines, figures_of(lines, tmp_path), tmp_path)
    found = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert list(found["folders"]) == ["in/a", "in/b"]
    assert found["folders"]["in/b"] == {
        **{"images": 3, "scored": 2, "normal": 0, "anomalous": 2, "out_of_domain": 0, "not_asked_for": 0},
        **{"failed": 1, "mean_score": 2.25, "highest_score": 3.0},
    }
    for name in ("images", "normal", "anomalous", "failed"):
        assert sum(one[name] for one in found["folders"].values()) == found[name]


class Seen(HTMLParser):
    """What a page asks a browser for."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.places: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.places += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_holds_all_and_loads_nothing(tmp_path: Path) -> None:
    """One file: picture inside, no script, no address; names and errors are text, never markup."""
    lines = [line_of(tmp_path, "<script>alert(1)</script>.png", 2.5), line_of(tmp_path, "b/&.png", 0.1)]
    lines.append(error_line("c.png", ValueError("<b>no</b> image"), SCORER))
    write_report(lines, figures_of(lines, tmp_path), tmp_path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    seen = Seen()
    seen.feed(page)
    assert {"table", "svg", "img"} <= set(seen.tags)
    assert not {"script", "link", "iframe", "b"} & set(seen.tags)
    assert all(place.startswith("data:image/png;base64,") for place in seen.places)
    assert not re.search(r"url\(|https?://", page)
    for text in ("<script>alert(1)</script>.png", "b/&.png", "<b>no</b> image", "3 images: 1 normal, 1 anom"):
        assert text in seen.text
    assert seen.tags.count("rect") == 40
    assert "dashed: the threshold" in seen.text


def test_the_page_of_images_that_none_was_judged_of(tmp_path: Path) -> None:
    """Without scores there is a page, which says so; without a threshold no line is drawn."""
    none = [error_line("a.png", ValueError("no image"), SCORER)]
    assert "No image was judged" in report_html(none, figures_of(none, tmp_path), None)
    one = [line_of(tmp_path, "a.png", 2.0)]
    figures = summarise(one, threshold=float("inf"), scorer=SCORER, results=tmp_path)
    page = report_html(one, figures, None)
    assert "Threshold none: too few normals" in page
    assert "<line" not in page


@pytest.mark.parametrize(("width", "whole"), [(200, True), (60, False)])
def test_tables_are_as_wide_as_the_terminal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
    whole: bool,
) -> None:
    """A long path stands on one line where there is room; where there is not, numbers stay whole."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.delenv("TERM", raising=False)
    name = f"/srv/{'ward/' * 15}film.png"
    lines = [line_of(tmp_path, name, 12.3456), line_of(tmp_path, "b.png", 0.5)]
    print_run(lines, figures_of(lines, tmp_path))
    told = capsys.readouterr().out
    table = [line for line in told.splitlines() if line[:1] in "┏┃┡│└"]
    assert {len(line) for line in table} <= set(range(width + 1))
    assert (name in told) == whole
    assert "12.346" in told
    assert "0.2500" in told


def test_images_that_could_not_be_aligned_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, and only where there are any; lines of bundles that do not align have no such field."""
    lines = [line_of(tmp_path, f"{name}.png", 0.5) for name in "abc"]
    told = [replace(one, alignment={"aligned": True, "rotation": 1.0}) for one in lines[:1]]
    print_run([*told, *lines], figures_of(lines, tmp_path))
    assert "aligned" not in capsys.readouterr().out
    failed = [replace(one, alignment={"aligned": False, "reason": "too little"}) for one in lines[:2]]
    print_run([*told, *failed, *lines[2:]], figures_of(lines, tmp_path))
    assert "2 images: could not be aligned, judged as they came" in capsys.readouterr().out


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """The error says what was not written, that the lines are complete, and the cure."""
    lines = [line_of(tmp_path, "a.png", 2.0)]
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(ResultsError, match=r"results\.csv: .*The lines in results\.jsonl are complete"):
        write_beside(lines, figures_of(lines, tmp_path), tmp_path)
    with pytest.raises(ResultsError, match="Name another place with --report"):
        write_report(lines, figures_of(lines, tmp_path), tmp_path, tmp_path / "no" / "page.html")
    assert asdict(lines[0])["error"] is None
