"""What sinks, results and watched folders keep goes after its time, where one is set."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.feeds import watch_folder
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.service.delivery import ResultsLog
from sranogan_edge.sinks.jsonl import JsonlSink, JsonlSinkSettings
from sranogan_edge.sinks.jsonl_files import Rotation
from sranogan_edge.sinks.sink import SinkContext
from sranogan_edge.sinks.sqlite import SqliteSink, SqliteSinkSettings
from sranogan_edge.spool.spool import Cursor, StoredResult
from tests.support.result_lines import line

DAY_S = 86_400.0


def at(days_ago: float) -> str:
    """A time as results have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days_ago * DAY_S))


@pytest.mark.parametrize("keep_s", [None, 30 * DAY_S])
def test_old_rows_go(tmp_path: Path, keep_s: float | None) -> None:
    """At the next result, of SQLite; without a limit they stay."""
    settings = SqliteSinkSettings(f"sqlite:{tmp_path / 'r.sqlite'}", keep_s=keep_s)
    sink = SqliteSink(tmp_path / "r.sqlite")
    for days in (40, 29):
        sink.write(replace(line(1), scored_at=at(days)))
    sink.close()
    sink = settings.open(SinkContext(tmp_path))
    sink.write(replace(line(2), scored_at=at(0)))
    sink.close()
    with closing(sqlite3.connect(tmp_path / "r.sqlite")) as db:
        assert db.execute("SELECT COUNT(*) FROM results").fetchone() == (3 if keep_s is None else 2,)


def test_old_files_of_lines_go(tmp_path: Path) -> None:
    """By the time in their names: closed ones, whatever their number; the one that is written stays."""
    clock = [1.7e9]
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", keep_s=2 * DAY_S), lambda: clock[0])
    for number in range(6):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock[0]))
        sink.write(replace(line(number), scored_at=stamp))
        clock[0] += DAY_S
    sink.close()
    kept = sorted(tmp_path.glob("results-*.jsonl"))
    assert len(kept) == 3
    assert json.loads(kept[-1].read_text())["file"] == line(4).file


def test_results_go_day_by_day(tmp_path: Path) -> None:
    """With a limit, results.jsonl is closed after a day, and closed files go after theirs."""
    path = tmp_path / "results.jsonl"
    old = tmp_path / "results-000001-20200101T000000Z.jsonl"
    old.write_text("{}\n")
    path.write_text(json.dumps({"scored_at": at(2), "number": 1}) + "\n")
    log = ResultsLog(path, Rotation(keep_s=30 * DAY_S))
    place, error = log.take([StoredResult(2, None, {}, {"scored_at": at(0)})], Cursor(1, path.stat().st_size))
    assert (place, error) == (Cursor(1, 0), None)
    place, error = log.take([StoredResult(2, None, {}, {"scored_at": at(0)})], place)
    assert (place.number, error) == (2, None)
    assert not old.exists()
    assert len(list(tmp_path.glob("results-*.jsonl"))) == 1


def test_done_is_emptied(tmp_path: Path) -> None:
    """Files that came there long ago, sub-folders too; what a link there leads to stays."""
    feed = WatchFeedSettings(f"watch:{tmp_path / 'in'}", keep_s=30 * DAY_S)
    (tmp_path / "in").mkdir()
    opened = feed.open()
    (tmp_path / "kept").write_text("x")
    (tmp_path / "in" / "done" / "ward").mkdir()
    for name in ("done/a.png", "done/ward/b.png", "failed/c.png"):
        (tmp_path / "in" / name).write_text("x")
    (tmp_path / "in" / "done" / "link.png").symlink_to(tmp_path / "kept")
    drop = watch_folder.DropFolder(tmp_path / "in")
    assert drop.prune(time.time() - 60) == 0
    assert drop.prune(time.time() + 60) == 3
    assert (tmp_path / "kept").exists()
    assert os.listdir(tmp_path / "in" / "done") == ["link.png"]
    opened.close()
