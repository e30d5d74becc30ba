"""The results of a spool on their way to the sinks: where one begins that asks for a time."""

from __future__ import annotations

import pytest

from sranogan_edge.spool.spool import Cursor, Spool
from tests.support.result_lines import line


@pytest.mark.parametrize(
    ("scored_at", "number"),
    [
        ("2026-01-01T12:00:00Z", 0),
        ("2026-01-01T12:02:00Z", 1),
        ("2026-01-01T12:02:01Z", 2),
        ("2026-01-01T12:03:00Z", 2),
        ("2026-01-01T12:03:01Z", 3),
        ("2027-01-01T00:00:00Z", 3),
    ],
)
def test_the_result_before_a_time(spool: Spool, scored_at: str, number: int) -> None:
    """The one before the first that was scored then or later; where none was, the newest."""
    for minute in (1, 2, 3):
        spool.outbox.record(line(minute, scored_at=f"2026-01-01T12:{minute:02}:00Z").to_dict(), {})
    assert spool.outbox.before(scored_at) == number


def test_a_spool_without_results_begins_at_none(spool: Spool) -> None:
    """Whatever the time."""
    assert spool.outbox.before("2026-01-01T12:00:00Z") == 0


def test_where_a_sink_is_may_be_forgotten_unless_it_must_not(spool: Spool) -> None:
    """A power cut undoes a little, and results come again; who asks for it has it on the disk."""
    waits = list[int]()
    for durable in ({}, {"durable": True}, {"durable": False}):
        spool.outbox.advance("sink", Cursor(1, 2), **durable)
        waits += spool._db.rows("PRAGMA synchronous")[0]
    normal, full = 1, 2
    assert waits == [normal, full, normal]
    assert spool.outbox.cursor("sink") == Cursor(1, 2)
