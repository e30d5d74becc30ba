"""One image of an archive, before it is read, and what an archive is to those that score it."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Protocol, TypeAlias

from sranogan_edge.errors import ImageError

__all__ = ["Content", "Item", "Source", "file_of"]


@dataclass(frozen=True)
class Item:
    """An image as it is listed.

    Attributes:
        name: what its row calls it.
        place: where its source finds it: text and whole numbers, as JSON has them.
        problem: why it will not be read: a message; empty where it will.
    """

    name: str
    place: tuple[str | int, ...] = ()
    problem: str = ""

    def to_json(self) -> list[Any]:
        """As a ledger keeps it."""
        return [self.name, list(self.place), self.problem]

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Item:
        """The inverse of :meth:`to_json`."""
        name, place, problem = values
        return cls(str(name), tuple(place), str(problem))

    def refused(self, problem: str) -> Item:
        """The same, not to be read because of ``problem``."""
        return replace(self, problem=problem)


Content: TypeAlias = BinaryIO | ImageError
"""The open file of an image, for its reader to close, or why it cannot be had."""


class Source(Protocol):
    """An archive.

    Attributes:
        identity: the same for the same archive, whatever it is called on a command line.
        passed_over: how many files and folders the newest list came to and did not take, by reason.
    """

    identity: str
    passed_over: Counter[str]

    def items(self, after: Item | None, known: Iterable[Item]) -> Iterator[Item]:
        """List the images, each once, in an order that is the same at every call.

        Args:
            after: the last one that an earlier call gave; those up to it are left out.
            known: all that earlier calls gave, for sources that have no order of their own.

        Raises:
            FeedError: the archive cannot be listed.
        """

    def open(self, items: Sequence[Item]) -> Iterator[Content]:
        """Open so many images one after the other, in the order of the list.

        Raises:
            FeedError: the archive is out of reach; no image is at fault.
        """


def file_of(data: bytes) -> BinaryIO:
    """Return an open file with ``data``, in memory where the system has such files, else on the disk."""
    if hasattr(os, "memfd_create"):
        file: BinaryIO = os.fdopen(os.memfd_create("image", os.MFD_CLOEXEC), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the reader closes it
    file.write(data)
    file.seek(0)
    return file
