"""What feeds and sinks have in common: a URI, and options for whoever opens it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from sranogan_edge.redact import without_password

__all__ = ["PlaceSettings", "repeated"]


@dataclass(frozen=True)
class PlaceSettings:
    """A feed or a sink.

    Attributes:
        uri: a password in it is refused.
    """

    once = True  # only one may have this URI
    uri: str

    def __str__(self) -> str:
        return without_password(self.uri)

    def options(self) -> dict[str, Any]:
        """What the opener takes beside the URI: all that is not the default."""
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name != "uri" and getattr(self, one.name) != _default(one)
        }


def repeated(places: Sequence[PlaceSettings | None]) -> list[int]:
    """Return the positions of those whose URI an earlier one has; files may be named again."""
    uris = [place.uri if place and place.once else None for place in places]
    return [number for number, uri in enumerate(uris) if uri is not None and uri in uris[:number]]


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()
