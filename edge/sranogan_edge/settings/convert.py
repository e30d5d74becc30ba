"""From the values of a file or of the environment to the types of the settings; every problem is kept."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sranogan_edge.errors import FeedError, SettingsError
from sranogan_edge.place import repeated
from sranogan_edge.redact import without_password
from sranogan_edge.settings.lines import KeyPath

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["UNUSABLE", "FromEnvironment", "Problem", "Reading", "build"]

_SHOWN_CHARACTERS = 80
_SECRETS = {"token", "password", "secret"}
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
UNUSABLE: Any = object()  # stands for a value that is not there, or wrong


@dataclass(frozen=True)
class FromEnvironment:
    """A value as an environment variable has it."""

    variable: str
    text: str


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, which value, and the cure."""

    path: KeyPath
    value: object
    message: str

    def __str__(self) -> str:
        name = self.value.variable if isinstance(self.value, FromEnvironment) else dotted(self.path)
        return f"{name}{_shown(self)}: {self.message}"


@dataclass
class Reading:
    """One reading of settings.

    Attributes:
        base: folder that relative paths start from.
        problems: found so far.
        choose: gives the class of a list's entry and the entry as it is to be read; raises SettingsError
            or FeedError.
    """

    base: Path
    choose: Callable[[type, dict[str, Any], Path], tuple[type, dict[str, Any]]]
    problems: list[Problem] = field(default_factory=list)

    def note(self, path: KeyPath, value: object, message: str) -> Any:
        """Keep a problem; returns what stands for no value."""
        self.problems.append(Problem(path, value, message))
        return UNUSABLE


def dotted(path: KeyPath) -> str:
    """``feeds[0].uri``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def build(kind: type, table: object, path: KeyPath, reading: Reading) -> Any:
    """Return ``kind`` made of what is right in ``table``; what stands for none where that is not enough."""
    if not isinstance(table, dict):
        return reading.note(path, table, f"must be a table. Write [{dotted(path)}] and its keys below")
    known, complete = get_type_hints(kind), True
    for name in table.keys() - known.keys():
        reading.note((*path, name), table[name], _unknown(name, list(known)))
    values: dict[str, Any] = {}
    for one in fields(kind):
        if one.name in table:
            found = convert(known[one.name], table[one.name], (*path, one.name), reading)
            if found is not UNUSABLE:
                values[one.name] = found
                continue
        elif one.default is MISSING and one.default_factory is MISSING:
            reading.note((*path, one.name), None, "is missing. Add it")
        complete &= one.default is not MISSING or one.default_factory is not MISSING
    return _made(kind, values, table, path, reading) if complete else UNUSABLE


def _made(kind: type, values: dict[str, Any], table: dict[str, Any], path: KeyPath, reading: Reading) -> Any:
    """Return ``kind(**values)``, without the values that it refuses.

    A refusal is of the first key that its message names. One that names a key whose value was no use
    (it is in ``table`` and not in ``values``) may follow from that, and is not noted.
    """
    while True:
        try:
            return kind(**values)
        except (SettingsError, FeedError) as error:
            named = [word for word in re.findall(r"\w+", str(error)) if word in table]
            at = (*path, *named[:1])
            if all(name in values for name in named):
                reading.note(at, table[named[0]] if named else None, str(error).rstrip("."))
            refused = next((name for name in named if name in values), "uri")
            if refused == "uri":
                return UNUSABLE
            del values[refused]


def convert(hint: Any, value: object, path: KeyPath, reading: Reading) -> Any:
    """Return ``value`` as ``hint`` wants it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if _text(value) == "none":
            return None
        return convert(next(one for one in inner if one is not type(None)), value, path, reading)
    if origin is tuple:
        return _many(inner, value, path, reading)
    if origin is Literal:
        if _text(value) not in inner:
            return reading.note(path, value, f"must be one of {', '.join(map(repr, inner))}")
        return _text(value)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return build(hint, value, path, reading)
    return _plain(hint, value, path, reading)


