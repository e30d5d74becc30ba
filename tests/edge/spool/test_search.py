"""Results are found by number, UID, name, day and verdict: all that fits, nothing else, and by indices."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import SettingsError, SpoolError
from sranogan_edge.spool import search as search_module
from sranogan_edge.spool.lookups import NUMBERS
from sranogan_edge.spool.retention import Pruner, Retention
from sranogan_edge.spool.search import AT_ONCE, Query, Search, statements
from sranogan_edge.spool.spool import Spool
from tests.support.result_lines import line
from tests.support.spools import reopened

FIRST = date(2026, 1, 1)


def record(spool: Spool, number: int, identity: dict[str, str] | None = None, **changes: Any) -> int:
    """Store a result; the day is that of its number."""
    scored_at = f"{FIRST + timedelta(days=number)}T12:00:00Z"
    return spool.outbox.record(line(number, **{"scored_at": scored_at, **changes}).to_dict(), identity or {})


def files(spool: Spool, query: Query) -> list[str]:
    """Names of what is found, in its order."""
    return [str(one.line["file"]) for one in Search(spool.folder).find(query).results]


IDENTITY = {
    "patient_id": "P-17",
    "accession_number": "A'1%",
    "study_uid": "1.2.3",
    "instance_uid": "1.2.3.4",
    "modality": "DX",
}


@pytest.mark.parametrize("column", NUMBERS)
def test_a_number_is_found_whole(spool: Spool, column: str) -> None:
    """Of patient, examination, study or object; one that only begins like it, or is longer, is another."""
    record(spool, 1, IDENTITY)
    record(spool, 2, {column: IDENTITY[column] + "0"})
    record(spool, 3)
    assert files(spool, Query(IDENTITY[column])) == ["1.png"]
    assert files(spool, Query(IDENTITY[column].lower())) == ["1.png"]
    assert files(spool, Query(IDENTITY[column][:-1])) == []
    assert files(spool, Query("DX")) == []  # no number


NAMES = (
    "a%b.png",
    "a_b.png",
    "axb.png",
    "O'Brien.dcm",
    'say "hi".png',
    "b[1]*.png",
    "ünder.png",
    "-- x;.png",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_character_stands_for_itself(spool: Spool, name: str) -> None:
    """No sign of SQL, LIKE or GLOB is one: a name finds itself, whole, by its begin, and by each part."""
    for number, one in enumerate(NAMES):
        record(spool, number, file=f"/in/{one}")
    assert files(spool, Query(name)) == [f"/in/{name}"]
    assert f"/in/{name}" in files(spool, Query(name[:2]))
    for sign in name:
        assert files(spool, Query(sign)) == [f"/in/{n}" for n in reversed(NAMES) if sign.lower() in n.lower()]


@pytest.mark.parametrize("text", ["%", "_", "'", "%%", "' OR 1=1 --", "\x00", "\\", "*", "x" * 200])
def test_what_no_name_has_finds_nothing(spool: Spool, text: str) -> None:
    """A text is never a pattern, nor a statement."""
    record(spool, 1, IDENTITY)
    assert files(spool, Query(text)) == []


def test_folders_are_no_part_of_a_name(spool: Spool) -> None:
    """A file is found by its own name, wherever it lay."""
    for number, file in enumerate(("/film/1.png", "film.png", "/a//film/film.dcm", "/x/film/", "//film")):
        record(spool, number, file=file)
    assert files(spool, Query("film")) == ["//film", "/a//film/film.dcm", "film.png"]


def test_days_and_verdicts(spool: Spool) -> None:
    """Both ends of a range belong to it; conditions are met together."""
    for number in range(10):
        record(spool, number, {"patient_id": "P"}, verdict="error" if number % 3 == 0 else "normal")
    third, fifth = FIRST + timedelta(days=3), FIRST + timedelta(days=5)
    assert files(spool, Query(since=third, until=fifth)) == ["5.png", "4.png", "3.png"]
    assert files(spool, Query(since=third, until=fifth, verdict="error")) == ["3.png"]
    assert files(spool, Query("P", "error", until=fifth)) == ["3.png", "0.png"]
    assert files(spool, Query("png", "error", since=fifth)) == ["9.png", "6.png"]
    assert files(spool, Query("5", "error")) == []
    assert files(spool, Query(since=date(2026, 2, 1))) == []
    assert files(spool, Query(until=date(1900, 1, 1))) == []
    assert files(spool, Query(since=date.min, until=date.max))[0] == "9.png"


def test_pages(spool: Spool) -> None:
    """All pages together are all results, the newest first, each once; behind the last there is nothing."""
    total = 2 * AT_ONCE + 7
    for number in range(total):
        record(spool, number % 20)  # out of order
    searched = Search(spool.folder)
    for query in (Query(), Query("png")):
        found = [searched.find(replace(query, page=page)) for page in (1, 2, 3, 4)]
        assert [(one.count, one.pages, one.more) for one in found] == [(total, 3, False)] * 4
        assert [len(one.results) for one in found] == [AT_ONCE, AT_ONCE, 7, 0]
        order = [(one.line["scored_at"], one.number) for page in found for one in page.results]
        assert order == sorted(order, reverse=True)
        assert len(set(order)) == total
        assert not searched.find(replace(query, page=10**30)).results


def test_of_more_than_so_many_the_newest_are_found(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that fits nearly everything is answered, too, and says that there are more."""
    monkeypatch.setattr(search_module, "MOST", 5)
    monkeypatch.setattr(search_module, "INSIDE", 8)
    for number in range(20):
        record(spool, number, {"patient_id": "P"}, file=f"{'old' if number < 9 else 'new'}-{number:02}.png")
    searched = Search(spool.folder)
    for text, newest in (("P", 19), ("new", 19), ("old", 8), ("-", 19)):
        found = searched.find(Query(text))
        assert (found.count, found.more) == (5, True)
        assert [int(str(one.line["file"])[4:6]) for one in found.results] == list(
            range(newest, newest - 5, -1)
        )
    assert searched.find(Query("08")).count == 0  # inside a name that is not among the newest
    assert searched.find(Query("old-08")).count == 1
    assert not searched.find(Query("old-08")).more
    for number, more in ((20, False), (21, True)):
        for _ in range(5 if number == 20 else 1):
            record(spool, number, {"patient_id": "Q"}, file="z.png")
        assert (searched.find(Query("Q")).count, searched.find(Query("Q")).more) == (5, more)


