"""In which line of a TOML file a key stands; the parser does not tell, and a person wants to know."""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["KeyPath", "key_lines", "line_of"]

KeyPath = tuple["str | int", ...]

_TABLE = re.compile(r"^\s*(\[\[?)([^\[\]]+)\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of each table and key of ``text``, which the TOML parser has accepted.

    Keys inside of inline tables and of arrays over several lines are not found: their parent is.
    """
    found: dict[KeyPath, int] = {}
    counts: Counter[KeyPath] = Counter()
    table: KeyPath = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if opened := _TABLE.match(line):
            table = _within(_names(opened[2]), counts)
            if opened[1] == "[[":
                counts[table] += 1
                table = (*table, counts[table] - 1)
            found.setdefault(table, number)
        elif named := _KEY.match(line):
            found.setdefault((*table, *_names(named[1])), number)
    return found


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Return the line of ``path``, or of the nearest parent that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _names(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _within(path: KeyPath, counts: Counter[KeyPath]) -> KeyPath:
    """``[feeds.still]`` belongs to the last of ``[[feeds]]``."""
    whole: KeyPath = ()
    for position, name in enumerate(path):
        whole = (*whole, name)
        if position < len(path) - 1 and counts[whole]:
            whole = (*whole, counts[whole] - 1)
    return whole
