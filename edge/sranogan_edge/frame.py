"""One image on its way to a score, with what is needed to read its pixel values rightly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Photometric(str, Enum):
    """How pixel values map to brightness (names from DICOM, attribute 0028,0004)."""

    MONOCHROME1 = "MONOCHROME1"  # low values are bright
    MONOCHROME2 = "MONOCHROME2"  # low values are dark
    RGB = "RGB"


@dataclass(frozen=True)
class Window:
    """A VOI window in stored-value units (DICOM 0028,1050 and 0028,1051)."""

    center: float
    width: float


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded image, not yet normalised.

    Attributes:
        pixels: ``(H, W)`` for the monochrome kinds, ``(H, W, 3)`` in R, G, B order for
            ``RGB``; ``uint8`` or ``uint16``, stored values, upright (EXIF orientation applied).
        bit_depth: bits used of each stored value, 1 to 16: full scale is ``2**bit_depth - 1``.
        photometric: how values map to brightness.
        window: values to map to black..white, or None for full scale.
        source: what to call this image in messages and results (a path, a URI).
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    bit_depth: int
    photometric: Photometric
    window: Window | None = None
    source: str = ""