QUERIES = [
    Query(text, verdict, since, until)
    for text in ("", "film")
    for verdict in ("", "normal")
    for since in (None, FIRST)
    for until in (None, FIRST)
]


@pytest.mark.parametrize("query", QUERIES)
def test_every_statement_follows_an_index(spool: Spool, query: Query) -> None:
    """No search looks at the rows themselves, and only what begins a name is sorted, so many at most."""
    for number in range(500):
        record(spool, number, {"patient_id": f"P{number}"}, verdict="error" if number % 9 == 0 else "normal")
    with closing(sqlite3.connect(spool.folder / "spool.sqlite")) as db:
        for sql, values in statements(query):
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            touching = [step for step in plan if "lookups" in step]
            assert touching
            assert all(re.search(r"USING COVERING INDEX lookups_by_\w+", step) for step in touching), plan
            assert not any("TEMP B-TREE" in step for step in plan), plan


def test_the_begin_of_a_name_is_looked_up_among_the_names(spool: Spool) -> None:
    """Not one that begins otherwise is looked at."""
    with closing(sqlite3.connect(spool.folder / "spool.sqlite")) as db:
        plans = [
            [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            for sql, values in statements(Query("film"))
            if "name >=" in sql and "INDEXED BY" not in sql  # those that follow time end after so many
        ]
    step = "USING COVERING INDEX lookups_by_name (name>? AND name<?)"
    assert len(plans) == 2
    assert all(any(step in one for one in plan) for plan in plans), plans


def test_what_goes_is_found_no_more(spool: Spool) -> None:
    """Results that retention removes leave index and counts with it."""
    for number in range(6):
        record(spool, number, {"patient_id": "P"})
    Pruner(spool, Retention(max_frames=2, min_free_bytes=0)).prune()
    searched = Search(spool.folder)
    for query in (Query(), Query("P"), Query("png")):
        assert (searched.find(query).count, len(searched.find(query).results)) == (2, 2)
    assert searched.result(1) is None
    assert searched.result(6) is not None


def test_a_result_keeps_its_number(spool: Spool) -> None:
    """The number that it is found by is the same after a restart."""
    number = record(spool, 7, IDENTITY)
    again = reopened(spool)
    found = Search(again.folder).result(number)
    assert found is not None
    assert (found.line["file"], dict(found.identity)) == ("7.png", IDENTITY)
    again.close()


@pytest.mark.parametrize(
    "odd",
    [{}, {"scored_at": "yesterday"}, {"scored_at": None, "file": None, "verdict": None}, {"file": 5}],
)
def test_no_line_is_refused_for_the_sake_of_the_search(spool: Spool, odd: dict[str, Any]) -> None:
    """Storing results goes before finding them: a line of any kind is stored, and counted."""
    spool.outbox.record(odd, {"patient_id": "P"})
    assert Search(spool.folder).find(Query()).count == 1
    assert Search(spool.folder).find(Query("P")).count == 1


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"text": "x" * 201}, "at most 200 characters; received 201"),
        ({"text": "x" * 10_000}, "received 10,000"),
        (
            {"since": date(2026, 2, 1), "until": date(2026, 1, 1)},
            "no day is from 2026-02-01 until 2026-01-01",
        ),
        ({"page": 0}, "counted from 1; received 0"),
        ({"page": -5}, "received -5"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, Any], why: str) -> None:
    """The message says what was wrong."""
    with pytest.raises(SettingsError, match=re.escape(why)):
        Query(**asked)


