"""A spool's objects in few words: stored, claimed, and the spool closed and opened again."""

from __future__ import annotations

from pathlib import Path

from sranogan_edge.spool.spool import Entry, Spool, SpoolLimits

ROOMY = SpoolLimits(min_free_bytes=0)


def reopened(spool: Spool) -> Spool:
    """The same folder, as a new process finds it."""
    spool.close()
    return Spool(spool.folder, spool.limits)


def claimed(spool: Spool) -> Entry:
    """The next object; there is one."""
    entry = spool.next()
    assert entry is not None
    return entry


def stored(folder: Path) -> list[str]:
    """Names of the files with bytes."""
    return sorted(p.name for p in (folder / "objects").iterdir())
