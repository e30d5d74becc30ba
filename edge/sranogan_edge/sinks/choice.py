"""Which results a sink gets: from when on, and of which verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, get_args

from sranogan_edge.errors import SettingsError

__all__ = ["NOW", "Choice", "Only", "start_of"]

Only = Literal["all", "anomalous", "normal"]
NOW, ALL = "now", "all"


@dataclass(frozen=True)
class Choice:
    """Which results one sink is handed.

    Attributes:
        since: what a sink that is new gets of those that are there: ``now``, ``all``, or a time.
        only: the verdict of what it gets; ``all`` takes results without a verdict, too.

    Raises:
        SettingsError: neither can be.
    """

    since: str = ALL
    only: Only = "all"

    def __post_init__(self) -> None:
        start_of(self.since)
        if self.only not in get_args(Only):
            raise SettingsError(f"only must be one of {', '.join(get_args(Only))}; received {self.only!r}")

    def takes(self, line: Mapping[str, Any]) -> bool:
        """Whether the sink is to have the result ``line``."""
        return self.only == "all" or line.get("verdict") == self.only


def start_of(since: str) -> str | None:
    """Return the time that ``since`` names as a result's ``scored_at`` has it; None for ``now`` and ``all``.

    Raises:
        SettingsError: it is none of these.
    """
    if since in (NOW, ALL):
        return None
    text = re.sub("(?<=[0-9])[Zz]$", "+00:00", since)  # Python 3.10 reads no Z
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=timezone.utc) if found.tzinfo is None else found
        return found.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f'since must be "now", "all", or a time such as "2026-01-31T08:00:00Z" (UTC where it names no '
            f"zone); received {since!r}"
        ) from error
