"""Heat maps of tiles, stitched into one of the whole image without seams."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.tiles import Box

__all__ = ["MOST_CELLS", "Stitched"]

MOST_CELLS = 4_000_000  # of a stitched map: a larger image has one at a fraction of its size

Image = NDArray[np.float32]


class Stitched:
    """A heat map that tiles are laid onto, each with a weight that falls towards its border.

    Where tiles overlap one passes over into the other; where no tile was laid the map is 0. It takes 8 bytes
    a cell, whatever the number of tiles.

    Attributes:
        scale: cells a pixel of the image, along a side: 1 up to :data:`MOST_CELLS` pixels.
        shape: height and width in cells.
    """

    def __init__(self, height: int, width: int, most: int = MOST_CELLS) -> None:
        """Make an empty map of an image of ``height`` x ``width`` pixels."""
        self.scale = min(1.0, math.sqrt(most / (height * width)))
        self.shape = max(1, round(height * self.scale)), max(1, round(width * self.scale))
        self._sum = np.zeros(self.shape, np.float32)
        self._weight = np.zeros(self.shape, np.float32)

    def lay(self, box: Box, heat: Image) -> None:
        """Lay the heat ``(S, S)`` of the tile at ``box``."""
        rows, columns = self._cells(box.top, box.side, 0), self._cells(box.left, box.side, 1)
        size = rows.stop - rows.start, columns.stop - columns.start
        smaller = max(size) < min(heat.shape)
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        weight = _weights(*size)
        self._sum[rows, columns] += weight * cv2.resize(heat, size[::-1], interpolation=how)
        self._weight[rows, columns] += weight

    def heat(self) -> Image:
        """Return the map, float32 of :attr:`shape`; nothing more can be laid."""
        return np.divide(self._sum, self._weight, out=self._sum, where=self._weight > 0)

    def _cells(self, start: int, length: int, axis: int) -> slice:
        """Return the cells of so many pixels, at least one."""
        limit = self.shape[axis]
        first = min(round(start * self.scale), limit - 1)
        return slice(first, min(max(round((start + length) * self.scale), first + 1), limit))


@lru_cache(maxsize=16)
def _weights(height: int, width: int) -> Image:
    """Return ``(height, width)``: most in the middle, next to nothing at the border, positive everywhere."""
    down, across = (1 - np.abs(2 * (np.arange(n) + 0.5) / n - 1) for n in (height, width))
    weights = np.asarray(np.outer(down, across), np.float32)
    weights.flags.writeable = False
    return weights
