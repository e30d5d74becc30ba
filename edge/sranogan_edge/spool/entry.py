"""What a spool holds and hands out, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sranogan_edge.option import Options, option

__all__ = ["STATES", "Cursor", "Ended", "Entry", "SpoolLimits", "State", "StoredResult", "storable"]

State = Literal["received", "scoring", "done", "dead"]
STATES: tuple[State, ...] = ("received", "scoring", "done", "dead")


@dataclass(frozen=True)
class SpoolLimits(Options):
    """What a spool accepts.

    Attributes:
        max_object_bytes: larger objects are refused.
        min_free_bytes: objects are refused when the disk would have less; results may still be written.
        max_attempts: an object that ended the runner this often while it was scored is dead-lettered.
    """

    max_object_bytes: int = option(256 << 20, least=1)
    min_free_bytes: int = option(64 << 20, least=0)
    max_attempts: int = option(3, least=1)


@dataclass(frozen=True)
class Entry:
    """One object.

    Attributes:
        sequence: in the order of arrival, from 1.
        key: what makes it this object; a second ``put`` of it returns this entry.
        source: what to call it.
        identity: what the sender calls it.
        path: the file with its bytes; None where it was refused and never stored.
        size: in bytes.
        received_at: Unix time in seconds, as the clock had it.
        state: where it is on its way.
        attempts: how often scoring it began.
        reason: why it is dead, or why the last attempt failed.
        origin: a file that its feed still holds; empty where there is none.
        feed: name of the feed that brought it; empty where that is not known.
    """

    sequence: int
    key: str
    source: str
    identity: Mapping[str, str]
    path: Path | None
    size: int
    received_at: float
    state: State
    attempts: int
    reason: str
    origin: str
    feed: str = ""

    @property
    def ended(self) -> bool:
        """Whether it has its result."""
        return self.state in ("done", "dead")


@dataclass(frozen=True)
class Ended:
    """An object that retention may remove.

    Attributes:
        sequence: of the object.
        age_s: seconds of use of the spool since it was finished.
        size: in bytes.
        heat_map: path of its heat map, relative to the results folder; None without one.
    """

    sequence: int
    age_s: float
    size: int
    heat_map: str | None


@dataclass(frozen=True)
class StoredResult:
    """A result on its way to the sinks.

    Attributes:
        number: in the order in which results were written.
        sequence: of the object; None for a camera's frame.
        identity: what the sender calls it.
        line: ready for JSON.
        path: the file with the object's bytes, there until every sink has the result; None without one.
    """

    number: int
    sequence: int | None
    identity: Mapping[str, str]
    line: Mapping[str, Any]
    path: Path | None = None


@dataclass(frozen=True)
class Cursor:
    """How far a sink is: the last result that it has, and a place of its own (bytes of a file)."""

    number: int = 0
    offset: int = 0


def storable(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """File names may hold bytes that are no text, which SQLite does not take: they are escaped."""
    return tuple(v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for v in values)