def _plain(hint: Any, value: object, path: KeyPath, reading: Reading) -> Any:
    found = _text(value) if hint in (str, Path) else _parsed(value)
    if hint is float and type(found) is int:
        found = float(found)
    if hint is str and isinstance(found, date):  # TOML has times without quotes, datetimes among them
        found = found.isoformat()
    wanted = str if hint is Path else hint
    if type(found) is not wanted:
        return reading.note(path, value, f"must be {_NAMES[hint]}")
    if hint is float and found != found:
        return reading.note(path, value, "must be a number")
    if hint in (str, Path) and not found.startswith("gst:") and (control := _CONTROL.search(found)):
        return reading.note(
            path,
            value,
            f"holds the control character {control[0]!r}. TOML reads \\t, \\n and the like in double quotes "
            "as such: write paths of Windows in single quotes: 'C:\\temp'",
        )
    if hint is Path:
        return reading.base / Path(found).expanduser() if found else reading.note(path, value, "is empty")
    return found


def _many(inner: tuple[Any, ...], value: object, path: KeyPath, reading: Reading) -> Any:
    found = _parsed(value)
    if isinstance(value, FromEnvironment) and isinstance(found, str):  # A,B,C
        found = [FromEnvironment(value.variable, part.strip()) for part in found.split(",") if part.strip()]
    if isinstance(inner[0], type) and is_dataclass(inner[0]):
        return _entries(inner[0], found, path, reading)
    if not isinstance(found, list):
        return reading.note(path, value, f"must be a list: [{_NAMES[inner[0]]}, ...]")
    hints = [inner[0]] * len(found) if inner[-1] is Ellipsis else list(inner)
    if len(found) != len(hints):
        return reading.note(path, value, f"must have {len(hints)} values, has {len(found)}")
    made = [convert(hint, one, path, reading) for hint, one in zip(hints, found, strict=True)]
    return UNUSABLE if any(one is UNUSABLE for one in made) else tuple(made)


def _entries(kind: type, found: object, path: KeyPath, reading: Reading) -> Any:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return reading.note(
            path, found, f'must be a list of tables. Write [[{dotted(path)}]] and uri = "..."'
        )
    made = []
    for position, entry in enumerate(found):
        at = (*path, position)
        try:
            chosen, table = reading.choose(kind, entry, reading.base)
        except (SettingsError, FeedError) as error:
            made.append(reading.note((*at, "uri"), entry.get("uri"), str(error)))
            continue
        made.append(build(chosen, table, at, reading))
    for position in repeated([None if one is UNUSABLE else one for one in made]):
        uri = str(made[position])
        made[position] = reading.note((*path, position, "uri"), uri, "is named twice. Leave one out")
    return tuple(one for one in made if one is not UNUSABLE)


def _parsed(value: object) -> object:
    """Return a variable's text as TOML has it (4, true, ["A", "B"]), else as it is."""
    if not isinstance(value, FromEnvironment):
        return value
    try:
        return tomllib.loads(f"value = {value.text}")["value"]
    except tomllib.TOMLDecodeError:
        return value.text


def _text(value: object) -> object:
    return value.text if isinstance(value, FromEnvironment) else value


def _unknown(name: str, known: list[str]) -> str:
    if name in _SECRETS and f"{name}_file" in known:
        return (
            f"secrets do not stand in the settings. Write it into a file that only the service's user may "
            f"read, and name that with {name}_file"
        )
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"unknown key. {f'Nearest is {near[0]}; known' if near else 'Known'} are {', '.join(known)}"


def _shown(problem: Problem) -> str:
    if problem.value is None:
        return ""
    secret = bool(problem.path) and problem.path[-1] in _SECRETS
    text = "(not shown)" if secret else without_password(repr(_text(problem.value)))
    return f" = {text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + '...'}"
