"""Results on this machine: whole lines, each object once, and no failure that stops a feed."""

from __future__ import annotations

import csv
import errno
import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.backoff import Backoff
from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.sinks.database import SqliteSink, export_csv
from sranogan_edge.sinks.jsonl import JsonlSink
from sranogan_edge.sinks.open import open_sink
from sranogan_edge.sinks.sink import record_key, record_of
from sranogan_edge.sinks.to_csv import main as export_command
from tests.edge.result_lines import line

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


def lines_in(path: Path) -> list[str]:
    """The file names of every line of one file, none of them torn."""
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    return [json.loads(one)["file"] for one in data.splitlines()]


def lines_of(folder: Path) -> list[str]:
    """The same of all files of a sink, oldest first."""
    files = [*sorted(folder.glob("results-*.jsonl")), folder / "results.jsonl"]
    return [name for file in files for name in lines_in(file)]


class Clock:
    """A time that only moves when it is told to."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_lines_go_on_where_the_last_run_ended(tmp_path: Path) -> None:
    """A restart appends; each line names its object's key."""
    for number in range(3):
        sink = JsonlSink(tmp_path, now=Clock())
        sink.write(line(number))
        sink.close()
    assert lines_of(tmp_path) == ["0.png", "1.png", "2.png"]
    assert json.loads((tmp_path / "results.jsonl").open().readline())["key"] == record_key(line(0))


def test_files_rotate_by_size(tmp_path: Path) -> None:
    """No file is larger than its limit, no line is lost or torn, and the oldest files go where told to."""
    sink = JsonlSink(tmp_path / "all", max_bytes=2000, sync=False)
    few = JsonlSink(tmp_path / "few", max_bytes=2000, keep=2, sync=False)
    for number in range(40):
        sink.write(line(number))
        few.write(line(number))
    assert lines_of(tmp_path / "all") == [f"{number}.png" for number in range(40)]
    assert all(file.stat().st_size <= 2000 for file in (tmp_path / "all").iterdir())
    assert len(list((tmp_path / "few").glob("*.jsonl"))) == 3
    assert lines_of(tmp_path / "few")[-1] == "39.png"


def test_files_rotate_by_age(tmp_path: Path) -> None:
    """A day after its first line a file is closed, also across a restart; a clock set back closes none."""
    clock = Clock()
    sink = JsonlSink(tmp_path, now=clock)
    sink.write(line(0))
    sink.close()
    clock.now += 86_000
    sink = JsonlSink(tmp_path, now=clock)
    sink.write(line(1))
    clock.now += 1000
    sink.write(line(2))
    assert lines_in(tmp_path / "results-000001-20260102T121000Z.jsonl") == ["0.png", "1.png"]
    clock.now -= 10 * 86_400
    sink.write(line(3))
    clock.now += 86_500
    sink.write(line(4))
    assert lines_in(tmp_path / "results.jsonl") == ["4.png"]
    assert lines_of(tmp_path).count("3.png") == 1


@pytest.mark.parametrize("torn", [b'{"file": "x', b'{"file": "' + b"y" * 200_000])
def test_a_torn_line_is_cut_off_at_the_next_start(tmp_path: Path, torn: bytes) -> None:
    """What a power cut left is no line: it had not been answered for."""
    sink = JsonlSink(tmp_path)
    sink.write(line(0))
    sink.close()
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(torn)
    sink = JsonlSink(tmp_path)
    sink.write(line(1))
    assert lines_of(tmp_path) == ["0.png", "1.png"]


def test_a_file_that_is_one_torn_line(tmp_path: Path) -> None:
    """Nothing of it is kept."""
    (tmp_path / "results.jsonl").write_bytes(b"{" * 70_000)
    JsonlSink(tmp_path).write(line(1))
    assert lines_of(tmp_path) == ["1.png"]


