"""Films that say they are turned or mirrored, turned back to what is usual for their view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame

__all__ = ["orientation_after", "turned_upright"]

# Where the rows and the columns of an upright film go, by its view (PS3.3, C.7.6.1.1.1): to the patient's
# L left, R right, A front, P back, H head, F foot.
_USUAL = {"PA": ("L", "F"), "AP": ("L", "F"), "LL": ("P", "F"), "RL": ("A", "F")}
_AXIS = {"L": "LR", "R": "LR", "A": "AP", "P": "AP", "H": "HF", "F": "HF"}


def turned_upright(frames: Sequence[Frame], orientation: str, view: str) -> tuple[tuple[Frame, ...], str]:
    r"""Return ``frames`` turned upright, and what was done; empty where nothing was.

    Args:
        frames: of one film.
        orientation: PatientOrientation, as ``L\F``; of several letters the first counts.
        view: ViewPosition; a view that is not known, or an orientation that does not fit it, turns nothing.
    """
    usual = _USUAL.get(view.strip().upper())
    parts = [part.strip().upper()[:1] for part in orientation.split("\\")]
    if usual is None or len(parts) != 2 or not all(part in _AXIS for part in parts):
        return tuple(frames), ""
    rows, columns = parts
    transposed = _AXIS[rows] == _AXIS[usual[1]]
    if transposed:
        rows, columns = columns, rows
    if (_AXIS[rows], _AXIS[columns]) != (_AXIS[usual[0]], _AXIS[usual[1]]):
        return tuple(frames), ""
    across, down = rows != usual[0], columns != usual[1]
    turned = tuple(_turned(frame, transposed, across, down) for frame in frames)
    return (turned, _WORDS[transposed, across, down]) if transposed or across or down else (tuple(frames), "")


_WORDS = {  # of what is done: rows and columns exchanged, then left and right, then top and bottom
    (False, True, False): "mirrored",
    (False, False, True): "turned by 180 degrees and mirrored",
    (False, True, True): "turned by 180 degrees",
    (True, False, False): "turned by 90 degrees clockwise and mirrored",
    (True, True, False): "turned by 90 degrees clockwise",
    (True, False, True): "turned by 90 degrees anticlockwise",
    (True, True, True): "turned by 90 degrees anticlockwise and mirrored",
}


def orientation_after(orientation: tuple[str, ...], turned: str) -> tuple[str, ...]:
    """Return where the rows and columns go of a film that had ``orientation`` and was ``turned`` upright.

    Args:
        orientation: of rows and of columns, one or more letters each; anything else comes back empty.
        turned: as :func:`turned_upright` says it; empty where nothing was done.
    """
    if not turned:
        return orientation
    found = [how for how, words in _WORDS.items() if words == turned]
    if not found or len(orientation) != 2:
        return ()
    transposed, across, down = found[0]
    rows, columns = orientation[::-1] if transposed else orientation
    return rows.translate(_OPPOSITE) if across else rows, columns.translate(_OPPOSITE) if down else columns


_OPPOSITE = str.maketrans("LRAPHF", "RLPAFH")


def _turned(frame: Frame, transposed: bool, across: bool, down: bool) -> Frame:
    pixels: NDArray[Any] = frame.pixels
    if transposed:
        pixels = np.swapaxes(pixels, 0, 1)
    pixels = pixels[:: -1 if down else 1, :: -1 if across else 1]
    return replace(frame, pixels=np.ascontiguousarray(pixels))
