"""The usual cells of normals, found among those that the head was trained on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

from keras_sranogan.detector.fit import fit_gaussian
from sranogan_edge.scoring.cells import Cells

__all__ = ["usual_cells"]

MOST_ROWS = 200_000  # cells that are looked at, as many of each image
BATCH = 4096


def usual_cells(features: Iterable[NDArray[np.float32]], images: int, count: int, seed: int) -> Cells:
    """Return ``count`` usual cells, fewer where there are not so many.

    Args:
        features: early features of each image, ``(h, w, C)``; taken one at a time.
        images: how many these are.
        count: of centres.
        seed: of the cells that are looked at, and of the centres.
    """
    rng, rows = np.random.default_rng(seed), []
    for one in features:
        cells = one.reshape(-1, one.shape[-1])
        rows.append(cells[rng.permutation(len(cells))[: max(1, MOST_ROWS // images)]])
    found = np.concatenate(rows)
    density = fit_gaussian(found)
    white = (found - density.center) @ density.whitening
    means = MiniBatchKMeans(min(count, len(white)), random_state=seed, batch_size=BATCH, n_init=1).fit(white)
    return Cells(density.center, density.whitening, np.asarray(means.cluster_centers_, np.float32))
