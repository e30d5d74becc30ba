"""Boards to inspect: pictures of a regular pattern, larger than a tile, some with a small defect."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 160, 230  # no number of tiles of 64 divides them


def board(seed: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Draw a normal board: waves in two directions, of a phase of its own, under some noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    one, other = rng.uniform(0, 2 * np.pi, 2)
    pixels = (
        110 + 40 * np.sin(rows / 5 + one) + 40 * np.sin(columns / 6 + other) + rng.normal(0, 4, rows.shape)
    )
    return np.asarray(pixels.clip(0, 255), np.uint8)


def spoilt(pixels: NDArray[np.uint8], top: int, left: int, side: int = 12) -> NDArray[np.uint8]:
    """Return the board with a bright square."""
    pixels = pixels.copy()
    pixels[top : top + side, left : left + side] = 255
    return pixels


def write_boards(folder: Path, train: int = 60, test: int = 12) -> Path:
    """Write ``train/NORMAL``, ``test/NORMAL`` and ``test/SPOT`` as PNG; the spots lie anywhere."""
    rng = np.random.default_rng(1)
    for number in range(train):
        _write(folder / "train" / "NORMAL" / f"{number:03d}.png", board(number))
    for number in range(test):
        _write(folder / "test" / "NORMAL" / f"{number:03d}.png", board(1000 + number))
        top, left = rng.integers(0, HEIGHT - 12), rng.integers(0, WIDTH - 12)
        spot = spoilt(board(2000 + number), int(top), int(left))
        _write(folder / "test" / "SPOT" / f"{number:03d}.png", spot)
    return folder


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)
