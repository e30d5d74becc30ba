"""Results in a database: each object once, every field its column, and all of it as CSV."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sranogan_edge.errors import ResultsError
from sranogan_edge.results.line import WHERE_THERE
from sranogan_edge.sinks.sink import record_of
from sranogan_edge.sinks.sqlite import SqliteSink, export_csv
from sranogan_edge.sinks.to_csv import main as export_command
from tests.support.remote_results import Clock
from tests.support.result_lines import line


def test_a_repeat_is_no_second_row(tmp_path: Path) -> None:
    """One result stands in the table once, across a restart; another of the same name stands beside it."""
    sink = SqliteSink(tmp_path / "results.sqlite")
    for one in (line(0), line(1), line(0), line(0, bundle="cd"), line(0, scored_at="later")):
        sink.write(one)
    sink.close()
    sink = SqliteSink(tmp_path / "results.sqlite")
    sink.write(line(1))
    reader = sqlite3.connect(tmp_path / "results.sqlite")
    rows = reader.execute("SELECT file, bundle, scored_at FROM results ORDER BY id").fetchall()
    first = line(0).scored_at
    assert rows == [
        ("0.png", "ab", first),
        ("1.png", "ab", first),
        ("0.png", "cd", first),
        ("0.png", "ab", "later"),
    ]
    assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_results_come_from_another_thread(tmp_path: Path) -> None:
    """The one that delivers is not the one that opened the file."""
    sink = SqliteSink(tmp_path / "a" / "b" / "results.sqlite")
    writer = threading.Thread(target=sink.write, args=(line(0),))
    writer.start()
    writer.join()
    sink.close()
    assert export_csv(tmp_path / "a" / "b" / "results.sqlite", tmp_path / "out.csv") == 1


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """It is refused and left as it is."""
    (tmp_path / "results.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(ResultsError, match="not a database"):
        SqliteSink(tmp_path / "results.sqlite")
    assert (tmp_path / "results.sqlite").read_bytes().startswith(b"something else")


def test_each_field_has_its_column(tmp_path: Path) -> None:
    """A row holds the whole result, and the table no more than that and the key."""
    written = line(3, backend_fallback="no driver", frames=4, frame=2, feed="dicom:11112")
    SqliteSink(tmp_path / "results.sqlite").write(written)
    with sqlite3.connect(tmp_path / "results.sqlite") as database:
        database.row_factory = sqlite3.Row
        row = dict(database.execute("SELECT * FROM results").fetchone())
    assert row.pop("id") == 1
    row["milliseconds"] = json.loads(row["milliseconds"])
    assert {row.pop(name) for name in WHERE_THERE} == {None}  # nor has the line
    assert row == record_of(written)


def test_tiles_are_json_in_their_column(tmp_path: Path) -> None:
    """How many there are and where the worst one is can be asked for, in the table and as CSV."""
    told = {"count": 20, "blank": 1, "worst": [0, 48, 64, 64], "heat_map_scale": 1.0}
    sink = SqliteSink(tmp_path / "results.sqlite")
    sink.write(line(3, tiles=told))
    with sqlite3.connect(tmp_path / "results.sqlite") as database:
        (found,) = database.execute("SELECT json_extract(tiles, '$.count'), tiles FROM results")
    assert (found[0], json.loads(found[1])) == (20, told)
    assert export_csv(tmp_path / "results.sqlite", tmp_path / "out.csv") == 1
    (row,) = csv.DictReader((tmp_path / "out.csv").open(newline="", encoding="utf-8"))
    assert json.loads(row["tiles"]) == told


def test_csv_export(tmp_path: Path) -> None:
    """Every row with its header; a name that a spreadsheet would compute is made harmless; odd bytes pass."""
    sink = SqliteSink(tmp_path / "results.sqlite")
    names = ["a,b.png", "=HYPERLINK(1)", "line\nbreak.png", os.fsdecode(b"\xff.png")]
    for name in names:
        sink.write(line(0, file=name))
    sink.write(line(1, score=None, verdict="error", error="it is empty"))
    assert export_csv(tmp_path / "results.sqlite", tmp_path / "out.csv") == 5
    rows = list(csv.DictReader((tmp_path / "out.csv").open(newline="", encoding="utf-8")))
    assert [row["file"] for row in rows] == [
        "a,b.png",
        "'=HYPERLINK(1)",
        "line\nbreak.png",
        "\\udcff.png",
        "1.png",
    ]
    assert (rows[4]["score"], rows[4]["error"]) == ("", "it is empty")


def test_a_table_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    """Its rows stay; the columns that came since are there, and empty."""
    path = tmp_path / "results.sqlite"
    SqliteSink(path).write(line(0))
    with sqlite3.connect(path) as database:
        for column in ("calibration", "reason", "feed", "frame"):
            database.execute(f"ALTER TABLE results DROP COLUMN {column}")
    SqliteSink(path).write(line(1, reason="too dark"))
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT file, reason FROM results ORDER BY id").fetchall()
    assert rows == [("0.png", None), ("1.png", "too dark")]


def test_the_export_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes the table while the sink is open; a missing database ends it with what to do."""
    sink = SqliteSink(tmp_path / "results.sqlite")
    sink.write(line(0))
    assert export_command([str(tmp_path / "results.sqlite"), str(tmp_path / "table.csv")]) == 0
    assert "1 results in" in capsys.readouterr().out
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 2
    assert export_command([str(tmp_path / "none.sqlite"), str(tmp_path / "x.csv")]) == 6
    assert "Check that the database exists" in capsys.readouterr().err


