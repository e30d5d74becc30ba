"""Turns a training run into one bundle for the device."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sranogan_export.recipe import ExportOptions
    from sranogan_export.write_bundle import ExportResult, export_run

__all__ = ["ExportOptions", "ExportResult", "export_run"]

_PLACES = {  # loaded when first asked for: TensorFlow takes seconds
    "ExportOptions": ("recipe", "ExportOptions"),
    "ExportResult": ("write_bundle", "ExportResult"),
    "export_run": ("write_bundle", "export_run"),
}


def __getattr__(name: str) -> Any:
    """Load what is exported (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, found = _PLACES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), found)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
