"""Tiles: a large image covered with squares that overlap, each judged as an image of its own.

The squares have one size in pixels of the image, so a defect is seen at one scale whatever the image's size.
In each direction the first starts at one border and the last ends at the other; those between are evenly
spaced, each ``overlap`` of its side over the next at least. So every pixel is covered, no tile is padded, and
whatever is no larger than the overlap lies wholly within a tile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import DegenerateImageError, OversizedImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.image.region import inside

__all__ = ["MOST_TILES", "Box", "cut", "judged_tiles", "plan_tiles", "whole", "within"]

MOST_TILES = 10_000  # of one image
LEAST_INSIDE = 0.05  # share of a tile that lies in the region, where it is judged


@dataclass(frozen=True)
class Box:
    """Where a tile lies, in pixels of the image."""

    left: int
    top: int
    side: int

    def to_list(self) -> list[int]:
        """Left, top, width and height."""
        return [self.left, self.top, self.side, self.side]


def plan_tiles(height: int, width: int, spec: PreprocessSpec, source: str = "this image") -> list[Box]:
    """Return the tiles of an image, row by row.

    Raises:
        DegenerateImageError: a side is shorter than a tile.
        OversizedImageError: it would take more than :data:`MOST_TILES`.
    """
    side = spec.tile_side_px
    if min(height, width) < side:
        raise DegenerateImageError(
            f"{source}: {width} x {height} pixels are less than one tile of {side} x {side}: it cannot be "
            "judged at the scale that was learned. Use an image of the training's resolution, not cut or "
            "shrunk, or train with smaller tiles (--tile-px)."
        )
    rows, columns = (_count(length, side, spec.tile_overlap) for length in (height, width))
    if rows * columns > MOST_TILES:
        raise OversizedImageError(
            f"{source}: {width} x {height} pixels take {columns} x {rows} = {columns * rows:,} tiles of "
            f"{side} x {side} pixels; at most {MOST_TILES:,} are judged. Cut the image into parts, or train "
            "with larger tiles (--tile-px) or less overlap."
        )
    tops, lefts = _starts(height, side, rows), _starts(width, side, columns)
    return [Box(left, top, side) for top in tops for left in lefts]


def _count(length: int, side: int, overlap: float) -> int:
    """Return how many tiles of ``side`` cover ``length``."""
    step = max(1, math.floor(side * (1 - overlap)))
    return 1 + math.ceil((length - side) / step)


def _starts(length: int, side: int, count: int) -> list[int]:
    """Return where each of ``count`` tiles starts: from 0 to flush with the end."""
    room = length - side
    return [room * number // (count - 1) for number in range(count)] if count > 1 else [0]


def cut(frame: Frame, box: Box) -> Frame:
    """Return the tile of ``frame`` at ``box``: a view of its pixels, no copy."""
    rows, columns = slice(box.top, box.top + box.side), slice(box.left, box.left + box.side)
    return replace(frame, pixels=frame.pixels[rows, columns])


def within(tile: Frame, box: Box, image: tuple[int, int], spec: PreprocessSpec) -> Frame:
    """Return ``tile``, cut at ``box`` of an image of that height and width, without what the region omits.

    Pixels outside have the mean of those inside.

    Raises:
        DegenerateImageError: next to nothing of it is inside.
    """
    if not spec.region:
        return tile
    chosen = inside(spec.region, image, box.left, box.top, (box.side, box.side))
    if chosen.all():
        return tile
    if chosen.mean() < LEAST_INSIDE:
        raise DegenerateImageError(f"{tile.source}: the tile at {box.left}, {box.top} is outside the region.")
    pixels = tile.pixels.copy()
    pixels[~chosen] = np.rint(pixels[chosen].mean(axis=0)).astype(pixels.dtype)
    return replace(tile, pixels=pixels)


def whole(frame: Frame, spec: PreprocessSpec) -> NDArray[np.float32]:
    """Return all of ``frame`` as it is judged beside its tiles: ``(S, S, C)``, stretched.

    Outside the region it has the mean of what is inside.

    Raises:
        DegenerateImageError: seen so small it is of one constant brightness.
    """
    x = preprocess(frame, spec)
    if spec.region:
        chosen = inside(spec.region, x.shape[:2], 0, 0, x.shape[:2])
        if chosen.any():
            x[~chosen] = x[chosen].mean(axis=0)
    return x


def judged_tiles(frame: Frame, spec: PreprocessSpec) -> Iterator[tuple[Box, NDArray[np.float32] | None]]:
    """Yield each tile's box, and its ``(S, S, C)`` as :func:`preprocess` gives it: one at a time in memory.

    None stands for a tile of one constant brightness or outside the region: there is nothing to judge.

    Raises:
        DegenerateImageError: the image is smaller than a tile, or in none of its tiles there is anything.
        OversizedImageError: too many tiles.
    """
    height, width = frame.pixels.shape[:2]
    constant: DegenerateImageError | None = None
    found = False
    for box in plan_tiles(height, width, spec, frame.source):
        try:
            x = preprocess(within(cut(frame, box), box, (height, width), spec), spec)
        except DegenerateImageError as error:
            constant = error
            yield box, None
            continue
        found = True
        yield box, x
    if constant and not found:
        raise constant
