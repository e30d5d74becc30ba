"""Heat maps at the size of their images, where defects are marked: the way back of how the images came."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.placing import placed
from sranogan_edge.image.preprocess import PreprocessSpec

__all__ = ["MOST_PIXELS", "at_own_size", "judged_shape", "resized_mask"]

MOST_PIXELS = 16_000_000  # pixel figures of a larger image are taken at a fraction of its size

Shape = tuple[int, int]


def judged_shape(shape: Shape) -> Shape:
    """Height and width that pixel figures are taken at: the image's own up to :data:`MOST_PIXELS`."""
    height, width = shape
    scale = min(1.0, math.sqrt(MOST_PIXELS / (height * width)))
    return max(1, round(height * scale)), max(1, round(width * scale))


def at_own_size(heat: NDArray[np.float32], spec: PreprocessSpec, shape: Shape) -> NDArray[np.float32]:
    """Bring a heat map to ``shape``, the inverse of how an image of that shape came to it.

    Args:
        heat: ``(S, S)`` of an image judged as a whole; of one judged in tiles, the stitched map.
        spec: how the image came. Beside a crop nothing was judged: there it is 0.
        shape: height and width.
    """
    at = placed(*shape, heat.shape, spec)
    part = _resized(heat[at.top : at.top + at.rows, at.left : at.left + at.columns], at.height, at.width)
    if part.shape == shape:
        return part
    whole = np.zeros(shape, np.float32)
    whole[at.y : at.y + at.height, at.x : at.x + at.width] = part
    return whole


def resized_mask(mask: NDArray[np.bool_], shape: Shape) -> NDArray[np.bool_]:
    """Bring a mask to ``shape``: each pixel takes what is marked at its middle; if that is none, anywhere."""
    if mask.shape == shape:
        return mask
    drawn = mask.astype(np.uint8) * 255
    taken = np.asarray(cv2.resize(drawn, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)) > 0
    if mask.any() and not taken.any():  # a defect does not vanish
        return np.asarray(cv2.resize(drawn.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)) > 0
    return taken


def _resized(heat: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Linear on the axes that grow, an average of areas on those that shrink."""
    shrunk = min(height, heat.shape[0]), min(width, heat.shape[1])
    if shrunk != heat.shape:
        heat = np.asarray(cv2.resize(heat, shrunk[::-1], interpolation=cv2.INTER_AREA), np.float32)
    if shrunk != (height, width):
        heat = np.asarray(cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return heat
