"""Cells of an image against the usual cells of normals: where a surface is unlike any that was seen.

The head's early features tell fine detail, place by place. Of the normals that it was trained on some
hundred centres are kept (k-means, in whitened features), and a cell is as far off as the nearest of them:
what PatchCore (Roth et al. 2022) does with a memory of cells, of a size that does not grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIELDS", "MOST_USUAL", "Cells"]

Array = NDArray[np.float32]

FIELDS = ("cells_center", "cells_whitening", "cells_usual")  # arrays of a density that knows them
MOST_USUAL = 4096  # centres: what a bundle may ask for, in each of a thousand cells of an image


@dataclass(frozen=True, eq=False)
class Cells:
    """The usual cells of normals.

    Attributes:
        center: ``(C,)`` float32, mean of the early features.
        whitening: ``(C, C)`` float32; ``(v - center) @ whitening`` has the identity for its covariance.
        usual: ``(n, C)`` float32, the centres, whitened.
    """

    center: Array
    whitening: Array
    usual: Array

    @cached_property
    def _matrix(self) -> tuple[Array, Array]:
        """Of features to half the squared distance to each centre, less what all share; a row each."""
        offset = 0.5 * np.square(self.usual).sum(axis=1) + self.usual @ (self.whitening.T @ self.center)
        return np.ascontiguousarray(-self.usual @ self.whitening.T), offset.astype(np.float32)[:, None]

    def distances(self, features: Array) -> Array:
        """Return ``(h, w)`` float32 of ``features`` ``(h, w, C)``: 0 for a usual cell, about 1 for others.

        Euclidean distance to the nearest centre, in whitened features, over sqrt(C).
        """
        height, width, channels = features.shape
        rows = np.asarray(features.reshape(-1, channels), np.float32)
        matrix, offset = self._matrix
        halves = matrix @ rows.T
        halves += offset
        nearest = halves.min(axis=0)  # along rows: several times as fast as across them
        white = (rows - self.center) @ self.whitening
        squared = np.einsum("ij,ij->i", white, white) + 2 * nearest
        return np.asarray(np.sqrt(np.maximum(squared, 0) / channels).reshape(height, width), np.float32)

    def to_arrays(self) -> dict[str, Array]:
        """Return them by the names of :data:`FIELDS`."""
        return dict(zip(FIELDS, (self.center, self.whitening, self.usual), strict=True))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Cells | None:
        """Return what :meth:`to_arrays` gave; None where none is there.

        Raises:
            ValueError: they cannot be cells.
        """
        there = [arrays[name] for name in FIELDS if name in arrays]
        if not there:
            return None
        if len(there) < len(FIELDS):
            raise ValueError(f"some of {', '.join(FIELDS)} are missing")
        if any(one.dtype != np.float32 or not np.isfinite(one).all() for one in there):
            raise ValueError("cells that are not finite float32")
        cells = cls(*there)
        channels, count = len(cells.center), len(cells.usual)
        shapes = (channels,), (channels, channels), (count, channels)
        if tuple(one.shape for one in there) != shapes or not 0 < count <= MOST_USUAL or not channels:
            raise ValueError(f"cells of {[one.shape for one in there]}, of 1 to {MOST_USUAL} centres")
        return cells
