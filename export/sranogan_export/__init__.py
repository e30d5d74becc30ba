"""Turns a training run into one bundle for the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sranogan_edge.lazy import lazy_face

if TYPE_CHECKING:
    from sranogan_export.recipe import ExportOptions
    from sranogan_export.write_bundle import ExportResult, export_run

__all__ = ["ExportOptions", "ExportResult", "export_run"]

_PLACES = {  # loaded when first asked for: TensorFlow takes seconds
    "ExportOptions": "recipe",
    "ExportResult": "write_bundle",
    "export_run": "write_bundle",
}

__getattr__, __dir__ = lazy_face(__name__, _PLACES)
