"""How images come to the square that is judged, chosen from the normals to train on (``--fit auto``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from keras_sranogan.data.choose_whole import whole_tells
from keras_sranogan.data.item import DataSource
from sranogan_edge.errors import DataError, ImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, seen_at
from sranogan_edge.image.tiles import plan_tiles

__all__ = ["chosen_fit", "detail_lost", "usual_fit"]

LOOKED_AT = 32  # normals, evenly over all of them
LARGE = 1.5  # times the side judged at: below, a copy of that size loses hardly anything
MUCH_DETAIL = 0.1  # share of the detail; sets: docs/guide/photos.md
LONG = 1.5  # longer side over shorter one
MOST_TILES = 120  # of a usual image: about a second on one thread
FITS_WELL = 0.75  # side of a tile, of the shorter side of the smallest image: others may be smaller yet
SMALLER = "--fit tile finds smaller defects"
_ROUNDING = 1e-9  # variance of an image of one brightness
_MOST_SIDE_PX = 4096  # detail is looked for in the middle, so large at most


@dataclass(frozen=True)
class _Look:
    """What is seen of one image."""

    height: int
    width: int
    lost: float


def chosen_fit(source: DataSource, spec: PreprocessSpec) -> tuple[PreprocessSpec, str]:
    """Return ``spec`` with the fit that suits the normals of ``source``, and why, in one line.

    Tiles where a copy of ``spec.size`` loses much detail: as fine as a number of tiles allows that takes
    about a second; none where images are aligned. Otherwise letterbox for long images, and stretch.

    Raises:
        DataError: none of the images that were looked at can be read.
    """
    return _chosen(_looks(source, spec.size), spec)


def _chosen(looks: Sequence[_Look], spec: PreprocessSpec) -> tuple[PreprocessSpec, str]:
    height, width = (int(np.median([getattr(one, axis) for one in looks])) for axis in ("height", "width"))
    lost, size = float(np.median([one.lost for one in looks])), spec.size
    shortest = min(min(one.height, one.width) for one in looks)
    seen = f"images of {width} x {height} pixels (median of {len(looks)})"
    large = shortest >= LARGE * size
    if large and lost >= MUCH_DETAIL and not spec.align:
        tiled = _fine_enough(replace(spec, fit="tile"), height, width, shortest)
        count = len(plan_tiles(height, width, tiled))
        told = f"{count} tiles of {tiled.tile_side_px} px each"
        return tiled, f"fit tile: {seen} lose {lost:.0%} of their detail at {size} px; {told}"
    small = f"{seen} lose {lost:.0%} of their detail at {size} px, and {MUCH_DETAIL:.0%} would be much"
    if large and lost >= MUCH_DETAIL:
        small = f"{seen} lose {lost:.0%} of their detail at {size} px, and tiles do not go with --align"
    if not large:
        small = f"{seen}, the smallest of {shortest}, are too small for tiles"
    if max(height, width) > LONG * min(height, width):
        return replace(spec, fit="letterbox"), f"fit letterbox: {small}; their shape is kept, for it is long"
    return replace(spec, fit="stretch"), f"fit stretch: {small}"


def usual_fit(source: DataSource, spec: PreprocessSpec) -> tuple[PreprocessSpec, str]:
    """Return the fit that is taken where nobody names one, and why, where that is to be told.

    Tiles where :func:`chosen_fit` takes them, they fit well into the smallest image (what is smaller than a
    tile cannot be judged) and the normals do not look alike as a whole, as surfaces do not; else ``spec`` as
    it is. Letterbox is never taken unasked: its bars tell the shape that a source's images have. Where no
    image can be read, that is told when all are.
    """
    try:
        looks = _looks(source, spec.size)
        tiled, why = _chosen(looks, spec)
        if not tiled.tiled:
            return spec, ""
        alike, _ = whole_tells(source, replace(spec, fit="stretch"))
    except DataError:
        return spec, ""
    shortest = min(min(one.height, one.width) for one in looks)
    lost = why.removeprefix("fit tile: ").split(";", maxsplit=1)[0]
    if tiled.tile_side_px > FITS_WELL * shortest:
        return spec, f"fit {spec.fit}: {lost}, and the smallest has {shortest} pixels ({SMALLER})"
    if alike:
        return spec, f"fit {spec.fit}: {lost}, and look alike as a whole ({SMALLER})"
    return tiled, f"{why} (--fit stretch: the whole image in one)"


def _fine_enough(spec: PreprocessSpec, height: int, width: int, shortest: int) -> PreprocessSpec:
    """Return the smallest tiles, of 1, 1.5, 2, 3, 4 ... times the size judged at, that are not too many."""
    side = spec.size
    for factor in (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0):
        if round(factor * spec.size) > shortest:
            break
        side = round(factor * spec.size)
        if len(plan_tiles(height, width, replace(spec, tile_px=side))) <= MOST_TILES:
            break
    return replace(spec, tile_px=side)


def _looks(source: DataSource, size: int) -> Sequence[_Look]:
    normals = [item for item in source.items("train") if item.is_normal]
    places = {round(place) for place in np.linspace(0, len(normals) - 1, LOOKED_AT)} if normals else set()
    found: list[_Look] = []
    last: ImageError | None = None
    for place in sorted(places):
        try:
            frame = source.frame(normals[place])
            height, width = frame.pixels.shape[:2]
            found.append(_Look(height, width, detail_lost(frame, size)))
        except ImageError as error:
            last = error
    if not found:
        raise DataError(f"{source.name}: no image can be read to choose --fit by: {last or 'there are none'}")
    return found


def detail_lost(frame: Frame, size: int) -> float:
    """Return the share of an image's detail, 0 to 1, that is gone once it is ``size`` pixels a side.

    Detail is the variance of the levels of its Laplacian pyramid (Burt and Adelson 1983), from pixels up to
    an eighth of the side; lost are those that are finer than two pixels of the small image.

    Raises:
        DegenerateImageError: its window shows nothing.
    """
    height, width = frame.pixels.shape[:2]
    top, left = (max(0, side - _MOST_SIDE_PX) // 2 for side in (height, width))
    middle = frame.pixels[top : top + _MOST_SIDE_PX, left : left + _MOST_SIDE_PX]
    image = seen_at(replace(frame, pixels=middle), middle.shape[0], middle.shape[1])[..., 0]
    energies: list[float] = []
    while min(image.shape) >= 8:
        coarse = cv2.pyrDown(image)
        level = image - cv2.pyrUp(coarse, dstsize=image.shape[::-1])
        energies.append(float(np.var(level)))
        image = np.asarray(coarse, np.float32)
    lost = max(0, round(np.log2(min(height, width) / size))) if energies else 0
    total = sum(energies)
    return sum(energies[:lost]) / total if total > _ROUNDING else 0.0
