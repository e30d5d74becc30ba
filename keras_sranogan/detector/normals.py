"""The held-out normals that densities are fitted on; kept, so that an export can refit on its own graphs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.rows import AT_A_TIME, Images, write_array

_WHERE_TILES = ("image", "place", "whole", "seen_whole")  # arrays that not all normals have
REPRESENTATIVE = 128  # training normals kept for the ranges of a quantised export, about


def representative_step(count: int) -> int:
    """One in so many of ``count`` training normals is kept."""
    return max(1, count // REPRESENTATIVE)


@dataclass(frozen=True, eq=False)
class Normals:
    """Held-out normals and jittered copies of them, in memory or not.

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

    x: Images
    groups: NDArray[np.int64]
    original: NDArray[np.bool_]
    image: NDArray[np.int64] | None = None
    place: NDArray[np.int64] | None = None
    whole: NDArray[np.bool_] | None = None
    seen_whole: NDArray[np.bool_] | None = None

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        told = {name: getattr(self, name) for name in ("groups", "original", *_WHERE_TILES)}
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open("x.npy", "w", force_zip64=True) as file:
                write_array(file, len(self.x), in_bytes(self.x))
            for name, one in told.items():
                if one is not None:
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, one, allow_pickle=False)


@dataclass(frozen=True, eq=False)
class HeldOutNormals(Normals):
    """The same, all of them in memory."""

    x: NDArray[np.float32]

    @property
    def judged(self) -> HeldOutNormals:
        """Those that are images, or tiles of them: without the wholes beside them."""
        if self.whole is None:
            return self
        rows = ~self.whole
        image, place = (None if one is None else one[rows] for one in (self.image, self.place))
        return HeldOutNormals(self.x[rows], self.groups[rows], self.original[rows], image, place)

    @classmethod
    def load(cls, path: Path) -> HeldOutNormals:
        """Read what :meth:`Normals.save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            told = (arrays.get(name) for name in _WHERE_TILES)
            return cls(from_bytes(arrays["x"]), arrays["groups"], arrays["original"], *told)


def in_bytes(x: Images) -> Iterator[NDArray[np.uint8]]:
    """Yield ``x`` rounded to 0..255, some images at a time."""
    for start in range(0, len(x), AT_A_TIME):
        yield to_bytes(x[start : start + AT_A_TIME])


def in_8_bits(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [0, 1] as it is stored."""
    return from_bytes(to_bytes(x))


def to_bytes(x: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round [0, 1] to 0..255."""
    return np.asarray(np.rint(x * 255), dtype=np.uint8)


def from_bytes(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return 0..255 as [0, 1]."""
    return stored.astype(np.float32) / np.float32(255)
