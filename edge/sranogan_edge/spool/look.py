"""A look at a spool from outside, whether its runner works or not: nothing is written, no lock taken."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sranogan_edge.errors import SpoolError

__all__ = ["Look", "OutboxLook", "look_at_outbox", "look_at_spool"]

_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Look:
    """What a spool holds.

    Attributes:
        counts: objects by state.
        oldest_waiting_at: when the oldest object that waits came, in Unix seconds; None where none waits.
        newest: number of the newest result; 0 without any.
        last: its line; None without any.
        reached: by the key of a sink, the number of the last result that it has.
    """

    counts: Mapping[str, int]
    oldest_waiting_at: float | None
    newest: int
    last: Mapping[str, Any] | None
    reached: Mapping[str, int]


@dataclass(frozen=True)
class OutboxLook:
    """What a sink's own outbox holds: results that wait to be sent, and those that were set apart."""

    waiting: int
    apart: int


def look_at_spool(folder: Path) -> Look | None:
    """Look into the spool in ``folder``; None where there is none.

    Raises:
        SpoolError: it cannot be read, or is none.
    """
    file = folder / "spool.sqlite"
    if not file.is_file():
        return None
    with _opened(file) as db:
        last = db.execute("SELECT number, line FROM results ORDER BY number DESC LIMIT 1").fetchone()
        oldest = "SELECT MIN(received_at) FROM objects WHERE state = 'received'"
        return Look(
            counts=dict(db.execute("SELECT state, COUNT(*) FROM objects GROUP BY state")),
            oldest_waiting_at=db.execute(oldest).fetchone()[0],
            newest=int(last[0]) if last else 0,
            last=json.loads(last[1]) if last else None,
            reached=dict(db.execute("SELECT sink, number FROM cursors")),
        )


def look_at_outbox(file: Path) -> OutboxLook | None:
    """Look into the outbox ``file``; None where there is none. Raises SpoolError as above."""
    if not file.is_file():
        return None
    with _opened(file) as db:
        counts = (
            int(db.execute(f"SELECT COUNT(*) FROM {one}").fetchone()[0]) for one in ("waiting", "refused")
        )
        return OutboxLook(*counts)


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Give the file, read-only.

    What a runner that ended well left has no log beside it: SQLite would make one even to read.
    """
    log = file.with_name(f"{file.name}-wal")
    mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?{mode}", uri=True, timeout=_PATIENCE_S)
        ) as db:
            yield db
    except (OSError, sqlite3.Error, ValueError) as error:
        raise SpoolError(
            f"{file}: cannot be read ({error}). Call this as the runner's user, and name the folder of the "
            "spool (--spool, or [spool] folder)."
        ) from error
