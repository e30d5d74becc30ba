"""What feeds and sinks have in common: a URI, and options for whoever opens it."""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from sranogan_edge.settings.secret import without_password

__all__ = ["PlaceSettings"]


@dataclass(frozen=True)
class PlaceSettings:
    """A feed or a sink.

    Attributes:
        uri: a password in it is refused.
    """

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


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()
