"""Options that say what they may be where they are declared: fields of frozen dataclasses."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import Field, field, fields
from typing import Any, cast

from sranogan_edge.errors import SettingsError

__all__ = ["Options", "bounds_of", "is_secret", "option"]

_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "above": operator.gt,
    "below": operator.lt,
    "least": operator.ge,
    "most": operator.le,
}
_UNITS = {"s": " seconds", "ms": " milliseconds", "bytes": " bytes"}


class Options:
    """Base of a dataclass of options: one whose number is out of its bounds is refused with SettingsError."""

    def __post_init__(self) -> None:
        for one in fields(cast(Any, self)):
            value = getattr(self, one.name)
            numbers = value if isinstance(value, tuple) else (value,)
            for name, bound in one.metadata.get("bounds", {}).items():
                if not all(number is None or _HOLDS[name](number, bound) for number in numbers):
                    raise SettingsError(f"{one.name} must be {bounds_of(one)}; received {value!r}")


def option(default: Any, *, secret: bool = False, **bounds: float) -> Any:
    """Return a field of a dataclass; what it means stands in the class's docstring.

    Args:
        default: of the field.
        secret: whether it names a file that only the service's user is to read.
        bounds: ``above``, ``below``, ``least`` or ``most`` of a number, or of each of several.
    """
    return field(default=default, metadata={"secret": secret, "bounds": bounds})


def is_secret(one: Field[Any]) -> bool:
    """Whether the option names a file that only the service's user is to read."""
    return bool(one.metadata.get("secret"))


def bounds_of(one: Field[Any]) -> str:
    """Say what numbers the option takes, with the unit that its name ends with; empty where it takes any."""
    bounds = {name: f"{bound:g}" for name, bound in one.metadata.get("bounds", {}).items()}
    unit = _UNITS.get(one.name.rpartition("_")[2], "")
    match bounds:
        case {"above": low, "below": high}:
            return f"between {low} and {high}{unit}"
        case {"least": low, "most": high}:
            return f"from {low} to {high}{unit}"
        case {"above": low, "most": high}:
            return f"above {low}, up to {high}{unit}"
        case {"above": low}:
            return f"above {low}{unit}"
        case {"least": low}:
            return f"{low} or more{unit}"
    return ""
