"""Results of a version before the search are made ready for it some at a time, while others come and go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import pytest

from sranogan_edge.errors import SpoolError
from sranogan_edge.spool.retention import Pruner, Retention
from sranogan_edge.spool.search import Query, Search
from sranogan_edge.spool.spool import Spool
from tests.support.result_lines import line
from tests.support.spools import of_an_earlier_version, reopened

FIRST = date(2026, 1, 1)


def record(spool: Spool, number: int) -> None:
    """Store the result of a day of its own; every third is an error, every other of patient P-1."""
    scored_at = f"{FIRST + timedelta(days=number)}T12:00:00Z"
    verdict = "normal" if number % 3 else "error"
    identity = {"patient_id": "P-1" if number % 2 else "P-2"}
    spool.outbox.record(line(number, scored_at=scored_at, verdict=verdict).to_dict(), identity)


@pytest.fixture
def earlier(spool: Spool) -> Iterator[Spool]:
    """Give a spool of ten results that an earlier version left, just opened by this one."""
    for number in range(10):
        record(spool, number)
    opened = of_an_earlier_version(spool)
    yield opened
    opened.close()


def found(spool: Spool, query: Query) -> list[int]:
    """Numbers of what is found, in its order; count and list agree."""
    answer = Search(spool.folder).find(query)
    assert answer.count == len(answer.results)
    return [int(str(one.line["file"]).partition(".")[0]) for one in answer.results]


def to_come(spool: Spool) -> int:
    """How many results no search finds yet, as a search says."""
    return Search(spool.folder).find(Query()).to_come


def test_the_newest_are_ready_first(earlier: Spool) -> None:
    """Each turn adds so many; what is not there yet is told, by day and verdict too, and none comes twice."""
    assert (found(earlier, Query()), to_come(earlier)) == ([], 10)
    assert earlier.outbox.look_up_more(0) == 10
    assert earlier.outbox.look_up_more(4) == 6
    assert (found(earlier, Query()), to_come(earlier)) == ([9, 8, 7, 6], 6)
    assert found(earlier, Query("P-1")) == [9, 7]
    assert found(earlier, Query(verdict="error")) == [9, 6]
    assert found(earlier, Query(until=FIRST + timedelta(days=7))) == [7, 6]
    assert [earlier.outbox.look_up_more(4) for _ in range(3)] == [2, 0, 0]
    assert (found(earlier, Query()), to_come(earlier)) == (list(range(9, -1, -1)), 0)
    assert found(earlier, Query("P-1", "error")) == [9, 3]


def test_what_comes_meanwhile_is_found_at_once(earlier: Spool) -> None:
    """A new result is ready when it is stored, and stands before the older ones."""
    earlier.outbox.look_up_more(2)
    record(earlier, 10)
    assert found(earlier, Query()) == [10, 9, 8]
    while earlier.outbox.look_up_more(3):
        pass
    assert found(earlier, Query()) == list(range(10, -1, -1))


def test_what_goes_meanwhile_is_not_waited_for(earlier: Spool) -> None:
    """Retention takes results that are ready, and some that are not: what is left is found and counted."""
    earlier.outbox.look_up_more(2)
    Pruner(earlier, Retention(max_frames=5, min_free_bytes=0)).prune()
    assert to_come(earlier) == 3
    assert earlier.outbox.look_up_more(100) == 0
    assert found(earlier, Query()) == [9, 8, 7, 6, 5]
    Pruner(earlier, Retention(max_frames=1, min_free_bytes=0)).prune()
    assert found(earlier, Query()) == [9]


def test_a_spool_whose_results_all_went_waits_for_nothing(earlier: Spool) -> None:
    """Nothing is to come where nothing is left."""
    Pruner(earlier, Retention(max_frames=0, min_free_bytes=0)).prune()
    assert (earlier.outbox.look_up_more(5), to_come(earlier)) == (0, 0)


def test_the_next_start_goes_on(earlier: Spool) -> None:
    """A runner that was killed in between begins where it was."""
    earlier.outbox.look_up_more(7)
    again = reopened(earlier)
    assert to_come(again) == 3
    assert again.outbox.look_up_more(3) == 0
    assert found(again, Query()) == list(range(9, -1, -1))
    assert to_come(reopened(again)) == 0


def test_a_turn_that_fails_leaves_all_as_it_was(earlier: Spool) -> None:
    """What a turn adds is there with its counts, or not at all."""
    with closing(sqlite3.connect(earlier.folder / "spool.sqlite")) as db:
        db.executescript("INSERT INTO lookups VALUES (3, 0, '', '', NULL, NULL, NULL, NULL);")
    with pytest.raises(SpoolError, match="UNIQUE constraint failed"):
        earlier.outbox.look_up_more(10)
    assert to_come(earlier) == 10
    with closing(sqlite3.connect(earlier.folder / "spool.sqlite")) as db:
        db.executescript("DELETE FROM lookups;")
    assert earlier.outbox.look_up_more(10) == 0
    assert found(earlier, Query(verdict="error")) == [9, 6, 3, 0]


def test_a_spool_whose_index_is_whole_needs_no_more(spool: Spool) -> None:
    """One that was made ready in one go, as at first, is searched as it is."""
    record(spool, 0)
    spool.close()
    with closing(sqlite3.connect(spool.folder / "spool.sqlite")) as db:
        db.execute("DROP TABLE lookups_left")
    again = Spool(spool.folder, spool.limits)
    record(again, 1)
    assert (again.outbox.look_up_more(5), to_come(again)) == (0, 0)
    assert found(again, Query()) == [1, 0]
    again.close()


def test_a_new_spool_has_nothing_to_make_ready(spool: Spool) -> None:
    """Each of its results is ready when it is stored."""
    record(spool, 0)
    assert spool.outbox.look_up_more(0) == 0
    assert found(spool, Query()) == [0]
