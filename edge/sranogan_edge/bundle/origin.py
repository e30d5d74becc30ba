"""What a model learned from, and when, as its bundle says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["NOT_SAID", "Origin", "origin_of"]

NOT_SAID = "the bundle does not say"
_CHARACTERS = 200


@dataclass(frozen=True)
class Origin:
    """Where a model comes from, for people; a bundle that was not signed may say anything.

    Attributes:
        data: the name of the normals that it learned from, and how many there were.
        trained: when the training began, ISO 8601.
    """

    data: str = NOT_SAID
    trained: str = NOT_SAID


def origin_of(details: Mapping[str, Any]) -> Origin:
    """Read it from a bundle's ``details``; what is missing, or of another kind, is not said."""
    stated = details.get("provenance")
    if not isinstance(stated, dict):
        return Origin()
    counts = [
        f"{stated[key]:,} {words}"
        for key, words in (("normals_to_train", "normals"), ("normals_held_out", "held out"))
        if type(stated.get(key)) is int
    ]
    data = _plain(stated.get("data"))
    told = f"{data}: {', '.join(counts)}" if data and counts else data or ", ".join(counts)
    return Origin(told or NOT_SAID, _plain(stated.get("started")) or NOT_SAID)


def _plain(stated: object) -> str:
    """Return text in one line, of what can be printed, and not too long; empty where it is none."""
    if not isinstance(stated, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in stated)[:_CHARACTERS].strip()
