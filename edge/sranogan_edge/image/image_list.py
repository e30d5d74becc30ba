"""What a listing of images gives: what was taken, and what was passed over, with a reason each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

__all__ = ["ImageList", "PassedOver", "Reason", "told", "told_counts"]


class Reason(str, Enum):
    """Why something was passed over; the value is what to call one of its kind."""

    HIDDEN = "hidden"
    SYSTEM = "of the system"
    UNFINISHED = "unfinished"
    NOT_IMAGE = "not an image"
    OWN = "our own output"
    AGAIN = "reached before"
    UNREADABLE = "unreadable"


_SEVERAL = {Reason.NOT_IMAGE: "not images", Reason.OWN: "our own outputs"}


@dataclass(frozen=True)
class PassedOver:
    """A file or folder that was not taken; nothing below such a folder was.

    Attributes:
        path: where it is.
        reason: of which kind.
        detail: more of it; of what is unreadable, a message with the path and the cure.
    """

    path: Path
    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        if self.reason is Reason.UNREADABLE:
            return self.detail
        return f"{self.path}: {self.reason.value}{f' ({self.detail})' if self.detail else ''}"


@dataclass(frozen=True)
class ImageList:
    """What was found below some files and folders.

    Attributes:
        taken: the images, those of each place in the order of their names.
        passed_over: all else, each with its reason; what is unreadable may hide images.
        linked: those of ``taken`` that only a link inside of a place led to.
    """

    taken: tuple[Path, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    linked: frozenset[Path] = frozenset()

    @property
    def unreadable(self) -> tuple[PassedOver, ...]:
        """What the system did not let us look at: a failure each."""
        return tuple(one for one in self.passed_over if one.reason is Reason.UNREADABLE)

    @property
    def left_out(self) -> tuple[PassedOver, ...]:
        """What was passed over on purpose."""
        return tuple(one for one in self.passed_over if one.reason is not Reason.UNREADABLE)

    @property
    def figures(self) -> dict[str, Any]:
        """What was left out, for JSON.

        ``passed_over`` has how many, by reason; ``passed_over_files`` the ``file``, ``reason`` and ``detail``
        of each.
        """
        found = Counter(one.reason for one in self.left_out)
        return {
            "passed_over": {reason.value: found[reason] for reason in Reason if found[reason]},
            "passed_over_files": [
                {"file": str(one.path), "reason": one.reason.value, "detail": one.detail}
                for one in self.left_out
            ],
        }


def told_counts(passed_over: Iterable[PassedOver]) -> str:
    """``passed over: 3 hidden, 2 not images``; empty where nothing was."""
    found = Counter(one.reason for one in passed_over)
    parts = [
        f"{found[reason]} {_SEVERAL.get(reason, reason.value) if found[reason] > 1 else reason.value}"
        for reason in Reason
        if found[reason]
    ]
    return f"passed over: {', '.join(parts)}" if parts else ""


def told(passed_over: Sequence[PassedOver], *, verbose: bool) -> list[str]:
    """Say how much was passed over, and with ``verbose`` what, and why: a line each."""
    counts = told_counts(passed_over)
    if verbose:
        return [*filter(None, [counts]), *(f"passed over: {one}" for one in passed_over)]
    return [f"{counts} (--verbose names them)"] if counts else []
