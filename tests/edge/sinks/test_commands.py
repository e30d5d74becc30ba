"""The commands beside the sinks: what they print, where, and with which exit code they leave."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.send_again import SetApart, set_apart_in
from sranogan_edge.sinks.send_again import main as send_again
from sranogan_edge.sinks.sqlite import SqliteSink
from sranogan_edge.sinks.to_csv import main as to_csv
from tests.support.result_lines import line


def apart(spool: Path, name: str, *files: str) -> Path:
    """An outbox that set these apart."""
    path = spool / "sinks" / f"outbox-{name}.sqlite"
    outbox = Outbox(path)
    for file in files:
        outbox.set_apart(file, json.dumps({"file": file}).encode(), f"{file}: answered 400")
    outbox.close()
    return path


def told(command: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], *words: object) -> object:
    """Exit code, and what was printed for results and for errors."""
    code = command([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_set_apart_is_listed_and_sent_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all outboxes, oldest first; listing asks for nothing; nothing apart is said too."""
    apart(tmp_path, "2", "c.png")
    apart(tmp_path, "1", "b.png", "a.png")
    listed = "b.png: answered 400\na.png: answered 400\nc.png: answered 400\n3 results are set apart"
    for _ in range(2):
        assert told(send_again, capsys, tmp_path, "--list") == (0, f"{listed}\n", "")
    asked = listed.replace(": answered", " (to be sent again): answered")
    assert told(send_again, capsys, tmp_path) == (0, f"{asked}; all are tried again\n", "")
    assert told(send_again, capsys, tmp_path, "--list") == (0, f"{asked}\n", "")
    assert set_apart_in(tmp_path)[0] == SetApart("b.png", "b.png: answered 400", again=True)
    empty = tmp_path / "empty"
    apart(empty, "1")
    assert told(send_again, capsys, empty) == (0, "0 results are set apart\n", "")


def test_a_part_of_what_is_apart_may_be_asked_for(tmp_path: Path) -> None:
    """By any program that writes to the table; the others are not tried."""
    path = apart(tmp_path, "1", "a.png", "b.png")
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO again VALUES (2)")
    assert [one.again for one in set_apart_in(tmp_path)] == [False, True]
    assert [one.again for one in set_apart_in(tmp_path, again=True)] == [True, True]


def test_no_spool_and_a_damaged_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its cure."""
    none = (
        f"{tmp_path}: holds no outbox of a sink. Name the folder of --spool or of [spool] folder; only MQTT, "
        "webhook and DICOM sinks have one.\n"
    )
    assert told(send_again, capsys, tmp_path) == (2, "", none)
    path = tmp_path / "sinks" / "outbox-1.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough" * 10)
    damaged = (
        f"{path}: file is not a database. Call it as the user that the runner runs as, and free some space "
        "if need be.\n"
    )
    assert told(send_again, capsys, tmp_path) == (6, "", damaged)


def test_a_runner_that_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds; an outbox that is gone meanwhile is not made anew."""
    file, opened = apart(tmp_path, "1", "a.png"), list[tuple[str, dict[str, Any]]]()
    connect = sqlite3.connect

    def noted(place: str, **how: Any) -> sqlite3.Connection:
        opened.append((place, how))
        return connect(place, **how)

    monkeypatch.setattr(sqlite3, "connect", noted)
    assert [one.file for one in set_apart_in(tmp_path)] == ["a.png"]
    assert opened == [(f"file:{file}?mode=rw", {"uri": True, "timeout": 10.0})]


def test_a_table_is_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many results it has; where the database is not there, what to do, and no table."""
    sink = SqliteSink(tmp_path / "r.sqlite")
    for number in range(2):
        sink.write(line(number))
    sink.close()
    table, other = tmp_path / "t.csv", tmp_path / "none.sqlite"
    assert told(to_csv, capsys, tmp_path / "r.sqlite", table) == (0, f"2 results in {table}\n", "")
    assert told(to_csv, capsys, other, table) == (
        6,
        "",
        f"cannot export {other} to {table}: unable to open database file. Check that the database exists and "
        "that there is room for the table.\n",
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            send_again,
            "usage: python -m sranogan_edge.sinks.send_again [-h] [--list] spool Have the runner try "
            "again to send what its sinks set apart: results that an archive, a webhook or a broker "
            "refused for good. A runner that works does so within a minute, else the next one; what "
            "fails again stays apart, with the new reason. positional arguments: spool the runner's "
            "spool folder options: -h, --help show this help message and exit --list only tell what is "
            "set apart, and why Exit codes: 0 done; 2 wrong usage; 6 an outbox cannot be read or "
            "written.",
        ),
        (
            to_csv,
            "usage: python -m sranogan_edge.sinks.to_csv [-h] results table Write the results of the "
            "sink sqlite:FILE as a CSV table with a header, for spreadsheets. Text that a spreadsheet "
            "would take for a formula gets an apostrophe in front. positional arguments: results file "
            "of the sink sqlite:FILE; it may be in use table CSV file to write; an older one is "
            "replaced options: -h, --help show this help message and exit Exit codes: 0 the table was "
            "written; 2 wrong usage; 6 the results cannot be read, or the table cannot be written.",
        ),
    ],
)
def test_the_help_explains_all(
    command: Callable[[list[str]], int], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is done, each argument, each exit code."""
    with pytest.raises(SystemExit) as left:
        command(["--help"])
    assert left.value.code == 0
    assert " ".join(capsys.readouterr().out.split()) == said
