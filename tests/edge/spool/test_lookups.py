"""Results of a version before the search are made ready for it some at a time, while others come and go."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Any

import pytest

from sranogan_edge.errors import SpoolError
from sranogan_edge.spool.lookups import LEFT, NUMBERS, _of, note_numbers, prepare_lookups
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
    assert (found(earlier, Query()), to_come(earlier)) == ([9], 0)


def test_a_day_is_counted_whole(spool: Spool) -> None:
    """From its first second to its last, whether its results came in one turn, in several, or are new."""
    times = ("00:00:00", "00:00:01", "12:00:00", "23:59:59")
    for number, at in enumerate(times):
        spool.outbox.record(line(number, scored_at=f"{FIRST}T{at}Z").to_dict(), {})
    opened = of_an_earlier_version(spool)
    day, next_day = Query(since=FIRST, until=FIRST), Query(since=FIRST + timedelta(days=1))
    for most, here in ((1, [3]), (1, [3, 2]), (2, [3, 2, 1, 0])):
        opened.outbox.look_up_more(most)
        assert (found(opened, day), found(opened, next_day)) == (here, [])
    for number, at in enumerate(times, start=4):
        opened.outbox.record(line(number, scored_at=f"{FIRST}T{at}Z").to_dict(), {})
    midnight = f"{FIRST + timedelta(days=1)}T00:00:00Z"
    opened.outbox.record(line(8, scored_at=midnight).to_dict(), {})
    assert sorted(found(opened, day)) == list(range(8))
    assert found(opened, next_day) == [8]
    opened.close()


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


@pytest.fixture
def results() -> Iterator[sqlite3.Connection]:
    """Give a database with a spool's table of results, and nothing else."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE results (number INTEGER PRIMARY KEY, identity TEXT, line TEXT)")
        yield db


def stored(db: sqlite3.Connection, line: dict[str, Any], identity: dict[str, Any] | None = None) -> int:
    """Store a row of results; returns its number."""
    values = (json.dumps(identity or {}), json.dumps(line))
    return int(db.execute("INSERT INTO results (identity, line) VALUES (?, ?)", values).lastrowid or 0)


@pytest.mark.parametrize(
    ("line", "identity", "columns"),
    [
        (
            {"file": "/in/Ward A/Über.PNG", "scored_at": "2026-01-02T00:00:01Z", "verdict": "normal"},
            {"study_uid": "1.2", "patient_id": "P-1", "modality": "DX"},
            (1_767_312_001, "normal", "Über.png", "P-1", None, "1.2", None),
        ),
        (
            {"file": "film", "scored_at": "1970-01-01T00:01:00Z", "verdict": "error"},
            {"accession_number": "A", "instance_uid": "1.2.3"},
            (60, "error", "film", None, "A", None, "1.2.3"),
        ),
        ({}, {}, (0, "", "", None, None, None, None)),
        ({"file": None, "scored_at": None, "verdict": None}, {}, (0, "", "", None, None, None, None)),
        (
            {"file": ["A/B"], "scored_at": "never", "verdict": []},
            {"patient_id": None},
            (0, "[]", 'b"]', None, None, None, None),
        ),
    ],
)
def test_what_a_result_is_found_by(
    results: sqlite3.Connection, line: dict[str, Any], identity: dict[str, Any], columns: tuple[Any, ...]
) -> None:
    """Time, verdict, the file's name without its folders, and four numbers; no value makes them fail."""
    number = stored(results, line, identity)
    assert results.execute(f"SELECT {_of('results')} FROM results").fetchall() == [(number, *columns)]


@pytest.mark.parametrize("pages", [0, 1, 5])
def test_on_a_full_disk_the_next_start_makes_the_lookups(
    results: sqlite3.Connection, pages: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, nothing is half there, and results come and go meanwhile."""
    stored(results, {"file": "a.png"})
    there = results.execute("PRAGMA page_count").fetchone()[0]
    results.execute(f"PRAGMA max_page_count={there + pages}")
    assert prepare_lookups(results) is False
    why = "results cannot be searched until the next start (database or disk is full)"
    assert caplog.messages == [why]
    assert not results.in_transaction
    stored(results, {"file": "b.png"})
    results.execute("PRAGMA max_page_count=1000")
    assert prepare_lookups(results) is True
    assert results.execute(LEFT).fetchone() == (2,)
    assert caplog.messages == [why]


def test_numbers_that_the_object_says_are_found_too(results: sqlite3.Connection) -> None:
    """They fill what the sender left out, of this result alone, and replace nothing that he said."""
    prepare_lookups(results)
    for _ in range(2):
        stored(results, {}, {"patient_id": "P-1"})
    note_numbers(results, 2, {"patient_id": "P-2", "study_uid": "1.2", "accession_number": "A\udcff"})
    found = results.execute(f"SELECT number, {', '.join(NUMBERS)} FROM lookups ORDER BY number").fetchall()
    assert found == [(1, "P-1", None, None, None), (2, "P-1", "A\\udcff", "1.2", None)]


def test_an_object_is_found_by_the_numbers_that_it_says_itself(spool: Spool) -> None:
    """Where its sender said none; else by those of the sender alone."""
    for number, identity in enumerate(({}, {"patient_id": "P-9"})):
        entry = spool.put(b"x", identity, key=str(number))
        spool.next()
        spool.finish(entry, line(number).to_dict(), numbers={"patient_id": "P-1", "study_uid": "1.2"})
    assert (found(spool, Query("P-1")), found(spool, Query("1.2")), found(spool, Query("P-9"))) == (
        [0],
        [0],
        [1],
    )
    (one,) = Search(spool.folder).find(Query("P-1")).results
    assert (one.number, one.sequence) == (1, entry.sequence - 1)
    assert one.identity == {"patient_id": "P-1", "study_uid": "1.2"}


def test_making_ready_waits_for_no_disk(earlier: Spool) -> None:
    """What a power cut undoes is made ready again; where nothing can be made ready, nothing is left to be."""
    earlier.outbox.look_up_more(2)
    assert earlier._db.rows("PRAGMA synchronous")[0][0] == 1  # normal
    earlier._db._looks_up = False  # the disk was full
    assert earlier.outbox.look_up_more(2) == 0
