"""The heat maps of held-out normals, as they would be displayed: of images in tiles, stitched."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.tiles import Box
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.residual import HEAT_GRID
from sranogan_edge.scoring.stitch import Stitched

__all__ = ["DISPLAYED", "heat_maps"]

DISPLAYED = 4 * HEAT_GRID  # side that the heat map's limit is taken at
TILE = 2 * HEAT_GRID  # of a tile that is stitched: an image's map is no larger than it need be


def heat_maps(
    density: Density,
    heat: NDArray[np.float32],
    image: NDArray[np.int64],
    place: NDArray[np.int64] | None,
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Yield the map of each image, and how many of its cells the judged square has.

    Args:
        density: that knows the heat of normals.
        heat: ``(N, planes, HEAT_GRID, HEAT_GRID)``.
        image: ``(N,)``, which image each row is a tile of.
        place: ``(N, 5)``, left, top and side of the tile, height and width of its image; None where each row
            is an image.
    """
    if place is None:
        yield from ((density.heat_map(one, DISPLAYED), float(DISPLAYED**2)) for one in heat)
        return
    for number in np.unique(image):
        rows = np.flatnonzero(image == number)
        side, height, width = (int(one) for one in place[rows[0], 2:])
        stitched = Stitched(height, width, most=round(height * width * (TILE / side) ** 2))
        for row in rows:
            left, top = (int(one) for one in place[row, :2])
            stitched.lay(Box(left, top, side), density.heat_map(heat[row], TILE))
        yield stitched.heat(), (side * stitched.scale) ** 2
