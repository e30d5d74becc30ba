"""The picture of a result: the image, with heat laid over it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

OVERLAY_SIDE_PX = 384
TINT_FROM_LIMITS, TINT_FULL_LIMITS = 0.6, 1.5  # where the tint starts and saturates, in units of heat_limit


def overlay(x: NDArray[np.float32], heat: NDArray[np.float32], heat_limit: float) -> NDArray[np.uint8]:
    """Return ``(384, 384, 3)`` uint8 BGR: the image, with heat above the normals' limit laid over it.

    Args:
        x: ``(S, S, 1)`` in [0, 1].
        heat: ``(S, S)``, standard deviations off the normals.
        heat_limit: below 0.6 of this nothing is tinted; the tint is full at 1.5 times it. The scale is the
            calibration's, not the image's own maximum, so a quiet image stays grey.
    """
    size = (OVERLAY_SIDE_PX, OVERLAY_SIDE_PX)
    grey = cv2.resize(x[..., 0], size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    level = cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC) / heat_limit
    level = ((level - TINT_FROM_LIMITS) / (TINT_FULL_LIMITS - TINT_FROM_LIMITS)).clip(0, 1)
    colour = cv2.applyColorMap((90 + level * 165).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = 0.7 * level[..., None]
    blended = grey[..., None] * 255 * (1 - weight) + colour * weight
    return np.asarray(blended.clip(0, 255), dtype=np.uint8)
