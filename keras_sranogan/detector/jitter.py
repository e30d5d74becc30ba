"""Plausible other takes of the same normal: pose, exposure and sharpness, never anatomy.

Densities fitted on jittered normals tolerate another machine's or another year's normals, instead
of flagging every change of acquisition.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import as_displayed

ROTATION_DEG = 6.0
LOG_SCALE = 0.08
LOG_ASPECT = 0.06
SHIFT_SHARE = 0.05
LOG_GAMMA = 0.35
BIAS_FIELD = 0.12
BLUR_SHARE = 1 / 224  # of the image's side: standard deviation of the strongest blur
SHARPEN = 0.6
FULL_SCALE = 65535  # of 16 bits


def jitter_frame(frame: Frame, rng: np.random.Generator) -> Frame:
    """Return ``frame`` turned (6 deg), scaled (8 %), stretched (6 %), shifted (5 %), re-exposed, at random.

    It is what is displayed that changes, so a film gives the same copies however it is stored. Pixels come
    back as ``uint16`` of the full 16 bits, so that nothing is lost to rounding.

    Raises:
        DegenerateImageError: its window shows nothing.
    """
    frame = as_displayed(frame)
    image = frame.pixels.astype(np.float32) / np.float32(2**frame.bit_depth - 1)
    image = _expose(_sharpness(_pose(image, rng), rng), rng)
    pixels = np.rint(image.clip(0, 1) * FULL_SCALE).astype(np.uint16)
    return replace(frame, pixels=pixels, bit_depth=16)


def _pose(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    angle = rng.uniform(-ROTATION_DEG, ROTATION_DEG)
    scale = np.exp(rng.uniform(-LOG_SCALE, LOG_SCALE))
    aspect = np.exp(rng.uniform(-LOG_ASPECT, LOG_ASPECT) / 2)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    stretch = np.array([[aspect], [1 / aspect]])
    middle = np.array([width / 2, height / 2])
    matrix[:, 2] = (matrix[:, 2] - middle) * stretch[:, 0] + middle
    matrix[:, :2] *= stretch
    matrix[:, 2] += rng.uniform(-SHIFT_SHARE, SHIFT_SHARE, 2) * np.array((width, height))
    return np.asarray(
        cv2.warpAffine(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        dtype=np.float32,
    )


def _sharpness(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    sigma = max(image.shape[:2]) * BLUR_SHARE
    amount = rng.uniform(-1, SHARPEN)
    return image + np.float32(amount) * (image - cv2.GaussianBlur(image, (0, 0), sigma))


def _expose(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    gamma = np.float32(np.exp(rng.uniform(-LOG_GAMMA, LOG_GAMMA)))
    slope = rng.uniform(-BIAS_FIELD, BIAS_FIELD, 2)
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
    field = (1 + slope[0] * rows + slope[1] * columns).astype(np.float32)
    return np.asarray(
        image.clip(0, 1) ** gamma * (field if image.ndim == 2 else field[..., None]), dtype=np.float32
    )
