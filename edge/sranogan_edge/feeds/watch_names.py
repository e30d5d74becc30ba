"""Names in ``done/`` and ``failed/``: free, and never longer than a file system takes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["free_name", "remove_empty", "remove_empty_tree"]

NAME_BYTES = 255  # of Linux's file systems
_MOST_SUFFIX_BYTES = 32  # a longer one is part of the name


def free_name(path: Path) -> Path:
    """``path``, or with a number before its suffix where an earlier file has that name.

    The name is cut where the number would make it longer than 255 bytes.
    """
    if not os.path.lexists(path):
        return path
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _MOST_SUFFIX_BYTES else ""
    stem = path.name.removesuffix(suffix)
    return next(
        free
        for number in range(2, 1 << 31)
        if not os.path.lexists(free := path.with_name(_numbered(stem, f"-{number}{suffix}")))
    )


def _numbered(stem: str, end: str) -> str:
    room = NAME_BYTES - len(os.fsencode(end))
    while len(os.fsencode(stem)) > room:  # whole characters go, not bytes of them
        stem = stem[:-1]
    return stem + end


def remove_empty(folder: Path, stop: Path) -> None:
    """Remove ``folder`` and those above it, up to ``stop``, as far as they are empty."""
    with suppress(OSError):
        while folder != stop:
            folder.rmdir()
            folder = folder.parent


def remove_empty_tree(folder: Path) -> None:
    """Remove ``folder`` and those below it where no file is in them."""
    with suppress(OSError):
        for inner, _, _ in os.walk(folder, topdown=False):
            os.rmdir(inner)
