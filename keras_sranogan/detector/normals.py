"""The held-out normals that densities are fitted on; kept, so that an export can refit on its own graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REPRESENTATIVE = 128  # training normals kept for the ranges of a quantised export, about


def representative_step(count: int) -> int:
    """One in so many of ``count`` training normals is kept."""
    return max(1, count // REPRESENTATIVE)


@dataclass(frozen=True, eq=False)
class HeldOutNormals:
    """Held-out normals and jittered copies of them.

    Attributes:
        x: ``(N, S, S, 1)`` float32 in [0, 1], preprocessed; stored with 8 bits.
        groups: ``(N,)`` int64, who each is of.
        original: ``(N,)`` bool, false for jittered copies.
    """

    x: NDArray[np.float32]
    groups: NDArray[np.int64]
    original: NDArray[np.bool_]

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        np.savez(path, x=to_bytes(self.x), groups=self.groups, original=self.original)

    @classmethod
    def load(cls, path: Path) -> HeldOutNormals:
        """Read :meth:`save`."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(from_bytes(arrays["x"]), arrays["groups"], arrays["original"])


def to_bytes(x: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round [0, 1] to 0..255."""
    return np.asarray(np.rint(x * 255), dtype=np.uint8)


def from_bytes(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return 0..255 as [0, 1]."""
    return stored.astype(np.float32) / np.float32(255)
