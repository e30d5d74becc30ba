"""Part of a page, between two marks, that is written from results: brought up to date, or only compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Check = Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 where it differs.")]


def with_part(text: str, name: str, inside: str) -> str:
    """Return ``text`` with ``inside`` between its marks ``NAME:begin`` and ``NAME:end``."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, rest = text.split(begin)
    return before + begin + inside + end + rest.split(end)[1]


def write_part(page: Path, name: str, inside: str, *, check: bool) -> None:
    """Bring the part of ``page`` up to date; with ``check`` end with exit code 1 where it is not, else 0."""
    text = page.read_text(encoding="utf-8")
    new = with_part(text, name, inside)
    if check:
        raise typer.Exit(int(new != text))
    page.write_text(new, encoding="utf-8")
