"""A film of phantoms as a camera over a light box would take it: 640 x 480, some noise, some sway."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom import render_normal

__all__ = ["WIDTH", "write_film"]

WIDTH, HEIGHT = 640, 480
MARGIN_PX, SWAY_PX = 16, 4.0
NOISE = 2.0  # grey levels, standard deviation
PHANTOMS = 24  # different ones, in turns
SECONDS_EACH = 2
_LOOP = 97  # frames of noise and sway before they repeat


def write_film(path: Path, frames: int, fps: float = 30.0, seed: int = 11) -> Path:
    """Write ``frames`` pictures as Motion JPEG (every frame stands alone, as from most USB cameras)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise OSError(f"{path}: this OpenCV cannot write Motion JPEG")
    draws = np.random.default_rng(seed)
    noise = draws.normal(0, NOISE, (8, HEIGHT, WIDTH)).astype(np.float32)
    each = int(SECONDS_EACH * fps)
    for number in range(frames):
        if number % each == 0:
            still = _still(seed, number // each % PHANTOMS)
        writer.write(_picture(still, noise, number % _LOOP))
    writer.release()
    return path


def _still(seed: int, number: int) -> NDArray[np.float32]:
    side = HEIGHT - 2 * MARGIN_PX
    film = cv2.resize(render_normal(seed, number).pixels, (side, side), interpolation=cv2.INTER_AREA)
    ground = np.full((HEIGHT, WIDTH), 12, np.float32)
    left = (WIDTH - side) // 2
    ground[MARGIN_PX : MARGIN_PX + side, left : left + side] = film
    return ground


def _picture(still: NDArray[np.float32], noise: NDArray[np.float32], step: int) -> NDArray[np.uint8]:
    angle = 2 * np.pi * step / _LOOP
    move = np.array([[1, 0, SWAY_PX * np.cos(angle)], [0, 1, SWAY_PX * np.sin(angle)]], np.float32)
    swayed = cv2.warpAffine(still, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    grey = (swayed + np.roll(noise[step % len(noise)], 31 * step, axis=1)).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
