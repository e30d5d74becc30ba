"""What feeds and sinks have in common: a URI, and options that are declared beside what they open."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.option import Options
from sranogan_edge.redact import without_password

__all__ = ["Place", "repeated"]


@dataclass(frozen=True)
class Place(Options, ABC):
    """A feed or a sink, as the settings name it.

    Attributes:
        uri: a password in it is refused.
    """

    once = True  # only one may have this URI
    uri: str

    def __str__(self) -> str:
        return without_password(self.uri)

    @property
    def scheme(self) -> str:
        """What stands before the colon; empty without one."""
        return self.uri.partition(":")[0].lower() if ":" in self.uri else ""

    @property
    def path(self) -> Path | None:
        """The file or folder of this machine that it stands for; None where it is none."""
        return None


def repeated(places: Sequence[Place | None]) -> list[int]:
    """Return the positions of those whose URI an earlier one has; files may be named again."""
    uris = [place.uri if place and place.once else None for place in places]
    return [number for number, uri in enumerate(uris) if uri is not None and uri in uris[:number]]
