"""Settings from a file: any of those that a run saves, over a preset, below what the command line says."""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from keras_sranogan.settings import TrainSettings
from sranogan_edge.errors import SettingsError
from sranogan_edge.text import decode_text

__all__ = ["changed_by", "merged", "read_settings_file"]

MAX_BYTES = 2**20
NEAR = 0.6  # how alike a name is that may have been meant (difflib's ratio)
AT_LEAST_ONE = (  # whole numbers that nothing can be built or trained with at 0
    *("batch", "pairs", "latent_dim", "base_width", "max_width", "width", "filters", "blocks", "kernel_px"),
    *("discriminator_width", "feature_block", "r1_every", "checkpoint_every_steps"),
)
CHECKED = ("seed", "size", "contamination")  # elsewhere, in the words of the command's options
T = TypeVar("T")


def read_settings_file(path: Path) -> dict[str, Any]:
    """Return what a ``.json`` or ``.toml`` file names, nested as in ``settings.json`` of a run.

    Raises:
        SettingsError: it cannot be read, is neither, or names what is no setting.
    """
    if path.suffix.lower() not in (".json", ".toml"):
        raise SettingsError(f"{path}: settings are in a .json or .toml file; received {path.suffix!r}")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: larger than {MAX_BYTES:,} bytes: that is no file of settings")
        text = decode_text(path.read_bytes(), path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error
    kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        values = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: is no {kind} ({error}). Correct it there.") from error
    if not isinstance(values, dict):
        raise SettingsError(f'{path}: settings are names with values, such as {{"seed": 1}}')
    _check_names(TrainSettings, values, "")
    usual = TrainSettings()
    for name, inner in values.items():
        if isinstance(inner, Mapping) and is_dataclass(getattr(usual, name)):
            _check_names(type(getattr(usual, name)), inner, f"{name}.")
    return values


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, nested; where both name a setting, ``above`` counts."""
    made = dict(below)
    for name, value in above.items():
        inner = made.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        made[name] = merged(inner, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return made


def changed_by(settings: T, values: Mapping[str, Any], place: str = "") -> T:
    """Return ``settings`` (a dataclass) with what ``values`` names, nested; the rest stays.

    Raises:
        SettingsError: a name that is no setting (the nearest one is told), or a value that cannot work.
    """
    _check_names(type(settings), values, place)
    made: dict[str, Any] = {}
    for name, value in values.items():
        now, where = getattr(settings, name), f"{place}{name}"
        if not is_dataclass(now):
            made[name] = _of_kind(now, value, where)
        elif isinstance(value, Mapping):
            made[name] = changed_by(now, value, f"{where}.")
        else:
            raise SettingsError(f"{where} holds settings of its own, by name; received {value!r}")
    return replace(settings, **made)  # type: ignore[type-var]  # a dataclass, as said


def _of_kind(now: object, value: object, name: str) -> object:
    """``value`` as the kind that ``now`` is; a whole number may stand for a fraction, a list for a tuple."""
    found: object = None
    last = name.rpartition(".")[2]
    if last == "region":  # corners: checked where they are used
        found = value if isinstance(value, list) else None
    elif isinstance(now, tuple):
        found = tuple(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else None
    elif isinstance(now, float):
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        found = float(value) if number else None  # type: ignore[arg-type]  # it is a number
    elif type(value) is type(now):
        found = value
    least = 1 if last in AT_LEAST_ONE else 0
    if found is None or (isinstance(found, (int, float)) and found < least and last not in CHECKED):
        kinds = {bool: "true or false", int: f"a whole number from {least} up", tuple: "a list of names"}
        wanted = kinds.get(type(now), "a number from 0 up" if isinstance(now, float) else "a text")
        raise SettingsError(f"{name} must be {wanted}, such as {json.dumps(now)}; received {value!r}")
    if name == "calibration_share" and not 0 < float(value) < 1:  # type: ignore[arg-type]  # it is a number
        raise SettingsError(f"{name} must be above 0 and below 1; received {value!r}")
    return found


def _check_names(cls: type[Any], values: Mapping[str, Any], place: str) -> None:
    known = [one.name for one in fields(cls)]
    told = [f"{place}{name}{_meant(name, known, place)}" for name in values if name not in known]
    if told:
        where = f"in {place[:-1]} there are" if place else "there are"
        raise SettingsError(f"no such setting: {'; '.join(told)}. {where.capitalize()} {', '.join(known)}.")


def _meant(name: str, known: list[str], place: str) -> str:
    """Ask for the nearest name: of the same place, or else anywhere; empty where none is near."""
    if "." not in name and (near := difflib.get_close_matches(name, known, 1, NEAR)):
        return f" (did you mean {place}{near[0]}?)"
    paths = {path: path for path in _paths(TrainSettings())}
    paths |= {path.rpartition(".")[2]: path for path in reversed(paths)}
    near = difflib.get_close_matches(name, paths, 1, NEAR)
    return f" (did you mean {paths[near[0]]}, one inside the other?)" if near else ""


def _paths(settings: Any, place: str = "") -> Iterator[str]:
    for one in fields(settings):
        inner = getattr(settings, one.name)
        if is_dataclass(inner):
            yield from _paths(inner, f"{place}{one.name}.")
        else:
            yield f"{place}{one.name}"
