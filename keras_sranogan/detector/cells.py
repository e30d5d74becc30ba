"""The usual cells of normals, found among those that the head was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

from keras_sranogan.detector.fit import fit_gaussian
from sranogan_edge.scoring.cells import Cells

__all__ = ["some_cells", "usual_cells"]

MOST_ROWS = 200_000  # cells that are looked at, as many of each image
BATCH = 4096


def some_cells(features: NDArray[np.float32], images: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw of one image's early features ``(h, w, C)`` the cells ``(k, C)`` that are looked at.

    ``images`` is how many images there are in all.
    """
    cells = features.reshape(-1, features.shape[-1])
    return cells[rng.permutation(len(cells))[: max(1, MOST_ROWS // images)]]


def usual_cells(rows: Sequence[NDArray[np.float32]], count: int, seed: int) -> Cells:
    """Return ``count`` usual cells, fewer where there are not so many.

    Args:
        rows: what :func:`some_cells` drew of each image.
        count: of centres.
        seed: of the centres that k-means begins with.
    """
    found = np.concatenate(rows)
    density = fit_gaussian(found)
    white = (found - density.center) @ density.whitening
    means = MiniBatchKMeans(min(count, len(white)), random_state=seed, batch_size=BATCH, n_init=1).fit(white)
    return Cells(density.center, density.whitening, np.asarray(means.cluster_centers_, np.float32))
