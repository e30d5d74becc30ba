"""Results in one SQLite file, each object once, and out of it as CSV."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path

from sranogan_edge.errors import ResultsError
from sranogan_edge.files import close_to_others, writing_whole
from sranogan_edge.option import option
from sranogan_edge.results.line import ResultLine
from sranogan_edge.results.table import harmless, plain_text
from sranogan_edge.sinks.sink import SinkContext, SinkSettings, record_of

__all__ = ["COLUMNS", "SqliteSink", "SqliteSinkSettings", "export_csv"]

COLUMNS = tuple(one.name for one in fields(ResultLine) if one.name != "milliseconds")  # that one is JSON
PATIENCE_S = 10.0  # for another program that reads or exports
PRUNE_EVERY_S = 600.0

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS results (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  {", ".join(COLUMNS)},
  milliseconds TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS results_by_time ON results (scored_at);
"""


@dataclass(frozen=True)
class SqliteSinkSettings(SinkSettings):
    """A table in an SQLite file.

    Attributes:
        uri: sqlite:FILE.
        keep_s: seconds that a result stays, by this machine's clock; none keeps it for ever.
    """

    keep_s: float | None = option(None, above=0)

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.uri.partition(":")[2])

    def open(self, context: SinkContext) -> SqliteSink:
        """Open the file: see :class:`SqliteSink`."""
        return SqliteSink(self.path, self.keep_s)


class SqliteSink:
    """Table ``results`` of an SQLite file in WAL mode: other programs may read it meanwhile.

    A result of a key that is there already is left out: one that was delivered again after a power cut
    stands in it once.
    """

    def __init__(self, path: Path, keep_s: float | None = None) -> None:
        """Open ``path``, made where it is missing; a row goes after ``keep_s`` seconds.

        Raises:
            ResultsError: it cannot be opened, or is no SQLite file.
        """
        self.path = path
        self._lock = threading.Lock()
        self._keep_s, self._pruned_at = keep_s, float("-inf")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=PATIENCE_S, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute("PRAGMA secure_delete=ON")
            self._database.executescript(_SCHEMA)
            self._add_columns()
            close_to_others(path)
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def write(self, line: ResultLine) -> None:
        """Add one row, on the disk before this returns; raises ResultsError where it cannot."""
        record = record_of(line)
        values = [plain_text(record.get(name)) for name in COLUMNS]
        marks = ", ".join("?" * (len(COLUMNS) + 2))
        statement = (
            f"INSERT INTO results (key, {', '.join(COLUMNS)}, milliseconds) VALUES ({marks}) "
            "ON CONFLICT (key) DO NOTHING"
        )
        try:
            with self._lock, self._database:
                self._prune()
                self._database.execute(
                    statement, [record["key"], *values, json.dumps(record["milliseconds"])]
                )
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _prune(self) -> None:
        if self._keep_s is None or time.monotonic() - self._pruned_at < PRUNE_EVERY_S:
            return
        self._pruned_at = time.monotonic()
        oldest = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - self._keep_s))
        self._database.execute("DELETE FROM results WHERE scored_at < ?", (oldest,))

    def _add_columns(self) -> None:
        """Give a table of an earlier version the columns that came since."""
        there = {row[1] for row in self._database.execute("PRAGMA table_info(results)")}
        for name in COLUMNS:
            if name not in there:
                self._database.execute(f"ALTER TABLE results ADD COLUMN {name}")

    def _failed(self, error: Exception) -> ResultsError:
        return ResultsError(
            f"cannot write results to {self.path}: {error}. Rows written so far are kept; free some space, "
            "or name another file."
        )


def export_csv(database: Path, path: Path) -> int:
    """Write all results of an SQLite file as CSV with a header, whole or not at all; return their number.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.

    Raises:
        ResultsError: the database cannot be read, or ``path`` not be written.
    """
    query = f"SELECT {', '.join(COLUMNS)} FROM results ORDER BY id"
    rows = 0
    try:
        source = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE_S)
        try:
            with writing_whole(path) as file:
                text = io.TextIOWrapper(file, "utf-8", newline="")
                table = csv.writer(text)
                table.writerow(COLUMNS)
                for rows, row in enumerate(source.execute(query), start=1):  # noqa: B007 - counts them
                    table.writerow([harmless(value) for value in row])
                text.detach()  # which flushes, and leaves the file open
        finally:
            source.close()
    except (OSError, sqlite3.Error) as error:
        raise ResultsError(
            f"cannot export {database} to {path}: {error}. Check that the database exists and that there is "
            "room for the table."
        ) from error
    return rows
