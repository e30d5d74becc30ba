"""Equal and nearly equal images: found by what is theirs alone, so that none stands on both sides of a split.

Two images are near where all of these agree: their 8 x 8 averages; the signs of their lowest frequencies (a
perceptual hash, Zauner 2010); and what sets each apart from the mean of all, at 8 x 8 or at 32 x 32. The last
keeps parts before a fixed camera apart, which differ in little but are other parts, wherever they lie. Those
that agree less are near where one is the other, moved a little (:mod:`keras_sranogan.data.moved`). Measured
on six sets of films, cells, bricks and boards: copies that were compressed, shrunk, brightened or made noisy
are found, and almost no two images of different patients are called near. Of crops of 2 % most are found; not
of textures, nor of parts before a fixed camera, which have little of their own but grain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from keras_sranogan.data.moved import EQUAL, LEAST, alike_without_moves, equal_when_aligned
from keras_sranogan.data.rows import Images, only
from sranogan_edge.image.preprocess import downscale

__all__ = ["Copies", "Prints", "distinct_rows", "find_copies", "near_any", "near_by_part", "prints_of"]

COARSE, FINE, FREQUENCIES = 8, 32, 8
ALIKE = 0.995  # correlation of the 8 x 8 averages
MOST_BITS = 6  # of 63 that may differ
OWN = 0.9  # correlation of what is not in the mean of all
MAYBE, MAYBE_BITS = 0.95, 12  # the same for those that may be moved
SMOOTH_PX = 1.0  # of the 32 x 32 averages, for these
ROWS = 512  # compared at a time

Rows = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prints:
    """What images are compared by, N rows each.

    Attributes:
        coarse: 8 x 8 averages, of mean 0 and length 1.
        fine: 32 x 32 averages, likewise.
        smooth: ``fine``, smoothed, likewise.
        bits: ``(N, 63)`` signs of the low frequencies, 0 or 1.
        means: of ``coarse``, ``fine`` and ``smooth``.
        side: of the images, in pixels.
    """

    coarse: Rows
    fine: Rows
    smooth: Rows
    bits: Rows
    means: tuple[Rows, Rows, Rows]
    side: int

    def own(self, means: tuple[Rows, Rows, Rows]) -> tuple[Rows, Rows]:
        """What sets each image apart from the first two ``means``, of length 1."""
        return _unit(self.coarse - means[0]), _unit(self.fine - means[1])


@dataclass(frozen=True, eq=False)
class Copies:
    """Which images to keep, and which belong together.

    Attributes:
        kept: ``(M,)`` rows of the images to keep: the first of each that are equal in every pixel.
        groups: of all N images; those that are equal or near, and all others of their groups, are one.
        near: how many of the kept are near another one.
    """

    kept: NDArray[np.intp]
    groups: tuple[str, ...]
    near: int


def prints_of(x: Images) -> Prints:
    """Return the prints of ``x`` ``(N, S, S, C)``, by their luminance."""
    fine = np.stack([cv2.resize(image[..., 0], (FINE, FINE), interpolation=cv2.INTER_AREA) for image in x])
    coarse = fine.reshape(len(x), COARSE, FINE // COARSE, COARSE, FINE // COARSE).mean(axis=(2, 4))
    low = np.stack([cv2.dct(one)[:FREQUENCIES, :FREQUENCIES].ravel()[1:] for one in fine])
    bits = (low > np.median(low, axis=1, keepdims=True)).astype(np.float32)
    smooth = np.stack(
        [cv2.GaussianBlur(one, (0, 0), SMOOTH_PX, borderType=cv2.BORDER_REPLICATE) for one in fine]
    )
    rows = [
        _unit(_centred(made.reshape(len(fine), -1).astype(np.float32))) for made in (coarse, fine, smooth)
    ]
    means = rows[0].mean(axis=0), rows[1].mean(axis=0), rows[2].mean(axis=0)
    return Prints(rows[0], rows[1], rows[2], bits, means, x.shape[1])


def distinct_rows(x: Images) -> NDArray[np.intp]:
    """Return ``(N,)`` the first row that equals each in every pixel."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in x)
    return np.array([first.setdefault(digest, row) for row, digest in enumerate(digests)], np.intp)


