"""Signs of held-out normals: what a bundle knows an image "not like the training data" by.

One number of a normal for each sign, and none of its pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes

__all__ = ["FEWEST", "SIGNS", "Signs", "signs_from_bytes", "signs_to_bytes"]

Signs = Mapping[str, NDArray[np.float64]]  # by name, ``(N,)`` each, in one order

SIGNS = ("likeness", "brightness", "contrast", "sharpness")
FEWEST = 20  # normals, to say what is not like them


def signs_to_bytes(signs: Signs) -> bytes:
    """Return ``signs`` as an ``.npz`` file; equal signs give equal bytes, whatever order they are in."""
    names = [name for name in SIGNS if name in signs]
    values = np.stack([signs[name] for name in names], axis=1).astype(np.float64)
    return arrays_to_bytes({"signs": np.array([name in signs for name in SIGNS]), "values": values})


def signs_from_bytes(data: bytes) -> Signs:
    """Read :func:`signs_to_bytes`; raises ValueError when it is not that, or of fewer than ``FEWEST``."""
    arrays = arrays_from_bytes(data, ["signs", "values"])
    used, values = arrays["signs"], arrays["values"]
    if used.shape != (len(SIGNS),) or used.dtype != np.bool_ or not used.any():
        raise ValueError(f"signs {used.dtype}{used.shape}, not one boolean each of {', '.join(SIGNS)}")
    if values.dtype != np.float64 or values.ndim != 2 or values.shape[1] != used.sum():
        raise ValueError(f"{values.dtype}{values.shape} of {used.sum()} signs")
    if len(values) < FEWEST or not np.isfinite(values).all():
        raise ValueError(f"signs of {len(values)} normals: at least {FEWEST} are needed, all finite")
    names = [name for name, there in zip(SIGNS, used, strict=True) if there]
    return dict(zip(names, values.T.copy(), strict=True))
