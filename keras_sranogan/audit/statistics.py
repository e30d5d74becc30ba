"""Numbers of an image that need no model: what a score may secretly be reading."""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np

from keras_sranogan.evaluation.metrics import BASELINES, LAPLACIAN_FLOOR, Baseline, image_statistics
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess

FINE_SIDE_PX = 224  # where blur and compression show; the baselines of 32 and 16 px see neither


class Statistic(NamedTuple):
    """A trivial statistic, and whether the pixels' values, the image's size or its file tell it."""

    baseline: Baseline
    of: Literal["pixels", "size", "file"]


FILE_BYTES, SHARPNESS = "file_bytes", "sharpness"
STATISTICS = {
    **{name: Statistic(baseline, "pixels") for name, baseline in BASELINES.items() if name != FILE_BYTES},
    SHARPNESS: Statistic(
        Baseline(f"sharpness: mean log Laplacian energy at {FINE_SIDE_PX}x{FINE_SIDE_PX} px", True), "pixels"
    ),
    "width": Statistic(Baseline("width in pixels"), "size"),
    "height": Statistic(Baseline("height in pixels"), "size"),
    "resolution": Statistic(Baseline("number of pixels"), "size"),
    "aspect": Statistic(Baseline("width over height"), "size"),
    FILE_BYTES: Statistic(BASELINES[FILE_BYTES], "file"),
    "bytes_per_pixel": Statistic(Baseline("bytes of the file per pixel"), "file"),
}
SHORTCUTS = (FILE_BYTES, "resolution", "aspect", "bytes_per_pixel", SHARPNESS)
"""What says how an image was made, and not what it shows."""
LOGARITHMIC = frozenset(SHORTCUTS) - {SHARPNESS}  # ratios count there; sharpness is a logarithm already


def measure(frame: Frame, file_bytes: int | None) -> dict[str, float]:
    """Return the :data:`STATISTICS` of one frame; those of the file only where ``file_bytes`` is known.

    Raises:
        ImageError: like preprocessing.
    """
    height, width = frame.pixels.shape[:2]
    found = image_statistics(frame) | {
        SHARPNESS: sharpness(frame),
        "width": float(width),
        "height": float(height),
        "resolution": float(width * height),
        "aspect": width / height,
    }
    if file_bytes is not None:
        found |= {FILE_BYTES: float(file_bytes), "bytes_per_pixel": file_bytes / (width * height)}
    return found


def sharpness(frame: Frame) -> float:
    """Mean log Laplacian energy at :data:`FINE_SIDE_PX`."""
    x = preprocess(frame, PreprocessSpec(size=FINE_SIDE_PX, contrast="none"))[..., 0]
    return float(np.log(np.square(cv2.Laplacian(x, cv2.CV_32F)) + LAPLACIAN_FLOOR).mean())
