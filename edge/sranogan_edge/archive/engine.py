"""What an engine is to a run: shards go in, rows, signs of life and deaths come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sranogan_edge import errors
from sranogan_edge.archive.item import Item
from sranogan_edge.errors import BackendError, SranoganError

__all__ = ["Died", "Done", "Engine", "Event", "Moved", "Work", "refusal"]


@dataclass(frozen=True)
class Work:
    """A shard to be scored.

    Attributes:
        number: of the shard.
        items: its images.
    """

    number: int
    items: Sequence[Item]


@dataclass(frozen=True)
class Event:
    """What happened to a shard.

    Attributes:
        number: of the shard.
    """

    number: int


@dataclass(frozen=True)
class Moved(Event):
    """One more of its images was scored; ``error`` is its kind of error, empty where it has none."""

    error: str = ""


@dataclass(frozen=True)
class Done(Event):
    """All were; ``rows`` as :func:`sranogan_edge.archive.output.packed` gives them."""

    rows: bytes = b""


@dataclass(frozen=True)
class Died(Event):
    """Its worker ended.

    Attributes:
        at: how many images it had scored; the next one was in hand.
        why: how it ended.
    """

    at: int = 0
    why: str = ""


class Engine(Protocol):
    """Scores shards on several workers."""

    def wants(self) -> bool:
        """Whether it takes one more shard now."""

    def submit(self, work: Work) -> None:
        """Take a shard."""

    def events(self, timeout_s: float) -> list[Event]:
        """Wait for what happens, at most so long.

        Raises:
            SranoganError: a worker is refused, or none can be had; the run ends.
        """

    def close(self) -> None:
        """End all workers."""


def refusal(kind: str, text: str) -> SranoganError:
    """Return the error that a worker told by its kind and text; BackendError where there is no such kind."""
    found = getattr(errors, kind, BackendError)
    is_ours = isinstance(found, type) and issubclass(found, SranoganError)
    return found(text) if is_ours else BackendError(text)
