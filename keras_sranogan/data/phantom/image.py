"""What every phantom renders: the picture, where it is wrong, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PhantomImage:
    """One rendered image.

    Attributes:
        pixels: ``(size, size)`` uint8, bright where much was crossed by the rays.
        mask: ``(size, size)`` bool, True where the defect changed the picture visibly; all
            False for a normal.
        lesion: the defect's name, None for a normal.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    lesion: str | None = None
