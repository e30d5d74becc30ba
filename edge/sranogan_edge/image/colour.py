"""Colour, where a bundle takes it: two opponent channels beside the luminance, and which frames have any.

With R, G and B from 0 to 1, red-green is (R - G) / 2 + 1/2 and yellow-blue is (R + G) / 4 - B / 2 + 1/2: from
0 to 1, and 1/2 for every grey. The luminance Y is BT.601's, as it is without colour.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame

__all__ = ["NEUTRAL", "as_rgb", "colour_note", "is_colourful", "opponents", "sampled"]

Array = NDArray[np.float32]

NEUTRAL = 0.5  # both opponents of a grey
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # of BT.601's luminance
_COLOURFUL = 1 / 16  # of full scale that R, G and B are apart by, in a place that has a colour
_COLOURED_SHARE = 0.01  # of the places
_LOOKED_AT_PX = 192  # a side, at most
_PLACES = 48  # a side, at most: means of what is looked at


def opponents(rgb: Array) -> Array:
    """Return red-green and yellow-blue, ``(H, W, 2)`` in [0, 1], of ``rgb`` ``(H, W, 3)`` in [0, 1]."""
    red, green, blue = (rgb[..., number] for number in range(3))
    half = np.float32(0.5)
    made = np.stack([(red - green) * half, (red + green - 2 * blue) * (half * half)], axis=-1)
    return np.asarray(made + np.float32(NEUTRAL), np.float32)


def as_rgb(x: Array) -> Array:
    """Return ``(H, W, 3)`` R, G, B in [0, 1] of ``x``: luminance and opponents, or ``(H, W, 1)`` in grey."""
    if x.shape[-1] == 1:
        return np.repeat(x, 3, axis=-1).clip(0, 1)
    luminance, red_green, yellow_blue = x[..., 0], x[..., 1] - NEUTRAL, x[..., 2] - NEUTRAL
    green = luminance - 2 * _RED * red_green - _BLUE * (red_green - 2 * yellow_blue)
    rgb = np.stack([green + 2 * red_green, green, green + red_green - 2 * yellow_blue], axis=-1)
    return np.asarray(rgb.clip(0, 1), np.float32)


def sampled(pixels: NDArray[Any], most_rows: int, most_columns: int) -> NDArray[Any]:
    """Return so many rows and columns of ``pixels`` ``(H, W, 3)``, evenly spread; fewer stay as they are."""
    height, width = min(pixels.shape[0], most_rows), min(pixels.shape[1], most_columns)
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST))


def is_colourful(frame: Frame) -> bool:
    """Whether more than 1 % of a frame's places have a colour; R = G = B has none. About 0.1 ms."""
    if frame.pixels.ndim == 2:
        return False
    looked_at = sampled(frame.pixels, _LOOKED_AT_PX, _LOOKED_AT_PX)
    places = (min(looked_at.shape[1], _PLACES), min(looked_at.shape[0], _PLACES))
    rgb = cv2.resize(looked_at, places, interpolation=cv2.INTER_AREA)
    red, green, blue = (rgb[..., number] for number in range(3))
    apart = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool((apart > _COLOURFUL * 2**frame.bit_depth).mean() > _COLOURED_SHARE)


def colour_note(frame: Frame, takes_colour: bool) -> str:
    """Say where a frame has colour and the bundle takes none, or the other way round; else nothing."""
    if is_colourful(frame) is takes_colour:
        return ""
    if takes_colour:
        return "a grey image, judged by a bundle of colour images: it says nothing of colours"
    return "a colour image, judged by a bundle of grey images: its brightness alone counts"
