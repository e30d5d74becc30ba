"""The picture of a result: the image, with heat laid over it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.colour import as_rgb
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.placing import Placed
from sranogan_edge.image.preprocess import seen_at
from sranogan_edge.scoring.stitch import MOST_CELLS

if TYPE_CHECKING:
    from sranogan_edge.scoring.rule import Verdict

__all__ = ["overlay", "overlay_of", "overlay_on"]

OVERLAY_SIDE_PX = 384
TINT_FROM_LIMITS, TINT_FULL_LIMITS = 0.6, 1.5  # where the tint starts and saturates, in units of heat_limit
_STRIP_ROWS = 256  # drawn at a time of a large picture: its floats are never held as a whole


def overlay_of(verdict: Verdict, heat_limit: float) -> NDArray[np.uint8]:
    """Return the picture of ``verdict``, uint8 BGR: as :func:`overlay`; of tiles, as large as their heat."""
    x, heat = verdict.picture, verdict.heat
    if verdict.tiles is None:
        return overlay(x, heat, heat_limit)
    return _in_strips(x, heat, heat_limit)


def overlay_on(frame: Frame, verdict: Verdict, at: Placed, heat_limit: float) -> NDArray[np.uint8]:
    """Return the picture of ``verdict`` on ``frame``, uint8 BGR, as large as it is, up to 4 million pixels.

    Colours are those of the frame. ``at`` says how the heat map lies on it.
    """
    height, width = frame.pixels.shape[:2]
    scale = min(1.0, math.sqrt(MOST_CELLS / (height * width)))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    (top, high), (left, wide) = (
        (round(first * whole / all_of_it), max(1, round(length * whole / all_of_it)))
        for first, length, whole, all_of_it in (
            (at.y, at.height, size[0], height),
            (at.x, at.width, size[1], width),
        )
    )
    cells = verdict.heat[at.top : at.top + at.rows, at.left : at.left + at.columns]
    heat = np.zeros(size, np.float32)
    part = heat[top : top + high, left : left + wide]
    part[:] = cv2.resize(cells, part.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return _in_strips(seen_at(frame, *size, colour=frame.pixels.ndim == 3), heat, heat_limit)


def _in_strips(x: NDArray[np.float32], heat: NDArray[np.float32], heat_limit: float) -> NDArray[np.uint8]:
    """Lay ``heat`` ``(h, w)`` over ``x``, ``(h, w, 1)`` or with opponents ``(h, w, 3)``."""
    drawn = np.empty((*heat.shape, 3), np.uint8)
    for top in range(0, len(heat), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        strip = x[rows] if x.shape[2] == 1 else as_rgb(x[rows])[..., ::-1]
        drawn[rows] = _blended(strip, heat[rows], heat_limit)
    return drawn


def overlay(x: NDArray[np.float32], heat: NDArray[np.float32], heat_limit: float) -> NDArray[np.uint8]:
    """Return ``(384, 384, 3)`` uint8 BGR: the image, with heat above the normals' limit laid over it.

    Args:
        x: ``(S, S, 1)`` in [0, 1]; ``(S, S, 3)``, luminance and opponents, is shown in colour.
        heat: ``(S, S)``, standard deviations off the normals.
        heat_limit: below 0.6 of this nothing is tinted; the tint is full at 1.5 times it. The scale is the
            calibration's, not the image's own maximum, so a quiet image stays grey.
    """
    size = (OVERLAY_SIDE_PX, OVERLAY_SIDE_PX)
    plain = x[..., 0] if x.shape[2] == 1 else as_rgb(x)[..., ::-1]
    image = cv2.resize(plain, size, interpolation=cv2.INTER_CUBIC).clip(0, 1).reshape(*size, -1)
    wide = cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC)
    return _blended(np.asarray(image, np.float32), np.asarray(wide, np.float32), heat_limit)


def _blended(image: NDArray[np.float32], heat: NDArray[np.float32], heat_limit: float) -> NDArray[np.uint8]:
    """Lay ``heat`` ``(h, w)`` over ``image``, ``(h, w, 1)`` or ``(h, w, 3)`` in B, G, R."""
    level = heat / heat_limit
    level = ((level - TINT_FROM_LIMITS) / (TINT_FULL_LIMITS - TINT_FROM_LIMITS)).clip(0, 1)
    colour = cv2.applyColorMap((90 + level * 165).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = 0.7 * level[..., None]
    blended = image * 255 * (1 - weight) + colour * weight
    return np.asarray(blended.clip(0, 255), dtype=np.uint8)