def test_csv_help_is_for_users(capsys: pytest.CaptureFixture[str]) -> None:
    """It says what is written and which exit codes there are, and names no exception."""
    with pytest.raises(SystemExit):
        export_command(["--help"])
    told = capsys.readouterr().out
    assert "apostrophe" in told
    assert "Exit codes: 0" in told
    assert "Error" not in told


def test_a_csv_export_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """Neither a missing database nor a full disk makes half a table."""
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(ResultsError, match="cannot export"):
        export_csv(tmp_path / "none.sqlite", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "old"
    assert not (tmp_path / "none.sqlite").exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_csv_export_to_a_read_only_disk(tmp_path: Path, disk: Path) -> None:
    """It is answered in our words, though what was begun there cannot be removed either."""
    SqliteSink(tmp_path / "results.sqlite").write(line(0))
    (disk / "out.csv.part").write_text("of an earlier attempt")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(ResultsError, match=r"cannot export .* Read-only file system"):
        export_csv(tmp_path / "results.sqlite", disk / "out.csv")


def test_a_table_is_in_the_order_in_which_results_came(tmp_path: Path) -> None:
    """Not in that of a clock, which may have been set back between them."""
    sink = SqliteSink(tmp_path / "results.sqlite")
    for number, hour in ((1, 12), (2, 3), (3, 7)):
        sink.write(replace(line(number), scored_at=f"2026-01-31T{hour:02}:00:00Z"))
    sink.close()
    assert export_csv(tmp_path / "results.sqlite", tmp_path / "results.csv") == 3
    with (tmp_path / "results.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["1.png", "2.png", "3.png"]


def test_a_database_is_closed_to_others(tmp_path: Path) -> None:
    """A new one and one of an earlier version, whatever the umask: it has file names of patients."""
    path = tmp_path / "results.sqlite"
    for _ in range(2):
        before = os.umask(0o022)
        try:
            SqliteSink(path).close()
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)


def test_another_program_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds, by who writes and by who exports; the export opens the file for reading alone."""
    path, opened = tmp_path / "results.sqlite", list[tuple[str, dict[str, object]]]()
    sink = SqliteSink(path)
    assert sink._database.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
    sink.close()
    connect = sqlite3.connect

    def noted(place: str, **how: Any) -> sqlite3.Connection:
        opened.append((place, how))
        return connect(place, **how)

    monkeypatch.setattr(sqlite3, "connect", noted)
    assert export_csv(path, tmp_path / "out.csv") == 0  # of an empty table
    assert opened == [(f"{path.as_uri()}?mode=ro", {"uri": True, "timeout": 10.0})]


def test_a_row_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    """In SQLite's words, with the cure."""
    sink = SqliteSink(tmp_path / "results.sqlite")
    sink.close()
    with pytest.raises(ResultsError) as refused:
        sink.write(line(0))
    assert str(refused.value) == (
        f"cannot write results to {sink.path}: Cannot operate on a closed database.. Rows written so far are "
        "kept; free some space, or name another file."
    )


def test_old_rows_are_looked_for_every_ten_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock that nobody sets; from the first row on."""
    clock = Clock()
    times = SimpleNamespace(monotonic=clock, time=time.time, strftime=time.strftime, gmtime=time.gmtime)
    monkeypatch.setattr("sranogan_edge.sinks.sqlite.time", times)
    sink, rows = SqliteSink(tmp_path / "results.sqlite", keep_s=1.0), list[int]()
    for number, clock.now in enumerate((0.0, 1.0, 599.0, 600.0, 601.0, 1199.0, 1200.0)):
        sink.write(line(number))
        rows += sink._database.execute("SELECT COUNT(*) FROM results").fetchone()
    assert rows == [1, 2, 3, 1, 2, 3, 1]
    sink.close()


def test_a_table_is_utf_8_whatever_the_language_of_the_system(tmp_path: Path) -> None:
    """One that knows ASCII alone exports names of any letters."""
    sink = SqliteSink(tmp_path / "results.sqlite")
    sink.write(line(0, file="/in/Übersicht 胸.png"))
    sink.close()
    words = [sys.executable, "-m", "sranogan_edge.sinks.to_csv"]
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([*words, sink.path, tmp_path / "out.csv"], env=plain, check=True)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["/in/Übersicht 胸.png"]
