"""The face of a package whose exports are loaded when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_face"]


def lazy_face(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` (PEP 562) of ``package``; ``places``: its exports' modules."""

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, other_name = places[name].partition(":")
        return getattr(importlib.import_module(f"{package}.{module}"), other_name or name)

    return load, lambda: sorted({*vars(sys.modules[package]), *places})
