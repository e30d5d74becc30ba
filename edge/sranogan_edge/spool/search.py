"""Results of a spool by number of patient or examination, UID, file name, day and verdict, by indices.

Each question is answered in a bounded time, however many results there are: every statement follows an index,
in the order in which the results are wanted, and ends after so many rows.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sranogan_edge.errors import SettingsError, SpoolError
from sranogan_edge.spool.entry import StoredResult
from sranogan_edge.spool.lookups import LEFT, NUMBERS

__all__ = ["MOST", "Found", "Query", "Search", "statements"]

AT_ONCE = 50  # on a page
MOST = 5_000  # found by a text; of more, the newest
INSIDE = 50_000  # of the newest results, file names are looked through inside
TEXT_CHARACTERS = 200
PATIENCE_S = 5.0  # for a search that another visitor asked for, and for each statement
_STEPS = 10_000  # of SQLite's machine between two looks at the clock
_EPOCH = date(1970, 1, 1)
_LAST = "\U0010ffff"  # behind all that begins with a text
_BEGINS = "name >= lower(?) AND name < lower(?)"

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Query:
    """What is looked for; what is empty or None asks for nothing. Case does not matter (A to Z).

    Attributes:
        text: a patient's or accession number, or the UID of a study or an object, whole; or a part of a
            file's name. Every character stands for itself.
        verdict: one of those that a result can have.
        since: day (UTC) from which on it was scored.
        until: the last such day.
        page: from 1.

    Raises:
        SettingsError: the text is too long, the days are in the wrong order, or there is no such page.
    """

    text: str = ""
    verdict: str = ""
    since: date | None = None
    until: date | None = None
    page: int = 1

    def __post_init__(self) -> None:
        if len(self.text) > TEXT_CHARACTERS:
            raise SettingsError(
                f"a search has at most {TEXT_CHARACTERS} characters; received {len(self.text):,}"
            )
        if self.since and self.until and self.since > self.until:
            raise SettingsError(f"no day is from {self.since} until {self.until}: change the two")
        if self.page < 1:
            raise SettingsError(f"pages are counted from 1; received {self.page}")


@dataclass(frozen=True)
class Found:
    """A page of results, the newest first.

    Attributes:
        results: on this page.
        count: of all pages.
        more: there are more than that.
        page: which it is, from 1.
        pages: how many there are, at least 1.
        to_come: older results, at most, that no search finds yet: its runner makes them ready.
    """

    results: tuple[StoredResult, ...]
    count: int
    more: bool
    page: int
    pages: int
    to_come: int = 0


class Search:
    """Looks into a spool's file, beside its runner: what it stores does not wait for a search."""

    def __init__(self, folder: Path) -> None:
        """Look into the spool in ``folder``."""
        self._file = folder / "spool.sqlite"
        self._turn = threading.Lock()

    def find(self, query: Query, at_once: int = AT_ONCE) -> Found:
        """Return the page of ``query``, ``at_once`` results long; an empty one behind the last.

        Raises:
            SpoolError: the spool cannot be searched now, or the search took too long.
        """
        with self._opened() as db:
            db.execute("BEGIN")  # one moment
            skip = (query.page - 1) * at_once
            if query.text:
                numbers, more = _by_text(db, query)
                count, numbers = len(numbers), numbers[skip : skip + at_once]
            else:
                count, more = int(db.execute(*_count(query)).fetchone()[0]), False
                numbers = _by_time(db, query, skip, at_once, count)
            results = tuple(one for number in numbers for one in _stored(db, number))
            to_come = int(db.execute(LEFT).fetchone()[0])
            return Found(results, count, more, query.page, max(1, -(-count // at_once)), to_come)

    def result(self, number: int) -> StoredResult | None:
        """Return the result of this number; None where there is none (any more). Raises as :meth:`find`."""
        with self._opened() as db:
            return next(iter(_stored(db, number)), None)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        if not self._turn.acquire(timeout=PATIENCE_S):
            raise SpoolError("others search already: try again")
        try:
            path = f"{self._file.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(path, uri=True, timeout=PATIENCE_S, isolation_level=None)) as db:
                ends = time.monotonic() + PATIENCE_S
                db.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
                yield db
        except sqlite3.Error as error:
            raise SpoolError(
                f"the results cannot be searched ({error}): name days or a whole number, or, where the disk "
                "was full, free some space and start the runner again"
            ) from error
        finally:
            self._turn.release()


def statements(query: Query) -> list[Statement]:
    """Return all that may be asked of the database for ``query``."""
    if not query.text:
        return [_ordered(query, "DESC", 0, AT_ONCE), _ordered(query, "ASC", 0, AT_ONCE)]
    by_name = (_begins_count(query), _begins(query), _begins_often(query), _inside(query))
    return [*(_whole(query, one) for one in NUMBERS), *by_name]


def _by_text(db: sqlite3.Connection, query: Query) -> tuple[list[int], bool]:
    """Return the numbers of what has the text, the newest first, and whether there are more."""
    found: set[tuple[int, int]] = set()
    for column in NUMBERS:
        found.update(db.execute(*_whole(query, column)))
    is_often = db.execute(*_begins_count(query)).fetchone()[0] > MOST  # then by time instead of by name
    found.update(db.execute(*(_begins_often(query) if is_often else _begins(query))))
    found.update(db.execute(*_inside(query)))
    numbers = [number for _, number in sorted(found, reverse=True)]
    return numbers[:MOST], len(numbers) > MOST


def _by_time(db: sqlite3.Connection, query: Query, skip: int, at_once: int, count: int) -> list[int]:
    """Return a page of what needs no text; the far half is counted from its end."""
    if skip >= count:
        return []
    at_once = min(at_once, count - skip)
    if skip <= count // 2:
        return [row[1] for row in db.execute(*_ordered(query, "DESC", skip, at_once))]
    found = db.execute(*_ordered(query, "ASC", count - skip - at_once, at_once))
    return [row[1] for row in found][::-1]


def _count(query: Query) -> Statement:
    """How many there are, by the days' own counts."""
    where, values = ["1"], []
    for text, value in (
        ("day >= ?", query.since and (query.since - _EPOCH).days),
        ("day <= ?", query.until and (query.until - _EPOCH).days),
        ("verdict = ?", query.verdict or None),
    ):
        if value is not None:
            where.append(text)
            values.append(value)
    return f"SELECT coalesce(SUM(results), 0) FROM days WHERE {' AND '.join(where)}", tuple(values)


def _ordered(query: Query, order: str, skip: int, at_once: int) -> Statement:
    where, values = _filters(query, "")
    sql = f"SELECT scored_at, number FROM lookups WHERE {where} ORDER BY scored_at {order}, number {order}"
    return f"{sql} LIMIT ? OFFSET ?", (*values, at_once, skip)


def _whole(query: Query, column: str) -> Statement:
    where, values = _filters(query, "+")  # the number finds fewer than day or verdict
    sql = f"SELECT scored_at, number FROM lookups WHERE {column} = ? AND {where}"
    return f"{sql} ORDER BY scored_at DESC, number DESC LIMIT ?", (query.text, *values, MOST + 1)


def _begins_count(query: Query) -> Statement:
    some = f"SELECT 1 FROM lookups WHERE {_BEGINS} LIMIT ?"
    return f"SELECT COUNT(*) FROM ({some})", (query.text, query.text + _LAST, MOST + 1)


def _begins(query: Query) -> Statement:
    where, values = _filters(query, "+")
    sql = f"SELECT scored_at, number FROM lookups WHERE {_BEGINS} AND {where} LIMIT ?"
    return sql, (query.text, query.text + _LAST, *values, MOST + 1)


def _begins_often(query: Query) -> Statement:
    where, values = _filters(query, "")
    sql = (
        f"SELECT scored_at, number FROM lookups INDEXED BY {_index(query)} WHERE {_BEGINS} "
        f"AND {where} ORDER BY scored_at DESC, number DESC LIMIT ?"
    )
    return sql, (query.text, query.text + _LAST, *values, MOST + 1)


def _inside(query: Query) -> Statement:
    where, values = _filters(query, "")
    newest = (
        f"SELECT scored_at, number, name FROM lookups INDEXED BY {_index(query)} WHERE {where} "
        "ORDER BY scored_at DESC, number DESC LIMIT ?"
    )
    sql = f"SELECT scored_at, number FROM ({newest}) WHERE instr(name, lower(?)) LIMIT ?"
    return sql, (*values, INSIDE, query.text, MOST + 1)


def _index(query: Query) -> str:
    return "lookups_by_verdict" if query.verdict else "lookups_by_time"


def _filters(query: Query, sign: str) -> tuple[str, tuple[Any, ...]]:
    """Conditions of day and verdict; ``+`` before a column keeps its index out of it."""
    first = (query.since - _EPOCH).days * 86_400 if query.since else -(2**62)
    last = ((query.until - _EPOCH).days + 1) * 86_400 if query.until else 2**62
    where, values = f"{sign}scored_at >= ? AND {sign}scored_at < ?", (first, last)
    return (f"{sign}verdict = ? AND {where}", (query.verdict, *values)) if query.verdict else (where, values)


def _stored(db: sqlite3.Connection, number: int) -> Iterator[StoredResult]:
    columns = ", ".join(f"l.{one}" for one in NUMBERS)
    found = db.execute(
        f"SELECT r.sequence, r.identity, r.line, {columns} FROM results r JOIN lookups l USING (number) "
        "WHERE number = ?",
        (number,),
    )
    for sequence, identity, line, *values in found:
        said = {name: value for name, value in zip(NUMBERS, values, strict=True) if value}
        yield StoredResult(number, sequence, {**said, **json.loads(identity)}, json.loads(line))