@pytest.mark.parametrize("failing", ["fsync", "write"])
def test_a_full_disk_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """A line that does not fit is an error and leaves nothing of itself; after space is freed it goes on."""
    sink = JsonlSink(tmp_path)
    sink.write(line(0))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if failing == "fsync":
            patch.setattr(os, "fsync", full)
        else:
            real = Path.open
            patch.setattr(Path, "open", lambda *a, **k: HalfFull(real(*a, **k)))
        with pytest.raises(ResultsError, match="No space left on device"):
            sink.write(line(1))
    assert lines_of(tmp_path) == ["0.png"]
    sink.write(line(2))
    assert lines_of(tmp_path) == ["0.png", "2.png"]


class HalfFull:
    """A file on a disk that takes ten more bytes."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.room = 10

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = int(self.file.write(bytes(data)[: self.room]))
        self.room = 0
        return taken

    def seek(self, *to: int) -> int:
        return int(self.file.seek(*to))

    def truncate(self, size: int) -> None:
        self.file.truncate(size)

    def __enter__(self) -> HalfFull:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def test_a_small_disk_keeps_whole_lines(small_disk: Path) -> None:
    """The same with a file system that is really full."""
    sink = JsonlSink(small_disk / "lines")
    wrote: list[str] = []

    def fill() -> None:
        for number in range(10_000):
            sink.write(line(number))
            wrote.append(f"{number}.png")

    with pytest.raises(ResultsError):
        fill()
    assert len(wrote) > 10
    sink.close()
    assert lines_of(small_disk / "lines") == wrote


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    """A file in the way of the folder (a read-only one stops only users who are not root) names the cure."""
    (tmp_path / "file").touch()
    for make in (JsonlSink, lambda folder: SqliteSink(folder / "results.sqlite")):
        with pytest.raises(ResultsError, match="cannot write results to"):
            make(tmp_path / "file" / "results")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only folders")
def test_a_read_only_folder(tmp_path: Path) -> None:
    """Its error names the folder."""
    tmp_path.chmod(0o500)
    with pytest.raises(ResultsError, match="Permission denied"):
        JsonlSink(tmp_path / "results")


def test_limits_that_cannot_work(tmp_path: Path) -> None:
    """They are refused before a file is made."""
    for options in ({"max_bytes": 0}, {"max_age_s": 0}, {"keep": -1}):
        with pytest.raises(SettingsError, match="must be above 0"):
            JsonlSink(tmp_path, **options)  # type: ignore[arg-type]


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
    assert row == record_of(written)


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


def test_pauses_double_and_differ() -> None:
    """Each lies in the upper half of its doubled time, none above the bound, however many there were."""
    backoff = Backoff(1.0, 60.0)
    pauses = [backoff.next_s() for _ in range(2000)]
    assert all(min(2**n, 60) / 2 <= pause <= min(2**n, 60) for n, pause in enumerate(pauses[:20]))
    assert 30 <= min(pauses[20:]) < max(pauses[20:]) <= 60
    assert len(set(pauses)) > 1900
    backoff.reset()
    assert backoff.next_s() <= 1


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://host", "no sink has the scheme 'ftp'"),
        ("jsonl:", "no sink has the scheme"),
        ("mqtt://user:word@host", "put the password into SRANOGAN_MQTT_PASSWORD"),
        ("mqtt://", "names a host"),
        ("mqtt://host:port", "not the address"),
        ("mqtt://host/a/+/b", "topic prefix has no"),
        ("https://host/x", "set SRANOGAN_WEBHOOK_SECRET"),
    ],
)
def test_addresses_that_cannot_work(tmp_path: Path, uri: str, said: str) -> None:
    """Each says what is wrong and how it is written."""
    pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
    with pytest.raises(SettingsError, match=said):
        open_sink(uri, tmp_path, environ={})


def test_sinks_of_this_machine_open_by_their_address(tmp_path: Path) -> None:
    """Folder and file are made where they are missing."""
    files = (tmp_path / "a" / "results.jsonl", tmp_path / "b" / "c")
    for uri in (f"jsonl:{tmp_path / 'a'}", f"sqlite:{tmp_path / 'b' / 'c'}"):
        sink = open_sink(uri, tmp_path)
        sink.write(line(0))
        sink.flush()
        sink.close()
    assert all(file.stat().st_size for file in files)
