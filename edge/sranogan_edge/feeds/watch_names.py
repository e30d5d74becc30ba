"""Names in ``done/`` and ``failed/``: free, and never longer than a file system takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["free_name"]

NAME_BYTES = 255  # of Linux's file systems
_MOST_SUFFIX_BYTES = 32  # a longer one is part of the name


def free_name(path: Path, is_there: Callable[[Path], bool] = os.path.lexists) -> Path:
    """``path``, or with a number before its suffix where an earlier file has that name (``is_there``).

    The name is cut where the number would make it longer than 255 bytes.
    """
    if not is_there(path):
        return path
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _MOST_SUFFIX_BYTES else ""
    stem = path.name.removesuffix(suffix)
    return next(
        free
        for number in range(2, 1 << 31)
        if not is_there(free := path.with_name(_numbered(stem, f"-{number}{suffix}")))
    )


def _numbered(stem: str, end: str) -> str:
    room = NAME_BYTES - len(os.fsencode(end))
    while len(os.fsencode(stem)) > room:  # whole characters go, not bytes of them
        stem = stem[:-1]
    return stem + end
