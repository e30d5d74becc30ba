"""A spool's objects in few words: stored, claimed, and the spool closed and opened again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sranogan_edge.spool.spool import Entry, Spool, SpoolLimits

ROOMY = SpoolLimits(min_free_bytes=0)


def reopened(spool: Spool) -> Spool:
    """The same folder, as a new process finds it."""
    spool.close()
    return Spool(spool.folder, spool.limits)


def of_an_earlier_version(spool: Spool) -> Spool:
    """The same folder as a version before the search left it, opened by this one."""
    spool.close()
    with closing(sqlite3.connect(spool.folder / "spool.sqlite")) as db:
        db.executescript(
            "DROP TRIGGER results_looked_up; DROP TRIGGER results_let_go; DROP TABLE lookups; "
            "DROP TABLE lookups_left; DROP TABLE days;"
        )
    return Spool(spool.folder, spool.limits)


def claimed(spool: Spool) -> Entry:
    """The next object; there is one."""
    entry = spool.next()
    assert entry is not None
    return entry


def stored(folder: Path) -> list[str]:
    """Names of the files with bytes."""
    return sorted(p.name for p in (folder / "objects").iterdir())
