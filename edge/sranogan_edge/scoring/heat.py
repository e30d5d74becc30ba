"""The heat map: what is off, place by place."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.scoring.residual import HEAT_GRID, on_grid, standardise

Image = NDArray[np.float32]


HEAT_PLANES = ("difference", "brightness", "head", "cells")  # the last where the density knows cells
HEAT_WEIGHTS = (1.5, 0.7, 1.0, 1.0)
TILE_HEAT_WEIGHTS = (1.5, 0.7, 1.0, 3.0)  # of surfaces, in tiles: cells tell them best
HEAT_SHAPE = (3, HEAT_GRID, HEAT_GRID)  # without cells
HEAT_SHAPES = (HEAT_SHAPE, (len(HEAT_PLANES), HEAT_GRID, HEAT_GRID))
HEAT_BLUR_CELLS = 1.0
BRIGHTNESS = HEAT_PLANES.index("brightness")  # also the small image by which foreign ones are told


def heat_planes(
    difference: Image, plain: Image, head_map: NDArray[np.float32], cells: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return one of ``HEAT_SHAPES``, the :data:`HEAT_PLANES` of an image; not yet calibrated.

    Args:
        difference: of :class:`Residual`, ``(HEAT_GRID, HEAT_GRID)``.
        plain: ``(S, S, C)`` float32 in [0, 1], luminance first, before its contrast is enhanced.
        head_map: the head's logits ``(h, w)``.
        cells: distances of cells ``(h, w)``, where the density knows the usual ones.
    """
    maps = [head_map] if cells is None else [head_map, cells]
    seen = [cv2.resize(one, (HEAT_GRID, HEAT_GRID), interpolation=cv2.INTER_LINEAR) for one in maps]
    return np.asarray(np.stack([difference, on_grid(standardise(plain[..., 0])), *seen]), np.float32)


def enlarged(standard: NDArray[np.float32], size: int) -> Image:
    """Return :func:`standard_heat` as it is displayed, ``(size, size)`` float32, at least 0."""
    wide = cv2.resize(standard, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.maximum(np.asarray(wide, dtype=np.float32), 0)


def standard_heat(
    heat: NDArray[np.float32],
    center: NDArray[np.float32],
    scale: NDArray[np.float32],
    weights: Sequence[float] = HEAT_WEIGHTS,
) -> NDArray[np.float32]:
    """Return ``(HEAT_GRID, HEAT_GRID)``: how far off the normals each place is, at least 0.

    A weighted sum of deviations: a brightness counts whichever way it is off, the difference to the
    reconstruction, the head's map and cells where they are above those of normals, and less where below. All
    arrays have one and the same of ``HEAT_SHAPES``; each of :data:`HEAT_PLANES` has its weight. Normals are
    at about 1.
    """
    deviations = (heat - center) / scale
    deviations[BRIGHTNESS] = np.abs(deviations[BRIGHTNESS])
    used = np.asarray(weights[: len(heat)], np.float32)
    hot = np.maximum(np.tensordot(used, deviations, axes=1), 0)
    return np.asarray(cv2.GaussianBlur(hot, (0, 0), HEAT_BLUR_CELLS), dtype=np.float32)
