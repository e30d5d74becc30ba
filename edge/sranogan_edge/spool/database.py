"""The SQLite file of a spool: its tables, its transactions, and its failures in words."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sranogan_edge.errors import OutOfHandlesError, SpoolError, SpoolFullError
from sranogan_edge.files import OURS
from sranogan_edge.spool.lookups import LEFT, add_lookups, note_numbers, prepare_lookups

__all__ = ["ENDED", "TALLY", "SpoolDatabase"]

ENDED = "('done', 'dead')"
SCHEMA_VERSION = 2
_WAL_PAGES = 100  # of 4 KiB: a small log needs little room on a full disk
_ROOM_BYTES = 1 << 20  # with less than this, an I/O error of SQLite means a full disk

_SCHEMA = """
CREATE TABLE objects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,  -- orders the objects; clocks do not
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,  -- of the file with the bytes; empty: rejected, never stored
    source TEXT NOT NULL,
    identity TEXT NOT NULL,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    received_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'scoring', 'done', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    finished_uptime REAL,  -- seconds that the spool was in use before the object was finished
    feed TEXT NOT NULL DEFAULT ''
);
CREATE INDEX objects_by_state ON objects (state, sequence);
CREATE TABLE results (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence INTEGER UNIQUE,  -- a second result for one object cannot be written; NULL: a camera's frame
    identity TEXT NOT NULL,
    line TEXT NOT NULL
);
CREATE TABLE cursors (sink TEXT PRIMARY KEY, number INTEGER NOT NULL, offset INTEGER NOT NULL);
CREATE TABLE uptime (seconds REAL NOT NULL);
INSERT INTO uptime VALUES (0);
"""
# What retention asks for, without a look at every object. They change no data, so they have no version.
_INDEXES = """
CREATE INDEX IF NOT EXISTS objects_ended ON objects (finished_uptime) WHERE origin = '';
CREATE INDEX IF NOT EXISTS objects_held ON objects (finished_uptime) WHERE origin != '';
"""
_COUNTED = (
    "SELECT coalesce(json_extract(line, '$.verdict'), '') AS verdict, COUNT(*) AS results "
    "FROM results GROUP BY 1"
)
# How many results there ever were, by verdict: kept by the file itself, so that a runner of an earlier
# version counts too, and begun with what is there.
_TALLY = f"""
BEGIN IMMEDIATE;
CREATE TABLE tally (verdict TEXT PRIMARY KEY, results INTEGER NOT NULL);
INSERT INTO tally {_COUNTED};
CREATE TRIGGER results_counted AFTER INSERT ON results BEGIN
    INSERT INTO tally VALUES (coalesce(json_extract(new.line, '$.verdict'), ''), 1)
    ON CONFLICT (verdict) DO UPDATE SET results = results + 1;
END;
COMMIT;
"""
TALLY = "SELECT verdict, results FROM tally"


class SpoolDatabase:
    """One connection in WAL mode, shared by the runner's threads one at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; raises SpoolError where it cannot be used."""
        self.path = path
        self.fresh = False  # whether it was made just now
        self._lock = threading.RLock()
        with self._explained():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
            self._prepare()
            self._count_results()
            self._looks_up = prepare_lookups(self._db)
            with suppress(sqlite3.OperationalError):  # the disk is full: it works without, only slower
                self._db.executescript(_INDEXES)

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        self.fresh = version == 0
        if self.fresh:
            self._db.executescript(
                f"PRAGMA synchronous=FULL; BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        elif version == 1:  # has no feeds yet
            self._db.executescript(
                "PRAGMA synchronous=FULL; BEGIN; ALTER TABLE objects ADD COLUMN feed TEXT NOT NULL "
                f"DEFAULT ''; PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        elif version != SCHEMA_VERSION:
            raise SpoolError(
                f"{self.path}: has schema version {version}, this runner reads {SCHEMA_VERSION}. Finish it "
                "with the version that wrote it, or name another folder with --spool."
            )

    def _count_results(self) -> None:
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'tally'").fetchone():
            return
        try:
            self._db.executescript(_TALLY)
        except sqlite3.OperationalError:  # the disk is full: what is there is counted, and kept next time
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._db.execute("CREATE TEMP VIEW tally AS " + _COUNTED)

    def look_up(self, number: int, numbers: Mapping[str, str]) -> None:
        """Have a result found by these numbers, too; inside a transaction."""
        if self._looks_up:
            note_numbers(self._db, number, numbers)

    def look_up_more(self, most: int) -> int:
        """Have ``most`` results of an earlier version found, too; returns how many are left, at most."""
        if not self._looks_up:
            return 0
        with self.transaction(durable=False) as db:
            add_lookups(db, most)
            return int(db.execute(LEFT).fetchone()[0])

    def close(self) -> None:
        """Close the file; what was committed is in it."""
        with self._lock:
            self._db.close()

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self._lock, self._explained():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Give the connection; all that is written is kept together or, on any error, not at all.

        One inside another belongs to the outer one.

        Args:
            durable: whether it must survive a power cut (one fsync). Without, a SIGKILL does not undo it
                either, but a power cut may undo the last few.

        Raises:
            SpoolFullError: the disk is full.
            SpoolError: the file cannot be written otherwise.
        """
        with self._lock, self._explained():
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            folder = self.path.parent
            if "unable to open" in str(error) and _no_handles():
                raise OutOfHandlesError(
                    f"{self.path}: this process cannot open another file. Nothing is lost, and it goes on "
                    "once it can; raise the service's LimitNOFILE where that stays so."
                ) from error
            if "full" in str(error) or ("I/O" in str(error) and _no_room(folder)):
                raise SpoolFullError(
                    f"{folder}: the disk is full ({error}). Nothing is lost; free some space and it goes on."
                ) from error
            raise SpoolError(
                f"{self.path}: {error}. If it is damaged, stop the runner and move the folder aside: the "
                "objects in it are whole files."
            ) from error


def _no_handles() -> bool:
    try:
        os.close(os.dup(0))
    except OSError as error:
        return error.errno in OURS
    return False


def _no_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ROOM_BYTES
    except OSError:
        return False
