"""The results of a spool on their way to the sinks: numbered, kept until every sink has them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from sranogan_edge.spool.database import TALLY, SpoolDatabase
from sranogan_edge.spool.entry import Cursor, StoredResult
from sranogan_edge.spool.files import SpoolFiles

__all__ = ["Outbox", "append_result"]


class Outbox:
    """Reads and numbers results; each sink has a cursor of its own."""

    def __init__(self, database: SpoolDatabase, files: SpoolFiles) -> None:
        """Share the spool's database and folders."""
        self._db, self._files = database, files

    def record(self, line: Mapping[str, Any], identity: Mapping[str, str]) -> int:
        """Store the result of a frame that was never an object (a camera's); returns its number."""
        with self._db.transaction(durable=False) as db:
            return append_result(db, None, identity, line)

    def results(self, after: int = 0, limit: int = 100) -> list[StoredResult]:
        """Return up to ``limit`` results after number ``after``, in order."""
        rows = self._db.rows(
            "SELECT r.number, r.sequence, r.identity, r.line, o.name FROM results r "
            "LEFT JOIN objects o USING (sequence) WHERE r.number > ? ORDER BY r.number LIMIT ?",
            after,
            limit,
        )
        return [
            StoredResult(
                row["number"],
                row["sequence"],
                json.loads(row["identity"]),
                json.loads(row["line"]),
                self._files.path(row["name"]) if row["name"] else None,
            )
            for row in rows
        ]

    def newest(self) -> int:
        """Return the number of the newest result that is kept; 0 where there is none."""
        return int(self._db.rows("SELECT COALESCE(MAX(number), 0) FROM results")[0][0])

    def look_up_more(self, most: int) -> int:
        """Have ``most`` results of an earlier version found by a search; returns how many are left, at most.

        Raises:
            SpoolError: they cannot be now: the disk is full, say.
        """
        return self._db.look_up_more(most)

    def tally(self) -> dict[str, int]:
        """Return how many results this spool ever had, by verdict; those that retention removed count."""
        return {row[0]: int(row[1]) for row in self._db.rows(TALLY)}

    def before(self, scored_at: str) -> int:
        """Return the number of the result before the first that was scored at ``scored_at`` or later."""
        first = "SELECT MIN(number) FROM results WHERE json_extract(line, '$.scored_at') >= ?"
        found = self._db.rows(first, scored_at)[0][0]
        return self.newest() if found is None else int(found) - 1

    def cursor(self, sink: str) -> Cursor | None:
        """Return how far ``sink`` is; None where it is new here."""
        rows = self._db.rows("SELECT number, offset FROM cursors WHERE sink = ?", sink)
        return Cursor(rows[0]["number"], rows[0]["offset"]) if rows else None

    def advance(self, sink: str, to: Cursor, *, durable: bool = False) -> None:
        """Keep how far ``sink`` is; from the first time on, what it lacks is kept for it.

        Unless ``durable``, it may be a little behind after a power cut: results come again.
        """
        with self._db.transaction(durable=durable) as db:
            db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", (sink, to.number, to.offset))

    def forget_sinks(self, kept: Iterable[str]) -> None:
        """Drop the cursors of all other sinks: they would hold back the retention for ever."""
        names = json.dumps(sorted(kept))
        with self._db.transaction() as db:
            db.execute("DELETE FROM cursors WHERE sink NOT IN (SELECT value FROM json_each(?))", (names,))

    def taken(self) -> int | None:
        """Return the number up to which every sink has the results; None without any sink."""
        found = self._db.rows("SELECT MIN(number) FROM cursors")[0][0]
        return None if found is None else int(found)

    def remove_frames(self, keep: int, keep_waiting: int | None, most: int) -> tuple[int, int]:
        """Remove results of camera frames, the oldest, ``most`` of them.

        Args:
            keep: of the newest results, the frames stay.
            keep_waiting: of so many more, those that a sink lacks stay; None lets none go that a sink lacks.
            most: the rest is for the next call.

        Returns:
            How many were removed, and how many of them a sink had not read.
        """
        newest = self.newest()
        taken = self.taken()
        taken = newest if taken is None else taken
        last = min(taken, newest - keep)
        if keep_waiting is not None:
            last = max(last, newest - max(keep, keep_waiting))
        rows = self._db.rows(
            "SELECT number FROM results WHERE sequence IS NULL AND number <= ? ORDER BY number LIMIT ?",
            last,
            most,
        )
        numbers = [row[0] for row in rows]
        if numbers:
            with self._db.transaction(durable=False) as db:
                db.execute("DELETE FROM results WHERE sequence IS NULL AND number <= ?", (numbers[-1],))
        return len(numbers), sum(number > taken for number in numbers)


def append_result(
    db: sqlite3.Connection, sequence: int | None, identity: Mapping[str, str], line: Mapping[str, Any]
) -> int:
    """Write one result inside a transaction; returns its number."""
    values = (sequence, json.dumps(dict(identity)), json.dumps(dict(line), allow_nan=False))
    written = db.execute("INSERT INTO results (sequence, identity, line) VALUES (?, ?, ?)", values)
    return written.lastrowid or 0
