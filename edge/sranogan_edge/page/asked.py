"""What a visitor looks for, from an address to a query and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from sranogan_edge.errors import SettingsError
from sranogan_edge.results.line import VERDICTS
from sranogan_edge.spool.search import Query

__all__ = ["Asked", "number_of", "query_of"]

_DIGITS = 18  # of a number: more are none that anything has, and Python refuses thousands
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHOWN = 40  # characters of what was wrong


@dataclass(frozen=True)
class Asked:
    """The form as it was filled in, whether it can be answered or not.

    Attributes:
        q: text.
        verdict: one of ``VERDICTS``; empty for all.
        since: day.
        until: day.
        page: number, from 1.
    """

    q: str = ""
    verdict: str = ""
    since: str = ""
    until: str = ""
    page: str = ""

    @classmethod
    def of(cls, params: Mapping[str, str]) -> Asked:
        """Read it from an address."""
        names = ("q", "verdict", "since", "until", "page")
        return cls(*(params.get(name, "").strip() for name in names))

    def address(self, path: str, **changes: object) -> str:
        """Return ``path`` with what was asked for, and ``changes``."""
        asked = {**vars(self), **{name: str(value) for name, value in changes.items()}}
        said = urlencode({name: value for name, value in asked.items() if value})
        return f"{path}?{said}" if said else path

    @property
    def is_any(self) -> bool:
        """Whether nothing is asked for but the newest results."""
        return self == Asked()


def query_of(asked: Asked) -> Query:
    """Return what to look for.

    Raises:
        SettingsError: the text is too long, a day is none, or there is no such verdict or page.
    """
    if asked.verdict and asked.verdict not in VERDICTS:
        raise SettingsError(f"no verdict is {_short(asked.verdict)}; there are: {', '.join(VERDICTS)}")
    page = number_of(asked.page) if asked.page else 1
    if page is None:
        raise SettingsError(f"a page has a number, from 1; received {_short(asked.page)}")
    return Query(asked.q, asked.verdict, _day(asked.since), _day(asked.until), page)


def number_of(text: str) -> int | None:
    """A result's number, or a page's; None where it is none."""
    return int(text) if re.fullmatch(rf"[0-9]{{1,{_DIGITS}}}", text) else None


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:  # such as February 30
        pass
    raise SettingsError(f"a day is written like 2026-01-31; received {_short(text)}")


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
