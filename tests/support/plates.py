"""Orange plates, normal ones and such with a patch of another hue and the same brightness."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.colour import as_rgb, opponents
from sranogan_edge.image.frame import Frame

SIDE = 160
ORANGE, GREEN = (0.85, 0.5, 0.16), (0.35, 0.7, 0.24)
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def plate(number: int, *, patched: bool = False) -> Frame:
    """Return plate ``number``: brushed, unevenly lit, with screws; ``patched``: a spot of it is green.

    The patch is as bright as what it covers, pixel by pixel, to half a step of 8 bits.
    """
    rng = np.random.default_rng((7, number))
    brushed = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)).astype(np.float32), (31, 1), 0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / np.float32(SIDE)
    light = 1 + 0.12 * rng.uniform(-1, 1) * (rows - 0.5) + 0.12 * rng.uniform(-1, 1) * (columns - 0.5)
    light = light + 0.1 * brushed
    for x, y in ((0.15, 0.15), (0.85, 0.15), (0.15, 0.85), (0.85, 0.85)):
        middle = (round(x * SIDE + rng.uniform(-3, 3)), round(y * SIDE + rng.uniform(-3, 3)))
        hole = cv2.circle(np.zeros((SIDE, SIDE), np.float32), middle, 7, 1.0, -1)
        light = light * (1 - 0.6 * cv2.GaussianBlur(hole, (0, 0), 1))
    rgb = light[..., None] * np.array(ORANGE) * rng.uniform(0.9, 1.05)
    rgb = (rgb + rng.normal(0, 0.01, rgb.shape)).clip(0, 1).astype(np.float32)
    if patched:
        rgb = _patched(rgb, rng)
    return Frame.of(np.rint(rgb * 255).astype(np.uint8), source=f"plate {number}")


def _patched(rgb: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    middle = rng.integers(SIDE // 3, 2 * SIDE // 3, 2)
    axes = rng.integers(SIDE // 12, SIDE // 8, 2)
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(mask, middle.tolist(), axes.tolist(), rng.uniform(0, 180), 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), 1)[..., None]
    luminance = (rgb @ LUMINANCE)[..., None]
    green = opponents(np.array([[GREEN]], np.float32))
    colours = opponents(rgb) * (1 - soft) + green * soft
    return as_rgb(np.concatenate([luminance, colours], axis=-1))
