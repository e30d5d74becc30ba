"""Scores images on the device with an SR-AnoGAN bundle: NumPy, OpenCV and LiteRT, no TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sranogan_edge.lazy import lazy_face

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

__getattr__, __dir__ = lazy_face(__name__, _PLACES)
