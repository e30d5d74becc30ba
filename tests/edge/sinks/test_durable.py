"""What a power cut may take: nothing that was answered for; and what failed by halves comes once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sranogan_edge.sinks.courier import Courier
from sranogan_edge.sinks.jsonl import JsonlSink, JsonlSinkSettings
from sranogan_edge.sinks.jsonl_files import JsonlFiles
from sranogan_edge.sinks.outbox import Outbox
from tests.support.disks import synced_by
from tests.support.remote_results import Clock, files, names
from tests.support.result_lines import line

NORMAL, FULL = 1, 2  # what SQLite calls them: the log is forced to disk at a checkpoint, or with each commit


def test_lines_and_turns_are_forced_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is, and with the first of a file, and when a file is closed, the names in the folder."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", max_bytes=1))
    synced, folder = synced_by(monkeypatch), tmp_path.name
    sink.write(line(0))
    assert synced == ["results.jsonl", folder]
    synced.clear()
    sink.write(line(1))  # the file is full
    assert synced == [folder, "results.jsonl", folder]
    sink.close()


def test_the_name_of_a_closed_file_is_safe_before_old_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut in between leaves a file too many, and none too few."""
    lines, there = JsonlFiles(tmp_path / "results.jsonl", keep=1), []
    monkeypatch.setattr(
        "sranogan_edge.sinks.jsonl_files.sync_folder", lambda _: there.append(len(lines.closed()))
    )
    for _ in range(3):
        lines.append(b"{}\n")
        there.clear()
        lines.turn()
    assert there == [2]
    assert len(lines.closed()) == 1


def test_a_torn_line_is_off_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cut off at the start does not come back with the next power cut."""
    (tmp_path / "results.jsonl").write_bytes(b'{"file": "x"}\n{"fi')
    synced = synced_by(monkeypatch)
    assert JsonlFiles(tmp_path / "results.jsonl", keep=None).end() == 14
    assert synced == ["results.jsonl"]


def test_what_is_not_forced_line_by_line_is_so_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``sync`` lines are the system's to write, until the sink is closed."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", sync=False))
    sink.write(line(0))
    synced = synced_by(monkeypatch)
    sink.write(line(1))
    assert synced == []
    sink.close()
    assert synced == ["results.jsonl"]


@pytest.mark.parametrize(
    ("step", "level"),
    [
        (lambda outbox: outbox.put("b", b"{}"), FULL),
        (lambda outbox: outbox.take_back(), FULL),
        (lambda outbox: outbox.done(outbox.first()), NORMAL),
    ],
    ids=["put", "take back", "done"],
)
def test_an_outbox_has_on_the_disk_what_it_took(
    tmp_path: Path, step: Callable[[Outbox], None], level: int
) -> None:
    """SQLite itself says so; that a message arrived may be forgotten, for then it is sent again."""
    outbox = Outbox(tmp_path / "outbox.sqlite")
    outbox.put("a", b"{}")
    outbox._database.execute(f"PRAGMA synchronous={NORMAL if level == FULL else FULL}")
    step(outbox)
    assert outbox._database.execute("PRAGMA synchronous").fetchone() == (level,)
    assert outbox._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    outbox.close()


class Line:
    """A transport that notes what was sent."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def send(self, key: str, body: bytes) -> None:
        self.got.append(body)

    def close(self) -> None:
        """Nothing is open."""


def test_a_result_whose_arrival_cannot_be_noted_is_not_sent_again(tmp_path: Path) -> None:
    """The disk fails once, when the message is to be forgotten: it is forgotten later, and was sent once."""
    transport, clock, outbox = Line(), Clock(), Outbox(tmp_path / "outbox.sqlite")
    courier = Courier(transport, outbox, clock=clock, start=False)
    for number in range(2):
        courier.write(line(number))
    with sqlite3.connect(tmp_path / "outbox.sqlite") as other:
        other.execute(
            "CREATE TRIGGER fails BEFORE DELETE ON waiting BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
    for _ in range(3):
        assert courier.pump() > 0
        clock.now += 600
        assert "disk I/O error" in courier.health.message
        assert (names(transport.got), courier.health.waiting, courier.health.written) == (files(1), 2, 0)
    with sqlite3.connect(tmp_path / "outbox.sqlite") as other:
        other.execute("DROP TRIGGER fails")
    courier.pump()
    assert names(transport.got) == files(2)
    assert (courier.health.state, courier.health.waiting, courier.health.written) == ("ok", 0, 2)
    courier.close()
