"""What a file in a watched folder looks like: while that changes, somebody writes."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.image.sniff import HEAD_BYTES, is_dicom

__all__ = ["Look", "begins_as_dicom", "look_at"]


@dataclass(frozen=True)
class Look:
    """What a file looked like: while this changes, somebody writes."""

    size: int
    changed_ns: int
    inode: int


def look_at(path: Path) -> Look | None:
    """Look at what is at ``path``; None where it is no file, or cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return Look(found.st_size, found.st_mtime_ns, found.st_ino)


def begins_as_dicom(path: Path) -> bool:
    """Whether the file at ``path`` begins as DICOM files do; a pipe that took its place holds up nobody.

    Raises:
        OSError: it cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and is_dicom(file.read(HEAD_BYTES))
