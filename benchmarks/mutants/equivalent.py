"""Changes of the code that nobody can see from outside, for a reason that ``equivalent.toml`` has."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

__all__ = ["CASE_OF_SQL", "LISTED", "listed", "readable", "reasons"]

LISTED = Path(__file__).with_name("equivalent.toml")
CASE_OF_SQL = "SQLite takes keywords and names in upper and lower case alike"
_WORDS = (
    "order by|select|insert|update|delete|create|alter|pragma|begin|commit|rollback|join|from|where|values"
)
_SQL = re.compile(rf"\b({_WORDS})\b|\brows?\[|[<>=] \?", re.IGNORECASE)
_WITH_SQL = ("sranogan_edge.spool.", "sranogan_edge.sinks.")
_LITERAL = re.compile(r"'[^']*'")  # inside a statement: their case counts
Change = tuple[str, str, str]  # where, the line as it is, the line as it was changed


def readable(mutant: str) -> str:
    """``pkg.module.xǁClassǁmethod__mutmut_3`` is one of ``pkg.module.Class.method``; of functions alike."""
    module, _, name = re.sub(r"__mutmut_\d+$", "", mutant).rpartition(".")
    return f"{module}.{name[2:].replace('ǁ', '.') if name[:2] in ('xǁ', 'x_') else name}"


@cache
def listed() -> dict[Change, str]:
    """Return the reason of each change that is listed."""
    entries = tomllib.loads(LISTED.read_text(encoding="utf-8"))["change"]
    return {
        (entry["where"], entry["line"], becomes): entry["reason"]
        for entry in entries
        for becomes in entry["becomes"]
    }


def reasons(changes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return why a change is none, by mutant, of those of ``changes`` (lines with - and +) that are."""
    found = {}
    for mutant, lines in changes.items():
        was, becomes = (" ".join(line[1:].strip() for line in lines if line[:1] == sign) for sign in "-+")
        reason = listed().get((readable(mutant), was, becomes))
        if not reason and mutant.startswith(_WITH_SQL) and _only_case_of_sql(was, becomes):
            reason = CASE_OF_SQL
        if reason:
            found[mutant] = reason
    return found


def _only_case_of_sql(was: str, becomes: str) -> bool:
    if was.lower() != becomes.lower() or not _SQL.search(was):
        return False
    return _LITERAL.findall(was) == _LITERAL.findall(becomes)
