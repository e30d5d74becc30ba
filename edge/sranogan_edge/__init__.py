"""Scores images on the device with an SR-AnoGAN bundle: NumPy, OpenCV and LiteRT, no TensorFlow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sranogan_edge.bundle.bundle import read_bundle
    from sranogan_edge.detector.detector import Detector
    from sranogan_edge.detector.open import open_detector
    from sranogan_edge.errors import SranoganError
    from sranogan_edge.image.frame import Frame
    from sranogan_edge.image.reading import read_frames
    from sranogan_edge.scoring.rule import Verdict

__version__ = "0.1.0"  # of all three distributions: their pyproject.toml read it here

__all__ = [
    "Detector",
    "Frame",
    "SranoganError",
    "Verdict",
    "__version__",
    "open_detector",
    "read_bundle",
    "read_frames",
]

_PLACES = {  # loaded when first asked for: commands and devices import only what they need
    "Detector": "detector.detector",
    "Frame": "image.frame",
    "SranoganError": "errors",
    "Verdict": "scoring.rule",
    "open_detector": "detector.open",
    "read_bundle": "bundle.bundle",
    "read_frames": "image.reading",
}


def __getattr__(name: str) -> Any:
    """Load what is exported (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
