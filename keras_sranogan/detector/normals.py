"""The held-out normals that densities are fitted on; kept, so that an export can refit on its own graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_WHERE_TILES = ("image", "place", "whole", "seen_whole")  # arrays that not all normals have
REPRESENTATIVE = 128  # training normals kept for the ranges of a quantised export, about


def representative_step(count: int) -> int:
    """One in so many of ``count`` training normals is kept."""
    return max(1, count // REPRESENTATIVE)


@dataclass(frozen=True, eq=False)
class HeldOutNormals:
    """Held-out normals and jittered copies of them.

    Attributes:
        x: ``(N, S, S, C)`` float32 in [0, 1], preprocessed; stored with 8 bits.
        groups: ``(N,)`` int64, who each is of.
        original: ``(N,)`` bool, false for jittered copies.
        image: ``(N,)`` int64, which image, or copy of one, each is a tile of; None where each is an image.
        place: ``(N, 5)`` int64 of tiles, where each lies (:class:`keras_sranogan.data.load.LoadedImages`), 0
            of copies; None where each is an image, and of runs of earlier versions.
        whole: ``(N,)`` bool, which are whole images beside their tiles; None where none is.
        seen_whole: ``(M,)`` bool, the same of the normals that the networks were trained on (``Run.seen``).
    """

    x: NDArray[np.float32]
    groups: NDArray[np.int64]
    original: NDArray[np.bool_]
    image: NDArray[np.int64] | None = None
    place: NDArray[np.int64] | None = None
    whole: NDArray[np.bool_] | None = None
    seen_whole: NDArray[np.bool_] | None = None

    @property
    def judged(self) -> HeldOutNormals:
        """Those that are images, or tiles of them: without the wholes beside them."""
        if self.whole is None:
            return self
        rows = ~self.whole
        image, place = (None if one is None else one[rows] for one in (self.image, self.place))
        return HeldOutNormals(self.x[rows], self.groups[rows], self.original[rows], image, place)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        arrays = {"x": to_bytes(self.x), "groups": self.groups, "original": self.original}
        told = {name: getattr(self, name) for name in _WHERE_TILES}
        arrays |= {name: one for name, one in told.items() if one is not None}
        np.savez(path, **arrays)  # type: ignore[arg-type]  # typeshed takes them for its own options

    @classmethod
    def load(cls, path: Path) -> HeldOutNormals:
        """Read :meth:`save`."""
        with np.load(path, allow_pickle=False) as arrays:
            told = (arrays.get(name) for name in _WHERE_TILES)
            return cls(from_bytes(arrays["x"]), arrays["groups"], arrays["original"], *told)


def to_bytes(x: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round [0, 1] to 0..255."""
    return np.asarray(np.rint(x * 255), dtype=np.uint8)


def from_bytes(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return 0..255 as [0, 1]."""
    return stored.astype(np.float32) / np.float32(255)
