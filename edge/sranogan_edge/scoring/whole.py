"""The whole image beside its tiles: the higher of two scores, and one heat map of both.

Tiles do not see a part that is missing, doubled or moved and larger than a tile. So the whole is judged by
the same graphs, by a density of whole normals, and in standard deviations of these (docs/method/tiles.md).
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.image.region import inside
from sranogan_edge.scoring.density import Density, Whole
from sranogan_edge.scoring.measurement import Measurement, Reconstruction

__all__ = ["hotter", "join"]

Image = NDArray[np.float32]


def join(
    tiles: Measurement,
    made: Reconstruction | None,
    density: Density,
    image: tuple[int, int],
    spec: PreprocessSpec,
) -> Measurement:
    """Return the measurement of an image of what was measured of its tiles and of its whole.

    The higher score speaks: parts, reconstruction and box are of that one.

    Args:
        tiles: of the tiles.
        made: of the whole; None where seen so small there is nothing on it.
        density: of tiles, that knows the whole.
        image: height and width.
        spec: how the image comes to the square.
    """
    whole = density.whole
    assert whole is not None
    assert tiles.tiles is not None
    if made is None:
        return replace(tiles, score=whole.score(tiles.score, None))
    parts = whole.density.standard(made.measured)
    score = whole.density.score_of(parts)
    heat = hotter(tiles.heat, whole.density.heat_map(made.heat, spec.size), density, whole)
    if spec.region:
        heat[~inside(spec.region, heat.shape[:2], 0, 0, heat.shape[:2])] = 0
    told = replace(tiles.tiles, whole=score)
    joined = replace(tiles, score=whole.score(tiles.score, score), heat=heat, tiles=told)
    if not score > tiles.score:
        return joined
    box = [0, 0, image[1], image[0]]
    return replace(joined, parts=parts, reconstruction=made, tiles=replace(told, worst=box))


def hotter(tiles: Image, whole: Image, density: Density, known: Whole) -> Image:
    """Return the heat of the tiles, ``(h, w)``, or of the whole, ``(S, S)``, whichever is higher.

    Each counts in its own heat limit; the result is in that of the tiles. ``tiles`` is overwritten.
    """
    wide = cv2.resize(whole, tiles.shape[::-1], interpolation=cv2.INTER_LINEAR)
    np.multiply(wide, np.float32(density.heat_limit / known.density.heat_limit), out=wide)
    return np.maximum(tiles, wide, out=tiles)
