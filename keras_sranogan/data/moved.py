"""Copies that were cropped, shifted or stretched a little: told by what is left without such a move.

To first order, a small move changes an image by a sum of its derivatives (Lucas and Kanade 1981). What sets
two images apart from the mean of all is compared without these. So parts that differ by where they lie before
the camera are no copies: without the move, only their grain is left. The few pairs that agree so far are laid
upon each other (Evangelidis and Psarakis 2008), and have to agree in their details.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["EQUAL", "LEAST", "alike_without_moves", "equal_when_aligned"]

EQUAL = 0.96  # correlation of what is left; of 3,000 different phantoms, 40 pairs have more
LEAST = 0.6  # of any copy: of noisy ones 0.76 and more, of parts that lie a little elsewhere up to 0.35
ALIGNED = 0.95  # of the details, once one lies upon the other; none of these pairs has so much
EDGE_PX = 2  # left out, for a crop has lost it
SEARCH = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 40, 1e-6)
FEWEST = 1e-6  # squared length of what is left, of images of length 1: below there is nothing to compare

Rows = NDArray[np.float32]


def alike_without_moves(
    these: Rows, known: Rows, mean: NDArray[np.float32], pairs: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Correlate what sets images apart from the mean, without what moving one by about a pixel would change.

    Args:
        these: ``(M, S * S)`` smoothed images of mean 0 and length 1.
        known: ``(N, S * S)``, likewise.
        mean: ``(S * S,)`` of all known.
        pairs: ``(M, N)`` which of them to compare.

    Returns:
        ``(M, N)`` in -1 to 1; 0 where nothing was compared, or nothing is left.
    """
    found = np.zeros(pairs.shape, np.float32)
    for row in np.flatnonzero(pairs.any(axis=1)):
        columns = np.flatnonzero(pairs[row])
        moves = _moves(these[row])
        own = these[row] - mean
        own = own - moves @ (moves.T @ own)
        others = known[columns] - mean
        length = (others**2).sum(axis=1) - ((others @ moves) ** 2).sum(axis=1)
        left = np.sqrt(np.maximum(length, 0) * float(own @ own))
        found[row, columns] = np.where(left > FEWEST, others @ own / np.maximum(left, FEWEST), 0)
    return found


def equal_when_aligned(
    one: NDArray[np.float32], other: NDArray[np.float32], mean: NDArray[np.float32]
) -> bool:
    """Whether ``one`` laid upon ``other`` is the same in what sets both apart from ``mean``.

    Args:
        one: ``(S * S,)`` of mean 0 and length 1, as the others.
        other: likewise.
        mean: of all.
    """
    side = int(np.sqrt(one.size))
    above, below = one.reshape(side, side), other.reshape(side, side)
    move, everywhere = np.eye(2, 3, dtype=np.float32), np.ones((side, side), np.uint8)
    try:
        _, found = cv2.findTransformECC(below, above, move, cv2.MOTION_AFFINE, SEARCH, everywhere, 3)
    except cv2.error:  # it finds no move that makes them alike
        return False
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(above, found, (side, side), flags=how, borderMode=cv2.BORDER_REPLICATE)
    inside = (slice(EDGE_PX, -EDGE_PX),) * 2
    own = [(each - mean.reshape(side, side))[inside].ravel() for each in (laid, below)]
    first, second = (each - each.mean() for each in own)
    return bool(first @ second >= ALIGNED * np.linalg.norm(first) * np.linalg.norm(second))


def _moves(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(S * S, 4)`` what shifts and stretches along both axes change, orthonormal, each of mean 0."""
    side = int(np.sqrt(image.size))
    down, across = np.gradient(image.reshape(side, side))
    place = np.linspace(-1, 1, side, dtype=np.float32)
    changes = np.stack([across, down, across * place, down * place[:, None]]).reshape(4, -1)
    changes -= changes.mean(axis=1, keepdims=True)
    return np.asarray(np.linalg.qr(changes.T)[0], np.float32)
