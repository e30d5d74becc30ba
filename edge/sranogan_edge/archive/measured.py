"""What adapting a bundle's densities needs of an image, as bytes in its row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes
from sranogan_edge.scoring.residual import HEAT_GRID

__all__ = ["packed_measurements", "unpacked_measurements"]

Array = NDArray[np.float32]
GRID = "grid"


def packed_measurements(grid: Array, measured: Mapping[str, Array]) -> bytes:
    """Return the image at 32 x 32 pixels, and what was measured of it by part, each ``(D,)``; float32."""
    return arrays_to_bytes({GRID: grid, **measured})


def unpacked_measurements(data: bytes, parts: Iterable[str]) -> tuple[Array, dict[str, Array]]:
    """The inverse of :func:`packed_measurements`, of these ``parts``; raises ValueError where it is none."""
    found = arrays_from_bytes(data, [GRID, *parts])
    grid = found.pop(GRID)
    sound = all(one.dtype == np.float32 and one.ndim == 1 for one in found.values())
    if grid.dtype != np.float32 or grid.shape != (HEAT_GRID, HEAT_GRID) or not sound:
        raise ValueError("measurements of other shapes")
    return grid, found