def find_copies(
    x: Images,
    groups: Sequence[str],
    on_progress: Callable[[int], None] = lambda done: None,
) -> Copies:
    """Tell which of ``x`` ``(N, S, S, 1)`` to keep, and join the ``groups`` of those that are alike."""
    first = distinct_rows(x)
    kept = np.unique(first)
    prints = prints_of(only(x, kept))
    near = np.zeros(len(kept), np.bool_)
    pairs = [np.stack([np.arange(len(x)), first])]
    for start, alike in _compared(prints, prints):
        rows, others = np.nonzero(alike)
        apart = rows + start != others
        near[rows[apart] + start] = near[others[apart]] = True
        pairs.append(kept[np.stack([rows[apart] + start, others[apart]])])
        on_progress(min(start + ROWS, len(kept)))
    return Copies(kept, _joined(np.concatenate(pairs, axis=1), groups), int(near.sum()))


def near_any(x: NDArray[np.float32], known: Prints) -> NDArray[np.bool_]:
    """Return ``(N,)`` whether each of ``x`` ``(N, S, S, 1)`` is equal or near to one of the ``known``."""
    found, side = np.zeros(len(x), np.bool_), min(known.side, x.shape[1])
    for start, alike in _compared(prints_of(np.stack([downscale(image, side) for image in x])), known):
        found[start : start + len(alike)] = alike.any(axis=1)
    return found


def near_by_part(x: NDArray[np.float32], parts: Sequence[str]) -> dict[tuple[str, str], int]:
    """Return how many of ``x`` ``(N, S, S, 1)`` are equal or near to another one, by their and its part.

    ``parts`` names the N parts; pairs of which there are none are left out. Those within one part come first.
    """
    names, part = np.unique(np.array(parts), return_inverse=True)
    near, prints = np.zeros((len(x), len(names)), np.bool_), prints_of(x)
    for start, alike in _compared(prints, prints):
        rows = np.arange(len(alike))
        alike[rows, start + rows] = False
        for number in range(len(names)):
            near[start : start + len(alike), number] = alike[:, part == number].any(axis=1)
    counted = {
        (str(one), str(other)): int(near[part == row, column].sum())
        for row, one in enumerate(names)
        for column, other in enumerate(names)
    }
    return dict(sorted(((pair, n) for pair, n in counted.items() if n), key=lambda one: len(set(one[0]))))


def _compared(these: Prints, known: Prints) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield a row number and which of the ``known`` the images from there on are near to."""
    ours, theirs = these.own(known.means), known.own(known.means)
    for start in range(0, len(these.coarse), ROWS):
        part = slice(start, start + ROWS)
        coarse = these.coarse[part] @ known.coarse.T
        alike, maybe = coarse >= ALIKE, coarse >= MAYBE
        if maybe.any():
            bits = these.bits[part]
            other_bits = bits @ (1 - known.bits).T + (1 - bits) @ known.bits.T
            alike &= other_bits <= MOST_BITS
            maybe &= other_bits <= MAYBE_BITS
        if alike.any():
            own = [a[part] @ b.T for a, b in zip(ours, theirs, strict=True)]
            alike &= np.maximum(own[0], own[1]) >= OWN
        left = alike_without_moves(these.smooth[part], known.smooth, known.means[2], maybe)
        moved = ~alike & (left >= EQUAL)
        for row, other in np.argwhere(moved):
            moved[row, other] = equal_when_aligned(these.fine[start + row], known.fine[other], known.means[1])
        yield start, (alike & (left >= LEAST)) | moved


def _joined(pairs: NDArray[np.intp], groups: Sequence[str]) -> tuple[str, ...]:
    """The groups, one name for all that a pair of images joins: the first in the alphabet."""
    names, place = np.unique(np.array(groups), return_inverse=True)
    edges = (np.ones(pairs.shape[1], np.bool_), (place[pairs[0]], place[pairs[1]]))
    _, part = connected_components(coo_array(edges, shape=(len(names), len(names))), directed=False)
    first: dict[int, str] = {}
    for name, number in zip(names.tolist(), part.tolist(), strict=True):  # the names are sorted
        first.setdefault(number, name)
    return tuple(first[number] for number in part[place].tolist())


def _centred(rows: Rows) -> Rows:
    return np.asarray(rows - rows.mean(axis=1, keepdims=True), np.float32)


def _unit(rows: Rows) -> Rows:
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9), np.float32)