@pytest.fixture
def full(spool: Spool) -> Spool:
    """Give a spool that could not be made ready to be searched."""
    with closing(sqlite3.connect(spool.folder / "spool.sqlite")) as db:
        db.executescript("DROP TRIGGER results_looked_up; DROP TRIGGER results_let_go; DROP TABLE lookups;")
    return spool


def test_where_nothing_can_be_searched_it_says_so(full: Spool, tmp_path: Path) -> None:
    """Without the index (the disk was full), or without a spool, the answer is an error with its cure."""
    record(full, 1)
    for folder in (full.folder, tmp_path / "nowhere"):
        with pytest.raises(SpoolError, match=r"cannot be searched \(.+\)"):
            Search(folder).find(Query("P"))


def test_a_search_that_takes_too_long_is_ended(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and the next one is answered."""
    for number in range(300):
        record(spool, number)
    monkeypatch.setattr(search_module, "PATIENCE_S", -1.0)
    monkeypatch.setattr(search_module, "_STEPS", 1)
    searched = Search(spool.folder)
    searched._turn = type("Free", (), {"acquire": lambda self, timeout: True, "release": lambda self: None})()
    with pytest.raises(SpoolError, match="interrupted"):
        searched.find(Query("png"))
    monkeypatch.undo()
    assert Search(spool.folder).find(Query("png")).count == 300


def test_a_page_knows_which_it_is(spool: Spool) -> None:
    """And how many there are: one at least."""
    searched = Search(spool.folder)
    assert (searched.find(Query()).page, searched.find(Query()).pages) == (1, 1)
    for number in range(5):
        record(spool, number)
    for at_once, pages in ((5, 1), (4, 2), (2, 3)):
        found = searched.find(Query(page=pages), at_once)
        assert (found.page, found.pages) == (pages, pages)


def test_as_many_begins_as_are_told_are_found(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though none of them is among the newest, which are looked through inside."""
    monkeypatch.setattr(search_module, "MOST", 5)
    monkeypatch.setattr(search_module, "INSIDE", 1)
    for number in range(6):
        record(spool, number, file=f"{'old' if number < 5 else 'new'}-{number}.png")
    found = Search(spool.folder).find(Query("old"))
    assert (found.count, found.more) == (5, False)
