"""What tells images of the bundle's kind from foreign ones: the signs of its held-out normals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.detector.normals import HeldOutNormals
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.fingerprint import Signs
from sranogan_edge.scoring.heat import BRIGHTNESS
from sranogan_edge.scoring.statistics import signs_of

Images = NDArray[np.float32]


FEWEST_NORMALS = 50  # held out, for a rule that is used on images of other places


def signs_of_normals(
    normals: HeldOutNormals,
    measured: Sequence[Mapping[str, Images]],
    heat: Sequence[Images],
    density: Density,
    contamination: float,
) -> Signs | None:
    """Return the signs of the normals and their copies, without the share of suspects; None for too few.

    Without jittered copies they would say where *these* normals end, and call another take foreign.
    """
    if normals.original.sum() < FEWEST_NORMALS or normals.original.all():
        return None
    scores = np.array([density.score(one) for one in measured])
    kept = scores <= np.quantile(scores, 1 - contamination)
    rows = [signs_of(x, planes[BRIGHTNESS], density) for x, planes in zip(normals.x, heat, strict=True)]
    return {name: np.array([row[name] for row in rows])[kept] for name in rows[0]}
