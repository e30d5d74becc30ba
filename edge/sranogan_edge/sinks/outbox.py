"""Messages that wait to be sent, in order, on the disk, and not more than the disk can hold."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.errors import ResultsError, SettingsError

__all__ = ["Message", "Outbox"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS refused (
  id INTEGER PRIMARY KEY, key TEXT, body BLOB NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
INSERT OR IGNORE INTO counts VALUES ('lost', 0), ('sent', 0);
"""
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
    the table ``refused``, as many as may wait.
    """

    def __init__(self, path: Path | None, limit: int = 100_000) -> None:
        """Open ``path``, made where it is missing; None keeps it in memory.

        Raises:
            ResultsError: it cannot be opened.
            SettingsError: ``limit`` is below 1.
        """
        if limit < 1:
            raise SettingsError(f"an outbox must hold at least 1 message; received {limit}")
        self.path, self.limit = path, limit
        self._lock = threading.Lock()
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path or ":memory:", timeout=PATIENCE_S, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("PRAGMA wal_autocheckpoint=100")  # pages: a log of 0.4 MB, not of 4
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error
        self._length = self._number("SELECT COUNT(*) FROM waiting")

    def __len__(self) -> int:
        return self._length

    @property
    def lost(self) -> int:
        """Messages that were let go because the outbox was full, ever."""
        return self._number("SELECT number FROM counts WHERE name = 'lost'")

    @property
    def sent(self) -> int:
        """Messages that arrived, ever."""
        return self._number("SELECT number FROM counts WHERE name = 'sent'")

    @property
    def refused(self) -> int:
        """Messages that the receiver will never take."""
        return self._number("SELECT COUNT(*) FROM refused")

    def put(self, key: str, body: bytes) -> None:
        """Add a message, on the disk before this returns; one of a key that waits already is left out.

        Raises:
            ResultsError: the disk does not take it.
        """
        try:
            with self._lock, self._on_disk(), self._database as database:
                added = database.execute(
                    "INSERT OR IGNORE INTO waiting (key, body) VALUES (?, ?)", (key, body)
                )
                excess = self._length + added.rowcount - self.limit
                if excess > 0:
                    oldest = "SELECT id FROM waiting ORDER BY id LIMIT ?"
                    database.execute(f"DELETE FROM waiting WHERE id IN ({oldest})", (excess,))
                    database.execute("UPDATE counts SET number = number + ? WHERE name = 'lost'", (excess,))
            self._length += added.rowcount - max(0, excess)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def first(self) -> Message | None:
        """Return the oldest message; raises ResultsError where it cannot be read."""
        try:
            with self._lock:
                row = self._database.execute(
                    "SELECT id, key, body FROM waiting ORDER BY id LIMIT 1"
                ).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return Message(*row) if row else None

    def done(self, message: Message) -> None:
        """Forget a message that arrived; raises ResultsError where that cannot be noted."""
        self._remove(message, "UPDATE counts SET number = number + 1 WHERE name = 'sent'", ())

    def refuse(self, message: Message, reason: str) -> None:
        """Set a message apart that will never be taken; raises ResultsError where that cannot be noted."""
        values = (message.key, message.body, reason)
        self._remove(message, "INSERT INTO refused (key, body, reason) VALUES (?, ?, ?)", values)
        self._remove(
            message, "DELETE FROM refused WHERE id <= (SELECT MAX(id) FROM refused) - ?", (self.limit,)
        )

    def set_apart(self, key: str, body: bytes, reason: str) -> None:
        """Put a message that never waited here beside the refused ones; raises ResultsError."""
        try:
            with self._lock, self._database as database:
                database.execute(
                    "INSERT INTO refused (key, body, reason) VALUES (?, ?, ?)", (key, body, reason)
                )
                database.execute(
                    "DELETE FROM refused WHERE id <= (SELECT MAX(id) FROM refused) - ?", (self.limit,)
                )
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _remove(self, message: Message, instead: str, values: tuple[object, ...]) -> None:
        try:
            with self._lock, self._database as database:
                database.execute(instead, values)
                gone = database.execute("DELETE FROM waiting WHERE id = ?", (message.id,)).rowcount
            self._length -= gone
        except sqlite3.Error as error:
            raise self._failed(error) from error

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Wait for the disk: for what comes in. That a message arrived may be forgotten; it is sent again."""
        self._database.execute("PRAGMA synchronous=FULL")
        try:
            yield
        finally:
            self._database.execute("PRAGMA synchronous=NORMAL")

    def _number(self, query: str) -> int:
        with self._lock:
            return int(self._database.execute(query).fetchone()[0])

    def _failed(self, error: Exception) -> ResultsError:
        return ResultsError(
            f"the outbox {self.path} fails: {error}. Free some space, or name another folder."
        )
