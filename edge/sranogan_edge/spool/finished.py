"""The finished objects of a spool: which are the oldest, which a feed still holds, and how they go.

Each question has an index and a bound, so that it takes milliseconds however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from sranogan_edge.spool.database import ENDED, SpoolDatabase
from sranogan_edge.spool.entry import Ended
from sranogan_edge.spool.files import SpoolFiles

__all__ = ["Finished"]

_MAY_GO = "origin = '' AND finished_uptime IS NOT NULL"  # as in the index objects_ended


class Finished:
    """What retention asks and does."""

    def __init__(self, database: SpoolDatabase, files: SpoolFiles, uptime: Callable[[], float]) -> None:
        """Share the spool's database, folders and age."""
        self._db, self._files, self._uptime = database, files, uptime

    def oldest(self, most: int) -> list[Ended]:
        """Return what may go of the ``most`` objects that were finished first, oldest first.

        They have their result, every sink has it, and no feed holds the original.
        """
        rows = self._db.rows(
            "SELECT o.sequence, o.finished_uptime, o.size, r.number, r.line, "
            "(SELECT MIN(number) FROM cursors) AS taken "
            f"FROM (SELECT * FROM objects WHERE {_MAY_GO} ORDER BY finished_uptime LIMIT ?) o "
            "JOIN results r ON r.sequence = o.sequence ORDER BY r.number",
            most,
        )
        now = self._uptime()
        return [
            Ended(row["sequence"], now - row["finished_uptime"], row["size"], _heat_map(row["line"]))
            for row in rows
            if row["taken"] is None or row["number"] <= row["taken"]
        ]

    def count(self) -> int:
        """Return how many objects have their result, and no original that a feed holds."""
        return int(self._db.rows(f"SELECT COUNT(*) FROM objects WHERE {_MAY_GO}")[0][0])

    def held(self, after: float, most: int) -> list[tuple[float, int, str]]:
        """Return finished objects whose original a feed may hold, in the order in which they were finished.

        Args:
            after: those finished later than this, in seconds of use of the spool.
            most: so many of them.

        Returns:
            When each was finished, its sequence, and where its original was.
        """
        rows = self._db.rows(
            "SELECT finished_uptime, sequence, origin FROM objects "
            "WHERE origin != '' AND finished_uptime > ? ORDER BY finished_uptime LIMIT ?",
            after,
            most,
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def release(self, sequences: Iterable[int]) -> None:
        """Note that the originals of these objects are gone."""
        with self._db.transaction(durable=False) as db:
            db.execute(
                "UPDATE objects SET origin = '' WHERE sequence IN (SELECT value FROM json_each(?))",
                (json.dumps(list(sequences)),),
            )

    def remove(self, sequences: Iterable[int]) -> None:
        """Remove finished objects: entries and results first, then the bytes."""
        wanted = json.dumps(list(sequences))
        chosen = f"sequence IN (SELECT value FROM json_each(?)) AND state IN {ENDED}"
        names = [row[0] for row in self._db.rows(f"SELECT name FROM objects WHERE {chosen}", wanted)]
        with self._db.transaction() as db:
            db.execute(
                f"DELETE FROM results WHERE sequence IN (SELECT sequence FROM objects WHERE {chosen})",
                (wanted,),
            )
            db.execute(f"DELETE FROM objects WHERE {chosen}", (wanted,))
        for name in filter(None, names):
            self._files.remove(name)


def _heat_map(line: str) -> str | None:
    found = json.loads(line).get("heat_map")
    return found if isinstance(found, str) else None
