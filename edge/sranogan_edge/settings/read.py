"""Settings from a TOML file and the environment: strict, and all that is wrong is said at once."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.feed import FeedSettings
from sranogan_edge.feeds.kinds import FEEDS, feed_kind
from sranogan_edge.redact import holds_password
from sranogan_edge.settings.convert import UNUSABLE, FromEnvironment, Problem, Reading, build
from sranogan_edge.settings.lines import KeyPath, key_lines, line_of
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.kinds import sink_settings
from sranogan_edge.text import decode_text, is_escape_trouble

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["PREFIX", "ReadSettings", "read_for_check", "read_settings"]

PREFIX = "SRANOGAN_"
MAX_BYTES = 2**20
_TOP_LEVEL = {
    "bundle",
    "out",
    "domain",
    "drift",
    "uploads",
}  # the only variables without a section that are settings


@dataclass(frozen=True)
class ReadSettings:
    """What a file says.

    Attributes:
        settings: without what is wrong: the default stands there, a feed or sink is left out.
        problems: a line for each.
        unusable: keys without a section that are among them, ``bundle`` and ``feeds`` also where missing.
    """

    settings: Settings
    problems: tuple[str, ...] = ()
    unusable: frozenset[str] = frozenset()


def read_settings(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the TOML file at ``path``, and let the variables ``SRANOGAN_SECTION__KEY`` override it.

    Relative paths, also those in URIs, start from the folder of the file.

    Raises:
        SettingsError: it cannot be read, or something in it is wrong; the message has a line for each.
    """
    found = read_for_check(path, environ)
    if found.problems:
        raise SettingsError("\n".join(found.problems))
    return found.settings


def read_for_check(path: Path, environ: Mapping[str, str] | None = None) -> ReadSettings:
    """Read as :func:`read_settings`, and leave out what is wrong, so that the rest can be looked at.

    Raises:
        SettingsError: the file cannot be read, or is not TOML.
    """
    text = _text_of(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_not_toml(path, text, str(error))) from error
    reading = Reading(path.resolve().parent, _chosen)
    _override(table, os.environ if environ is None else environ, reading)
    settings = build(Settings, table, (), reading)
    if table.get("feeds") == []:
        reading.note(
            ("feeds",), None, 'no feed is named. Add [[feeds]] with uri = "watch:/srv/in", for example'
        )
    whole = {one.path[0] for one in reading.problems if len(one.path) == 1}
    if settings is UNUSABLE:
        needed: dict[str, Any] = {
            name: value for name, value in (("bundle", "."), ("feeds", [])) if name in whole
        }
        settings = build(Settings, {**table, **needed}, (), Reading(reading.base, _chosen))
    lines = key_lines(text)
    found = sorted(reading.problems, key=lambda one: line_of(one.path, lines) or 0)
    problems = tuple(_described(one, path, lines) for one in found)
    return ReadSettings(settings, problems, frozenset(map(str, whole)))


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SettingsError(f"{path}: more than {MAX_BYTES:,} bytes are no settings. Check the path.")
    except OSError as error:
        raise SettingsError(
            f"{path}: the settings cannot be read ({error.strerror or error}). Check the path and its mode."
        ) from error
    return decode_text(data, path)


def _not_toml(path: Path, text: str, why: str) -> str:
    """What is wrong, with its line; where a Windows path is the reason, that one's cure."""
    at = re.search(r"at line (\d+)", why)
    lines = text.split("\n")
    number = int(at[1]) if at else len(lines)
    if "Unescaped" in why or "hex value" in why or is_escape_trouble(lines[number - 1].rstrip("\r")):
        return (
            f"{path}:{number}: in double quotes a backslash begins an escape, and this one is wrong ({why}). "
            "Write paths of Windows in single quotes: 'C:\\data'."
        )
    return f"{path}: not TOML: {why}. Text stands in quotes, lists in brackets: see docs/guide/settings.md."


def _described(problem: Problem, path: Path, lines: dict[KeyPath, int]) -> str:
    if isinstance(problem.value, FromEnvironment):
        return f"environment: {problem}."
    line = line_of(problem.path, lines)
    return f"{path}{f':{line}' if line else ''}: {problem}."


def _chosen(kind: type, entry: dict[str, Any], base: Path) -> tuple[type, dict[str, Any]]:
    """Return the class of a feed or sink, and its table with the paths in the URI made absolute."""
    stated = entry.get("uri")
    uri = stated.text if isinstance(stated, FromEnvironment) else stated
    if not isinstance(uri, str):
        return kind, entry
    if not isinstance(stated, FromEnvironment) and holds_password(uri):
        raise SettingsError(
            "a password stands in the settings. Write it into a file that only the service's user may read, "
            "and name that with password_file; or give the whole URI by environment variable"
        )
    chosen = FEEDS[feed_kind(uri)] if kind is FeedSettings else sink_settings(uri)
    return chosen, {**entry, "uri": _with_base(uri, kind is FeedSettings, base)}


def _with_base(uri: str, is_feed: bool, base: Path) -> str:
    scheme, _, rest = uri.partition(":")
    if is_feed and feed_kind(uri) in ("files", "video"):
        return str(base / Path(uri).expanduser())
    if scheme in (("watch",) if is_feed else ("jsonl", "sqlite")):
        return f"{scheme}:{base / Path(rest).expanduser()}"
    return uri


def _override(table: dict[str, Any], environ: Mapping[str, str], reading: Reading) -> None:
    """Put the variables ``SRANOGAN_A__0__B`` into ``table``."""
    for variable, text in sorted(environ.items()):
        parts = variable.removeprefix(PREFIX).lower().split("__")
        if not variable.startswith(PREFIX) or (len(parts) == 1 and parts[0] not in _TOP_LEVEL):
            continue
        path: KeyPath = tuple(int(part) if part.isdecimal() else part for part in parts)
        if not _put(table, path, FromEnvironment(variable, text)):
            cure = "Count feeds and sinks from 0, without a gap: SRANOGAN_FEEDS__0__URI"
            reading.note(path, FromEnvironment(variable, text), f"nothing to override there. {cure}")


def _put(table: Any, path: KeyPath, value: FromEnvironment) -> bool:
    for position, part in enumerate(path):
        last = position == len(path) - 1
        if isinstance(table, dict) and isinstance(part, str):
            if last:
                table[part] = value
            elif part not in table:
                table[part] = [] if isinstance(path[position + 1], int) else {}
            table = table[part]
        elif isinstance(table, list) and isinstance(part, int) and part <= len(table):
            if part == len(table):
                table.append(value if last else {})
            elif last:
                table[part] = value
            table = table[part]
        else:
            return False
    return True
