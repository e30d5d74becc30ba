"""What a report says of an archive's scores, of drawn rows and of real ones."""

from __future__ import annotations

import datetime
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

from sranogan_edge.archive.output import HEAT, SCHEMA, table_of, write_part
from sranogan_edge.archive.report import MOST_PICTURES, archive_html
from sranogan_edge.archive.summary import MOST_WORST, summed_up
from sranogan_edge.errors import ExitCode, ResultsError
from tests.support.archives import draw_archive, rows_in
from tests.support.cli_runs import score

ROWS, PARTS = 900, 3
MAKERS = ("Maker", "Other <b>", None)
SUM_UP = """
import resource, sys
from pathlib import Path
from sranogan_edge.archive.summary import summed_up
found = summed_up(sorted(Path(sys.argv[1]).glob("part-*.parquet")))
print(found.all.images, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def drawn_rows(count: int, begin: int = 0) -> list[dict[str, Any]]:
    """Rows of several makers, months and kinds of error."""
    rows: list[dict[str, Any]] = []
    for number in range(begin, begin + count):
        failed, value = number % 10 == 0, float(np.sin(number * 12.9898) * 3)
        row: dict[str, Any] = {"source": f"film {number}.dcm", "verdict": "error", "bundle": "ab" * 32}
        row |= {"threshold": 2.5, "steps": 3, "backend": "LiteRT", "version": "1"}
        row["manufacturer"], row["station"] = MAKERS[number % 3], f"R{number % 2}"
        row["acquisition_date"] = datetime.date(2024, 1 + number % 4, 1)
        if failed:
            row |= {"error_kind": f"Kind{number % 20}", "error": f"Kind: film {number}"}
        else:
            row |= {"score": value, "p_value": 0.5, "verdict": "anomalous" if value >= 2.5 else "normal"}
        rows.append(row)
    return rows


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """Give part files with the rows, in a folder whose name means something to a glob."""
    folder = tmp_path / "scores [1]*"
    folder.mkdir()
    found = [folder / f"part-0000000{number}.parquet" for number in range(PARTS)]
    for number, path in enumerate(found):
        rows = drawn_rows(ROWS // PARTS, number * ROWS // PARTS)
        write_part(path, table_of(rows).drop_columns([HEAT]), tmp_path)
    return found


def test_figures_are_those_of_the_rows(parts: list[Path]) -> None:
    """Counts, groups, errors, histogram and the worst are what a loop over the rows finds."""
    rows, found = drawn_rows(ROWS), summed_up(parts)
    scores = sorted((row["score"] for row in rows if "score" in row), reverse=True)
    anomalous = sum(value >= 2.5 for value in scores)
    assert (found.all.images, found.all.scored, found.all.failed) == (ROWS, ROWS * 9 // 10, ROWS // 10)
    assert (found.all.anomalous, found.threshold) == (anomalous, 2.5)
    assert found.all.mean_score == pytest.approx(np.mean(scores))
    assert sum(found.counts) == len(scores)
    assert found.counts == np.histogram(scores, len(found.counts), (found.low, found.high))[0].tolist()
    assert [one.score for one in found.worst] == scores[:MOST_WORST]
    assert [(kind, count) for kind, count, _ in found.errors] == [("Kind0", 45), ("Kind10", 45)]
    assert {group.name: group.images for group in found.by["manufacturer"]} == {
        "Maker": 300,
        "Other <b>": 300,
    }
    assert [group.name for group in found.by["date"]] == ["2024-01", "2024-02", "2024-03", "2024-04"]
    assert len(found.by["scanner"]) == 6
    for share, value in found.quantiles:
        assert np.mean(np.array(scores) < value) == pytest.approx(share, abs=0.02)


def test_a_page_without_films_or_scores(tmp_path: Path) -> None:
    """Of images that say nothing, and were not judged, there is a page without what is not there."""
    part = tmp_path / "part-00000000.parquet"
    by = {"bundle": "ab" * 32, "steps": 3, "backend": "LiteRT", "version": "1"}
    rows = table_of([{"source": "x", "verdict": "error", "error_kind": "A", "error": "A: x", **by}])
    write_part(part, rows.select(SCHEMA.names), tmp_path)
    found = summed_up([part])
    page = archive_html(found, "archive", tmp_path)
    assert (found.by, found.counts, found.worst, found.quantiles) == ({}, [], [], [])
    assert "No image was judged" in page


class Loads(HTMLParser):
    """Collects what a page would load, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_loads_nothing_and_shows_names_as_text(parts: list[Path]) -> None:
    """What films say is no HTML, and nothing comes from anywhere."""
    page = Loads()
    page.feed(archive_html(summed_up(parts), "a <script> archive", parts[0].parent))
    assert page.loaded == []
    assert {"Other <b>", "a <script> archive", "Kind0"} <= set(page.texts)


def test_a_damaged_part_is_named(parts: list[Path]) -> None:
    """Where rows cannot be read no figures are told."""
    parts[1].write_bytes(parts[1].read_bytes()[:100])
    with pytest.raises(ResultsError, match="cannot be summed up"):
        summed_up(parts)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Ten times the rows take hardly more memory."""
    peaks = []
    block = table_of(drawn_rows(20_000)).drop_columns([HEAT])
    for count in (5, 50):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            write_part(folder / f"part-{number:08}.parquet", block, tmp_path)
        command = [sys.executable, "-c", SUM_UP, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        images, peak = map(int, done.stdout.split())
        assert images == count * 20_000
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 150e6, peaks


@pytest.mark.slow
def test_the_report_of_a_real_run(tiny_bundle: Path, tmp_path: Path, make_dicom: Any) -> None:
    """--report writes the page when all is done, with pictures where heat maps were asked for, and again."""
    archive, out, page = (
        draw_archive(tmp_path / "films", 12, make_dicom),
        tmp_path / "out",
        tmp_path / "r.html",
    )
    call = (tiny_bundle, archive, "--engine", "local", "--heat", "--out", out, "--report", page)
    assert score(*call).exit_code == ExitCode.SOME_FAILED
    text = page.read_text()
    rows = rows_in(out)
    assert f"{len(rows)} images: " in text
    assert text.count("<figure>") == min(MOST_PICTURES, sum(row["heat_map"] is not None for row in rows))
    assert all(name in text for name in ("Maker R0", "2024-02", "UnreadableImageError", str(archive)))
    page.unlink()
    assert score(*call).exit_code == ExitCode.SOME_FAILED
    assert page.read_text() == text
