"""The tables of the settings: ``python -m sranogan_edge.settings.table docs/guide/settings.md``."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sranogan_edge.feeds.kinds import FEEDS
from sranogan_edge.option import bounds_of
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.kinds import SINKS

__all__ = ["settings_tables", "with_tables"]

BEGIN, END = "<!-- tables: generated from the code -->", "<!-- end of the tables -->"
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true, false", Path: "path"}


def settings_tables() -> str:
    """Return one Markdown table for each section, and for each kind of feed and sink."""
    hints = get_type_hints(Settings)
    parts = [_table("Top level, above all sections", Settings)]
    parts += [_table(f"`[{name}]`", kind) for name, hint in hints.items() if (kind := _section(hint))]
    for name, registry in (("feeds", FEEDS), ("sinks", SINKS)):
        for kind in dict.fromkeys(registry.values()):
            parts.append(
                _table(f"`[[{name}]]` {_described(kind)['uri'].partition(';')[0].rstrip('.')}", kind)
            )
            parts += [
                _table(f"`[{name}.{field}]`", inner)
                for field, hint in get_type_hints(kind).items()
                if (inner := _section(hint))
            ]
    return "\n\n".join(parts)


def with_tables(text: str) -> str:
    """Return ``text`` with the tables between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the text needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{settings_tables()}\n\n{END}{after}"


def _table(title: str, kind: type) -> str:
    lines = [
        f"### {title}",
        "",
        _summary(kind),
        "",
        "| key | value | default | meaning |",
        "|---|---|---|---|",
    ]
    described = _described(kind)
    for name, type_name, default in _keys(kind):
        meaning = described[name].replace("|", "\\|")
        lines.append(f"| `{name}` | {type_name} | {default} | {meaning} |")
    return "\n".join(lines)


def _keys(kind: type) -> Iterator[tuple[str, str, str]]:
    hints = get_type_hints(kind)
    for one in fields(kind):
        hint = hints[one.name]
        if _section(hint) or one.name in ("feeds", "sinks"):
            continue
        default = "(needed)" if one.default is MISSING else f"`{_toml(one.default)}`"
        yield one.name, _type_name(hint, f", {bounds_of(one)}".rstrip(", ")), default


def _section(hint: Any) -> type | None:
    found = next((one for one in (*get_args(hint), hint) if is_dataclass(one)), None)
    return found if isinstance(found, type) and get_origin(hint) is not tuple else None


def _type_name(hint: Any, bounds: str = "") -> str:
    inner = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return f'{_type_name(inner[0], bounds)}, or `"none"`'
    if get_origin(hint) is Literal:
        return ", ".join(f'`"{one}"`' for one in inner)
    if get_origin(hint) is tuple:
        number = "" if inner[-1] is Ellipsis else f"{len(inner)} "
        return f"list of {number}{_type_name(inner[0])}s{bounds}".replace("texts", "text")
    return _NAMES[hint] + bounds


def _toml(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, (str, Path)) else str(value)


def _summary(kind: type) -> str:
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())


def _described(kind: type) -> dict[str, str]:
    """Return the text of each attribute in the docstring."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        section = (one.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
        for name, text in re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section, re.MULTILINE):
            found[name] = " ".join(text.split())
    return found


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        file.write_text(with_tables(file.read_text(encoding="utf-8")), encoding="utf-8")
