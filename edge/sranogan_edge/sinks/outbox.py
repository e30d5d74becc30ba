"""Messages that wait to be sent, in order, on the disk, and not more than the disk can hold."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.errors import ResultsError, SettingsError

__all__ = ["AGAIN", "MAX_WAITING", "PATIENCE_S", "Message", "Outbox"]

AGAIN = "CREATE TABLE IF NOT EXISTS again (id INTEGER PRIMARY KEY)"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS waiting (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS refused (
  id INTEGER PRIMARY KEY, key TEXT, body BLOB NOT NULL, reason TEXT NOT NULL
);
{AGAIN};
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
INSERT OR IGNORE INTO counts VALUES ('lost', 0), ('sent', 0), ('refused', 0);
"""
MAX_WAITING = 1_000_000  # of about 1 KB each: nine hours of 30 frames a second
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Message:
    """One that waits.

    Attributes:
        id: of its place in the outbox.
        key: names the object; the receiver knows a repeat by it.
        body: JSON.
    """

    id: int
    key: str
    body: bytes


class Outbox:
    """First in, first out, in an SQLite file; it survives the process and a power cut.

    When it is full, the oldest message is let go and counted. What the receiver refuses for good is moved to
    the table ``refused``, of which the newest stay, as many as may wait. Any program may put the ``id`` of
    one of them into the table ``again``: it is tried once more.

    Attributes:
        path: of the file; None where it is in memory.
        limit: number of messages that may wait.
        sent: messages that arrived since it was opened; the table ``counts`` has these three of all times.
        lost: messages that were let go because the outbox was full.
        refused: messages that the receiver will never take.
        apart: messages that are set apart now.
        refusal: why the newest of ``refused`` is; empty without any.
    """

    def __init__(self, path: Path | None, limit: int = MAX_WAITING) -> None:
        """Open ``path``, made where it is missing; None keeps it in memory.

        Raises:
            ResultsError: it cannot be opened.
            SettingsError: ``limit`` is below 1.
        """
        if limit < 1:
            raise SettingsError(f"max_waiting must be 1 or more; received {limit}")
        self.path, self.limit = path, limit
        self.sent = self.lost = self.refused = self.apart = 0
        self.refusal = ""
        self._lock = threading.Lock()
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path or ":memory:", timeout=PATIENCE_S, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("PRAGMA wal_autocheckpoint=100")  # pages: a log of 0.4 MB, not of 4
            self._database.executescript(_SCHEMA)
            self._length = _rows(self._database, "waiting")
            self.apart = _rows(self._database, "refused")
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def __len__(self) -> int:
        return self._length

    def put(self, key: str, body: bytes) -> None:
        """Add a message, on the disk before this returns; one of a key that waits already is left out.

        Raises:
            ResultsError: the disk does not take it.
        """
        with self._transaction(on_disk=True) as database:
            statement = "INSERT OR IGNORE INTO waiting (key, body) VALUES (?, ?)"
            length = self._length + database.execute(statement, (key, body)).rowcount
            excess = max(0, length - self.limit)
            if excess:
                oldest = "SELECT id FROM waiting ORDER BY id LIMIT ?"
                database.execute(f"DELETE FROM waiting WHERE id IN ({oldest})", (excess,))
                _count(database, "lost", excess)
            database.commit()
            self._length, self.lost = length - excess, self.lost + excess

    def first(self) -> Message | None:
        """Return the oldest message; raises ResultsError where it cannot be read."""
        with self._transaction() as database:
            row = database.execute("SELECT id, key, body FROM waiting ORDER BY id LIMIT 1").fetchone()
        return Message(*row) if row else None

    def done(self, message: Message) -> None:
        """Forget a message that arrived; raises ResultsError where that cannot be noted."""
        with self._transaction() as database:
            gone = _forget(database, message)
            _count(database, "sent", gone)
            database.commit()
            self._length, self.sent = self._length - gone, self.sent + gone

    def refuse(self, message: Message, reason: str) -> None:
        """Set a message apart that will never be taken; raises ResultsError where that cannot be noted."""
        with self._transaction() as database:
            gone = _forget(database, message)
            self._set_apart(database, message.key, message.body, reason)
            self._length -= gone

    def set_apart(self, key: str, body: bytes, reason: str) -> None:
        """Put a message that never waited here beside the refused ones; raises ResultsError."""
        with self._transaction() as database:
            self._set_apart(database, key, body, reason)

    def again(self) -> list[Message]:
        """Return what is set apart and to be tried again; raises ResultsError where it cannot be read."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT id, key, body FROM refused JOIN again USING (id) ORDER BY refused.id"
            ).fetchall()
        return [Message(*row) for row in rows]

    def tried_again(self, message: Message, reason: str = "") -> None:
        """Forget a message of :meth:`again`, or keep it apart for another ``reason``; raises ResultsError."""
        with self._transaction() as database:
            database.execute("DELETE FROM again WHERE id = ?", (message.id,))
            if reason:
                database.execute("UPDATE refused SET reason = ? WHERE id = ?", (reason, message.id))
            else:
                database.execute("DELETE FROM refused WHERE id = ?", (message.id,))
            database.commit()
            self.apart = _rows(database, "refused")

    def take_back(self) -> None:
        """Let what is to be tried again wait like the others; raises ResultsError."""
        chosen = "FROM refused WHERE id IN (SELECT id FROM again)"
        with self._transaction(on_disk=True) as database:
            if not _rows(database, "again"):
                return
            into = "INSERT OR IGNORE INTO waiting (key, body) SELECT key, body"
            database.execute(f"{into} {chosen} ORDER BY id")
            database.execute(f"DELETE {chosen}")
            database.execute("DELETE FROM again")
            database.commit()
            self._length, self.apart = _rows(database, "waiting"), _rows(database, "refused")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _set_apart(self, database: sqlite3.Connection, key: str, body: bytes, reason: str) -> None:
        database.execute("INSERT INTO refused (key, body, reason) VALUES (?, ?, ?)", (key, body, reason))
        old = "SELECT MAX(id) FROM refused"
        database.execute(f"DELETE FROM refused WHERE id <= ({old}) - ?", (self.limit,))
        _count(database, "refused", 1)
        database.commit()
        self.refused, self.refusal = self.refused + 1, reason
        self.apart = _rows(database, "refused")

    @contextmanager
    def _transaction(self, *, on_disk: bool = False) -> Iterator[sqlite3.Connection]:
        """Give the database to one thread; what is not committed is taken back.

        Args:
            on_disk: wait for the disk, for what comes in. That a message arrived may be forgotten: it is
                sent again.

        Raises:
            ResultsError: SQLite failed.
        """
        with self._lock:
            try:
                self._database.execute(f"PRAGMA synchronous={'FULL' if on_disk else 'NORMAL'}")
                yield self._database
            except sqlite3.Error as error:
                raise self._failed(error) from error
            finally:
                with suppress(sqlite3.Error):
                    self._database.rollback()

    def _failed(self, error: Exception) -> ResultsError:
        return ResultsError(
            f"the outbox {self.path} fails: {error}. Free some space, or name another folder."
        )


def _forget(database: sqlite3.Connection, message: Message) -> int:
    """Take ``message`` out; returns 0 where it was let go meanwhile, else 1."""
    return database.execute("DELETE FROM waiting WHERE id = ?", (message.id,)).rowcount


def _rows(database: sqlite3.Connection, table: str) -> int:
    return int(database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


def _count(database: sqlite3.Connection, name: str, number: int) -> None:
    database.execute("UPDATE counts SET number = number + ? WHERE name = ?", (number, name))
