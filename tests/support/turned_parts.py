"""A drawn part that lies turned, scaled and shifted in its picture, with or without a small fault."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 240, 320
FAULT = (170, 100)  # its middle, column and row, where the part lies as it should
FAULT_RADIUS = 7
GROUND = 60


@dataclass(frozen=True)
class Lie:
    """How a part lies: degrees counter-clockwise, times as large, pixels to the right and down."""

    rotation: float = 0.0
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0

    @classmethod
    def drawn(cls, seed: int) -> Lie:
        """Draw one: up to 12 degrees, 12 % and 30 pixels."""
        rng = np.random.default_rng((seed, 7))
        right, down = rng.uniform(-30, 30, 2)
        return cls(float(rng.uniform(-12, 12)), float(np.exp(rng.uniform(-0.12, 0.12))), right, down)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Where a pixel of the part as it should lie is then."""
        middle = ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
        matrix = cv2.getRotationMatrix2D(middle, self.rotation, self.scale)
        matrix[:, 2] += np.array((self.right, self.down))
        return np.asarray(matrix, np.float64)

    def moved(self, column: float, row: float) -> tuple[float, float]:
        """Return column and row of a place of the part."""
        x, y = self.matrix @ (column, row, 1)
        return float(x), float(y)


def part(seed: int = 0, lie: Lie = Lie(), *, fault: bool = False) -> NDArray[np.uint8]:
    """Draw the part, ``(240, 320)``: a plate with a lug, a hole and a boss, no side of it like another."""
    image = np.full((HEIGHT, WIDTH), GROUND, np.float32)
    middle_x, middle_y = WIDTH // 2, HEIGHT // 2
    cv2.rectangle(image, (middle_x - 70, middle_y - 45), (middle_x + 70, middle_y + 45), 170, -1)
    cv2.rectangle(image, (middle_x + 70, middle_y - 20), (middle_x + 90, middle_y + 5), 150, -1)
    cv2.circle(image, (middle_x - 40, middle_y - 15), 14, 90, -1)
    cv2.circle(image, (middle_x + 45, middle_y + 20), 9, 230, -1)
    if fault:
        cv2.circle(image, FAULT, FAULT_RADIUS, 15, -1)
    size = (WIDTH, HEIGHT)
    smooth = cv2.GaussianBlur(image, (0, 0), 1)
    lying = cv2.warpAffine(smooth, lie.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    noise = np.random.default_rng(seed).normal(0, 3, lying.shape)
    return np.asarray((lying + noise).clip(0, 255), np.uint8)


def write_parts(folder: Path, train: int = 60, test: int = 8) -> Path:
    """Write ``train/NORMAL``, ``test/NORMAL`` and ``test/HOLE`` as PNG; each part lies in its own way."""
    for split, label, seeds in (
        ("train", "NORMAL", range(train)),
        ("test", "NORMAL", range(1000, 1000 + test)),
        ("test", "HOLE", range(2000, 2000 + test)),
    ):
        for seed in seeds:
            path = folder / split / label / f"{seed:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), part(seed, Lie.drawn(seed), fault=label == "HOLE"))
    return folder
