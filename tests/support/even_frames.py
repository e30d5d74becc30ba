"""Frames of one value, and who judged them by a site's calibration."""

from __future__ import annotations

import numpy as np

from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.results.line import Scorer

DIGEST = "c" * 64
SCORER = Scorer("b" * 64, 4, "stand-in", calibration=DIGEST)


def frame(value: float) -> Frame:
    """An even frame."""
    return Frame(np.full((20, 20), value, np.uint8), 8, Photometric.MONOCHROME2)
