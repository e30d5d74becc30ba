"""What tells images of the bundle's kind from foreign ones: the signs of its held-out normals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.detector.fit import highest_of
from keras_sranogan.detector.normals import HeldOutNormals
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.fingerprint import FEWEST, Signs
from sranogan_edge.scoring.heat import BRIGHTNESS
from sranogan_edge.scoring.statistics import signs_of

Images = NDArray[np.float32]


def signs_of_normals(
    normals: HeldOutNormals,
    measured: Sequence[Mapping[str, Images]],
    heat: Sequence[Images],
    density: Density,
    contamination: float,
) -> Signs | None:
    """Return the signs of the normals and their copies, without the share of suspects; None for too few.

    From 20 originals on: where they are few, the rule asks for images that are farther off
    (:mod:`sranogan_edge.scoring.foreign`). Without jittered copies they would say where *these* normals end,
    and call another take foreign. Of images in tiles they are means over the tiles.
    """
    if normals.whole is not None:
        rows_judged = np.flatnonzero(~normals.whole).tolist()
        measured, heat = [measured[n] for n in rows_judged], [heat[n] for n in rows_judged]
        normals = normals.judged
    number = np.arange(len(normals.x)) if normals.image is None else normals.image
    _, first = np.unique(number, return_index=True)
    original = normals.original[first]
    if original.sum() < FEWEST or original.all():
        return None
    scores = highest_of(np.array([density.score(one) for one in measured]), number)
    kept = scores <= np.quantile(scores, 1 - contamination)
    if (kept & original).sum() < FEWEST:
        return None
    rows = [signs_of(x, planes[BRIGHTNESS], density) for x, planes in zip(normals.x, heat, strict=True)]
    return {name: _means(np.array([row[name] for row in rows]), number)[kept] for name in rows[0]}


def _means(values: NDArray[np.float64], image: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of ``values`` ``(N,)`` of each ``image`` ``(N,)`` that occurs, in their order."""
    _, place, counts = np.unique(image, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(place, weights=values) / counts)
