"""The spool: objects wait on disk until they are scored, and results until they are delivered.

Each object is ``received``, ``scoring``, and then ``done`` or ``dead``. Its bytes are on disk before
:meth:`Spool.put` returns; its result is written in the transaction that ends it, so there is one result
for each object, whenever the process is killed or the power fails. Sinks read the results from the
:class:`~sranogan_edge.spool.queue.Outbox`, each with a cursor of its own. Numbers order everything; the
clock is never asked.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sranogan_edge.errors import SpoolError
from sranogan_edge.spool.database import ENDED, SpoolDatabase
from sranogan_edge.spool.entry import STATES, Cursor, Entry, SpoolLimits, State, StoredResult, storable
from sranogan_edge.spool.files import Source, SpoolFiles
from sranogan_edge.spool.finished import Finished
from sranogan_edge.spool.lock import FolderLock
from sranogan_edge.spool.queue import Outbox, append_result

__all__ = ["Cursor", "Entry", "Spool", "SpoolLimits", "State", "StoredResult"]


class Spool:
    """A folder of objects and results, held by one process; its methods may be called from any thread."""

    def __init__(self, folder: Path, limits: SpoolLimits | None = None) -> None:
        """Open or make the spool, and take up what a killed runner left.

        Raises:
            SpoolInUseError: another runner holds it.
            SpoolError: it cannot be read or written, or is of another version.
        """
        self.folder, self.limits = folder, limits or SpoolLimits()
        self._files = SpoolFiles(folder, self.limits.max_object_bytes, self.limits.min_free_bytes)
        cure = "two would score twice. Stop that one, or give this one a folder with --spool."
        self._lock = FolderLock(folder, cure)
        self._opened = time.monotonic()
        try:
            self._db = SpoolDatabase(folder / "spool.sqlite")
            self.outbox = Outbox(self._db, self._files)
            self.finished = Finished(self._db, self._files, self.uptime)
            self._uptime = float(self._db.rows("SELECT seconds FROM uptime")[0][0])
            self._recover()
        except BaseException:
            self._lock.close()
            raise

    def _recover(self) -> None:
        with self._db.transaction() as db:
            db.execute("UPDATE objects SET state = 'received' WHERE state = 'scoring'")
        if self._db.fresh:  # somebody deleted the database: what waited there is not lost
            for path in sorted(self._files.objects.iterdir()):
                self._insert(path.name, path.stat().st_size, {}, path.name, str(path), None, None)
        try:
            self._files.sweep({row["name"] for row in self._db.rows("SELECT name FROM objects")})
        except OSError as error:
            raise SpoolError(
                f"{self.folder}: cannot be swept ({error.strerror or error}). Check its permissions."
            ) from error
        for row in self._db.rows("SELECT * FROM objects WHERE state = 'dead' AND name != ''"):
            if (self._files.objects / row["name"]).exists():
                self._bury(self._entry(row))

    def close(self) -> None:
        """Close the files and lift the lock."""
        self._db.close()
        self._lock.close()

    def put(
        self,
        data: Source,
        identity: Mapping[str, str],
        *,
        key: str = "",
        source: str = "",
        origin: Path | None = None,
        received_at: float | None = None,
        feed: str = "",
    ) -> Entry:
        """Store an object; bytes and entry survive a power cut once this returns.

        Args:
            data: its bytes, a file to copy them from, or what opens it.
            identity: what the sender calls it.
            key: a key that is known already stores nothing and returns the entry of the first time.
            source: what to call it in messages and results.
            origin: see :class:`sranogan_edge.feeds.feed.Arrival`.
            received_at: Unix time in seconds; default: now.
            feed: name of the feed that brings it.

        Raises:
            FeedError: the file to copy cannot be read.
            ObjectTooLargeError, SpoolFullError, SpoolError: it was not stored.
        """
        known = self.find(key) if key else None
        if known:
            return known
        name, size = self._files.keep(data)
        try:
            return self._insert(name, size, identity, key or name, source, origin, received_at, feed)
        except BaseException:
            self._files.remove(name)
            if known := self.find(key):  # another thread brought it meanwhile
                return known
            raise

    def refuse(
        self,
        reason: str,
        line: Mapping[str, Any],
        identity: Mapping[str, str],
        *,
        key: str,
        source: str,
        origin: Path | None = None,
        feed: str = "",
    ) -> tuple[Entry, int | None]:
        """Dead-letter an object that cannot be stored, with its result line, in one transaction.

        Returns:
            The object, and the number of its result; None where its key was known already.

        Raises:
            SpoolFullError: no room for the result; nothing was written, try again.
        """
        known = self.find(key)
        if known:
            return known, None
        with self._db.transaction():
            entry = self._insert("", 0, identity, key, source, origin, None, feed)
            number = self.finish(entry, line, dead=reason)
            return self.entry(entry.sequence), number  # as long as nobody can remove it

    def _insert(
        self,
        name: str,
        size: int,
        identity: Mapping[str, str],
        key: str,
        source: str,
        origin: Path | None,
        received_at: float | None,
        feed: str = "",
    ) -> Entry:
        when = time.time() if received_at is None else received_at
        values = (key, name, source, json.dumps(dict(identity)), str(origin or ""), size, when, feed)
        with self._db.transaction() as db:
            sequence = db.execute(
                "INSERT INTO objects (key, name, source, identity, origin, size, received_at, feed, state) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'received')",
                storable(values),
            ).lastrowid
            return self.entry(sequence or 0)  # before somebody else can end and remove it

    def find(self, key: str) -> Entry | None:
        """Return the object of this key."""
        rows = self._db.rows("SELECT * FROM objects WHERE key = ?", *storable((key,)))
        return self._entry(rows[0]) if rows else None

    def entry(self, sequence: int) -> Entry:
        """Return an object by its number, which is there."""
        found = self.kept(sequence)
        if found is None:
            raise KeyError(sequence)
        return found

    def kept(self, sequence: int) -> Entry | None:
        """Return an object by its number; None where it ended and was removed."""
        rows = self._db.rows("SELECT * FROM objects WHERE sequence = ?", sequence)
        return self._entry(rows[0]) if rows else None

    def next(self) -> Entry | None:
        """Begin with the oldest object that waits: it is ``scoring``, with one attempt more."""
        waiting = self._waiting("attempts < ?", 1)
        if not waiting:
            return None
        sequence = waiting[0].sequence
        with self._db.transaction() as db:
            db.execute(
                "UPDATE objects SET state = 'scoring', attempts = attempts + 1 WHERE sequence = ?",
                (sequence,),
            )
        return self.entry(sequence)

    def exhausted(self) -> list[Entry]:
        """Return objects that had all their attempts; they are to be dead-lettered."""
        return self._waiting("attempts >= ?", -1)

    def _waiting(self, attempts: str, most: int) -> list[Entry]:
        rows = self._db.rows(
            f"SELECT * FROM objects WHERE state = 'received' AND {attempts} ORDER BY sequence LIMIT ?",
            self.limits.max_attempts,
            most,
        )
        return [self._entry(row) for row in rows]

    def give_back(self, entry: Entry, reason: str, *, counts: bool = True) -> int:
        """End an attempt without a result, as if there had been none unless it ``counts``.

        The object waits again; returns its number.
        """
        with self._db.transaction() as db:
            db.execute(
                "UPDATE objects SET state = 'received', reason = ?, attempts = ? WHERE sequence = ?",
                storable((reason, entry.attempts - (not counts), entry.sequence)),
            )
        return entry.sequence

    def finish(
        self,
        entry: Entry,
        line: Mapping[str, Any],
        *,
        dead: str | None = None,
        numbers: Mapping[str, str] | None = None,
    ) -> int:
        """End an object with its result, in one transaction; returns the result's number.

        Args:
            entry: as :meth:`next` or :meth:`exhausted` gave it.
            line: the result, ready for JSON.
            dead: why it is dead-lettered; None: it is done.
            numbers: of patient and examination as the object says, where its sender did not, to be found by.

        Raises:
            SpoolFullError: no room for the result; the object is as before, try again.
            SpoolError: it has its result already.
        """
        with self._db.transaction() as db:
            changed = db.execute(
                f"UPDATE objects SET state = ?, reason = ?, finished_uptime = ? WHERE sequence = ? "
                f"AND state NOT IN {ENDED}",
                storable(("done" if dead is None else "dead", dead or "", self.uptime(), entry.sequence)),
            ).rowcount
            if changed != 1:
                raise SpoolError(f"{entry.source}: object {entry.sequence} has its result already.")
            number = append_result(db, entry.sequence, entry.identity, line)
            if numbers and not entry.identity:
                self._db.look_up(number, numbers)
            db.execute("UPDATE uptime SET seconds = ?", (self.uptime(),))
        if dead is not None:
            self._bury(self.entry(entry.sequence))
        return number

    def waiting(self) -> int:
        """Return how many objects wait to be scored."""
        return int(self._db.rows("SELECT COUNT(*) FROM objects WHERE state = 'received'")[0][0])

    def counts(self) -> dict[State, int]:
        """Return how many objects are in each state."""
        rows = self._db.rows("SELECT state, COUNT(*) FROM objects GROUP BY state")
        found = {row[0]: int(row[1]) for row in rows}
        return {state: found.get(state, 0) for state in STATES}

    def uptime(self) -> float:
        """Seconds that this spool was in use, over all runs: ages count in these, whatever the clock does."""
        return self._uptime + (time.monotonic() - self._opened)

    def _bury(self, entry: Entry) -> None:
        if entry.path:
            known = "".join(f"{name}: {value}\n" for name, value in entry.identity.items())
            self._files.bury(entry.path.name, f"source: {entry.source}\n{known}reason: {entry.reason}\n")

    def _entry(self, row: sqlite3.Row) -> Entry:
        return Entry(
            sequence=row["sequence"],
            key=row["key"],
            source=row["source"],
            identity=json.loads(row["identity"]),
            path=self._files.path(row["name"]) if row["name"] else None,
            size=row["size"],
            received_at=row["received_at"],
            state=cast("State", row["state"]),
            attempts=row["attempts"],
            reason=row["reason"],
            origin=row["origin"],
            feed=row["feed"],
        )
