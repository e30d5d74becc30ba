"""What goes from a spool: entries before bytes, what has ended, and what nobody waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sranogan_edge.errors import SpoolError
from sranogan_edge.spool.entry import Ended
from sranogan_edge.spool.retention import Pruner, Retention
from sranogan_edge.spool.spool import Cursor, Spool
from tests.support.spools import claimed, stored


def ended(spool: Spool, count: int, origin: Path | None = None) -> None:
    """Let so many objects of 3 bytes end, at 1, 2 ... seconds of use."""
    for number in range(1, count + 1):
        spool.put(b"abc", {}, origin=origin)
        spool.finish(claimed(spool), {"heat_map": f"heat_maps/{number}.png" if number > 1 else None})
    with spool._db.transaction() as db:
        db.execute("UPDATE objects SET finished_uptime = sequence WHERE finished_uptime IS NOT NULL")


def test_bytes_stay_where_their_entry_cannot_be_removed(spool: Spool) -> None:
    """An entry without bytes would be an object that is lost; bytes without an entry are swept."""
    ended(spool, 1)
    with spool._db.transaction() as db:
        db.execute(
            "CREATE TRIGGER fails BEFORE DELETE ON objects BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
    with pytest.raises(SpoolError, match="disk I/O error"):
        spool.finished.remove([1])
    assert len(stored(spool.folder)) == 1
    assert (spool.entry(1).state, len(spool.outbox.results())) == ("done", 1)


def test_only_what_has_ended_is_removed_and_for_good(spool: Spool) -> None:
    """What waits or is scored stays, whoever asks; that an object is gone survives a power cut (2)."""
    ended(spool, 1)
    spool.put(b"scored", {})
    claimed(spool)
    spool.put(b"waits", {})
    spool.outbox.record({}, {})  # leaves SQLite at 1
    spool.finished.remove([1, 2, 3])
    assert spool._db.rows("PRAGMA synchronous")[0][0] == 2
    assert spool.counts() == {"received": 1, "scoring": 1, "done": 0, "dead": 0}
    assert len(stored(spool.folder)) == 2
    assert [result.sequence for result in spool.outbox.results()] == [None]


def test_what_a_feed_may_hold_is_told_in_turn(spool: Spool, tmp_path: Path) -> None:
    """Those that were finished later than asked for, with when, number and place; released, they are none."""
    ended(spool, 3, tmp_path / "o")
    origin = str(tmp_path / "o")
    assert spool.finished.held(1.0, 10) == [(2.0, 2, origin), (3.0, 3, origin)]
    assert spool.finished.held(-1.0, 2) == [(1.0, 1, origin), (2.0, 2, origin)]
    assert spool.finished.count() == 0
    spool.finished.release([1, 3])
    assert spool._db.rows("PRAGMA synchronous")[0][0] == 1  # normal: after a power cut it is found again
    assert [number for _, number, _ in spool.finished.held(-1.0, 10)] == [2]
    assert spool.finished.count() == 2


def test_the_oldest_are_told_with_age_size_and_heat_map(spool: Spool) -> None:
    """Age counts in seconds of use; a sink that lacks a result keeps its object."""
    ended(spool, 3)
    spool.finished._uptime = lambda: 10.0
    found = [Ended(n, 10.0 - n, 3, f"heat_maps/{n}.png" if n > 1 else None) for n in (1, 2, 3)]
    assert spool.finished.oldest(10) == found
    assert spool.finished.oldest(2) == found[:2]
    spool.outbox.advance("slow", Cursor(2))
    spool.outbox.advance("quick", Cursor(3))
    assert spool.finished.oldest(10) == found[:2]


def test_age_is_counted_in_seconds_of_use(spool: Spool) -> None:
    """With ages of 9, 8 and 7 s those above 7 s go; an object as old as the limit stays."""
    ended(spool, 3)
    spool.finished._uptime = lambda: 10.0
    pruner = Pruner(spool, Retention(max_age_s=7.0, max_count=None, min_free_bytes=None))
    assert [pruner.prune(), pruner.prune()] == [2, 0]
    assert spool.entry(3).state == "done"


@pytest.mark.parametrize(
    ("keep", "waiting", "left", "lost"), [(5, 2, 5, 5), (2, 5, 5, 5), (5, None, 10, 0), (0, 0, 0, 10)]
)
def test_frames_that_a_sink_lacks(spool: Spool, keep: int, waiting: int | None, left: int, lost: int) -> None:
    """Of ten, the newest stay: as many as the larger of the two limits says, or all."""
    for _ in range(10):
        spool.outbox.record({}, {})
    spool.outbox.advance("dead", Cursor(0))
    assert spool.outbox.remove_frames(keep, waiting, 1000) == (lost, lost)
    assert len(spool.outbox.results()) == left


def test_frames_go_in_slices_without_a_sink_too(spool: Spool) -> None:
    """So many a call, the oldest; without any sink nothing is lost to one."""
    for _ in range(10):
        spool.outbox.record({}, {})
    assert spool.outbox.remove_frames(2, 2, 3) == (3, 0)
    assert [result.number for result in spool.outbox.results()] == list(range(4, 11))
    assert spool.outbox.remove_frames(2, 2, 30) == (5, 0)
    assert (spool.outbox.remove_frames(2, 2, 30), spool.outbox.newest()) == ((0, 0), 10)
