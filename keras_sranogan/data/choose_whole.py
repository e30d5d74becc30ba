"""Whether the whole image is judged beside its tiles, chosen from the normals (``--tile-whole auto``)."""

from __future__ import annotations

import numpy as np

from keras_sranogan.data.item import DataSource
from sranogan_edge.errors import DataError, ImageError
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.image.tiles import whole
from sranogan_edge.scoring.residual import on_grid, standardise
from sranogan_edge.scoring.statistics import correlation

__all__ = ["whole_tells"]

LOOKED_AT = 32  # normals, evenly over all of them
ALIKE = 0.5  # median correlation, at 32 x 32 pixels, of a normal with the mean of the others


def whole_tells(source: DataSource, spec: PreprocessSpec) -> tuple[bool, str]:
    """Return whether the normals of ``source`` look alike as a whole, and that in one line.

    Parts that lie as they always do are alike, and one that is missing is seen; of cloth, or of parts that
    lie anyhow, the whole tells little.

    Raises:
        DataError: fewer than two of the images that were looked at can be read.
    """
    normals = [item for item in source.items("train") if item.is_normal]
    places = {round(place) for place in np.linspace(0, len(normals) - 1, LOOKED_AT)} if normals else set()
    grids = []
    for place in sorted(places):
        try:
            grids.append(on_grid(standardise(whole(source.frame(normals[place]), spec)[..., 0])))
        except ImageError:
            continue
    if len(grids) < 2:
        raise DataError(f"{source.name}: too few images can be read to choose --tile-whole by.")
    total = np.sum(grids, axis=0)
    alike = float(np.median([correlation(one, total - one) for one in grids]))
    told = f"{len(grids)} normals, as a whole, correlate with the mean of the others by {alike:.2f}"
    if alike >= ALIKE:
        return True, f"tile-whole on: {told}: a part that is missing or moved is seen"
    return False, f"tile-whole off: {told}, and {ALIKE} would be alike"
