"""Another take of the same normal, to judge by: none of what the densities were fitted on.

:mod:`keras_sranogan.detector.jitter` turns, scales, shifts and stretches a normal, exposes it by a gamma and
a slope of brightness, and blurs or sharpens it. Whoever judges a model by such copies asks it what it was
told. Here the perspective is another, the tone curve S-shaped, the light falls off towards the corners, and
detail goes by a coarser detector and by grain.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import as_displayed

__all__ = ["retaken_frame"]

CORNER_SHARE = 0.05  # of the sides: how far each corner is moved, each by itself
TONE = 0.6  # of the steepest S curve that is still monotone
WINDOW = 0.06  # of full scale: how far black and white are moved
VIGNETTE = 0.2  # of the brightness, from the middle to the corners
COARSEST = 0.5  # of the pixels a side
GRAIN = 0.02  # of full scale, standard deviation
GRAIN_SHARE = 1 / 300  # of the longer side: how coarse the grain is
TINY = 1e-6
FULL_SCALE = 65535  # of 16 bits

Picture = NDArray[np.float32]


def retaken_frame(frame: Frame, rng: np.random.Generator) -> Frame:
    """Return ``frame`` as another machine might have taken it: perspective, tone, light, detector, grain.

    It is what is displayed that changes. Pixels come back as ``uint16`` of the full 16 bits.

    Raises:
        DegenerateImageError: its window shows nothing.
    """
    frame = as_displayed(frame)
    image = frame.pixels.astype(np.float32) / np.float32(2**frame.bit_depth - 1)
    image = _grain(_tone(_coarse(_perspective(image, rng), rng), rng), rng)
    pixels = np.rint(image.clip(0, 1) * FULL_SCALE).astype(np.uint16)
    return replace(frame, pixels=pixels, bit_depth=16)


def _perspective(image: Picture, rng: np.random.Generator) -> Picture:
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + rng.uniform(-CORNER_SHARE, CORNER_SHARE, (4, 2)) * np.array([width, height])
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    seen = cv2.warpPerspective(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(seen, np.float32)


def _coarse(image: Picture, rng: np.random.Generator) -> Picture:
    height, width = image.shape[:2]
    share = rng.uniform(COARSEST, 1)
    small = cv2.resize(
        image, (max(1, round(share * width)), max(1, round(share * height))), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _tone(image: Picture, rng: np.random.Generator) -> Picture:
    """A window a little off, an S curve (or its opposite), and light that falls off (or rises)."""
    black, white = rng.uniform(-WINDOW, WINDOW), 1 + rng.uniform(-WINDOW, WINDOW)
    image = ((image - black) / (white - black)).clip(0, 1)
    image = image - rng.uniform(-TONE, TONE) * np.sin(2 * np.pi * image) / (2 * np.pi)
    rows = np.linspace(-1, 1, image.shape[0])[:, None]
    columns = np.linspace(-1, 1, image.shape[1])[None]
    light = 1 + rng.uniform(-VIGNETTE, VIGNETTE) * ((rows**2 + columns**2) / 2 - 1 / 3)
    return np.asarray(image * (light if image.ndim == 2 else light[..., None]), np.float32)


def _grain(image: Picture, rng: np.random.Generator) -> Picture:
    """Noise of one colour, as coarse whatever the number of pixels."""
    sigma = max(image.shape[:2]) * GRAIN_SHARE
    noise = cv2.GaussianBlur(rng.standard_normal(image.shape[:2], np.float32), (0, 0), sigma)
    amount = rng.uniform(0, GRAIN) / max(float(noise.std()), TINY)
    added = np.asarray(noise, np.float32) * np.float32(amount)
    return image + (added if image.ndim == 2 else added[..., None])
