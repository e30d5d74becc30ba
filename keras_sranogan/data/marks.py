"""Masks as files: what of an image is abnormal, and how much of it has to be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import DataSource, Item
from sranogan_edge.errors import DataError, ImageError
from sranogan_edge.image.decode import decode_file

__all__ = ["Mark", "Region", "joined", "read_marks", "regions_of", "unused_masks_of"]

_LOSSY = frozenset({".jpg", ".jpeg"})  # where what is black is only nearly 0


@dataclass(frozen=True, eq=False)
class Mark:
    """One file of a mask.

    Attributes:
        path: of the file.
        values: ``(H, W)`` whole numbers, 0 where nothing is marked; what they say is the data set's.
    """

    path: Path
    values: NDArray[np.integer[Any]]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``(H, W)``: where something is marked."""
        return np.asarray(self.values > 0)


@dataclass(frozen=True, eq=False)
class Region:
    """One defect of an image, of which only some may have to be found (MVTec LOCO).

    Attributes:
        mask: ``(H, W)`` bool, at the size of the mask's file.
        enough_px: so many pixels of it count as all; at least 1, at most all of them.
    """

    mask: NDArray[np.bool_]
    enough_px: float


def regions_of(source: DataSource, item: Item) -> tuple[Region, ...]:
    """The defects of ``item`` with how much of each is enough; none where the data do not say."""
    find = getattr(source, "regions", None)
    found: tuple[Region, ...] = find(item) if find else ()
    return found


def unused_masks_of(source: DataSource) -> tuple[str, ...]:
    """Masks of no image, by their path below the folder; none where there are no files of masks."""
    find = getattr(source, "unused_masks", None)
    found: tuple[str, ...] = find() if find else ()
    return found


def read_marks(files: Sequence[Path], item: Item, max_pixels: int, cure: str) -> list[Mark]:
    """Read all masks of one image that is not normal.

    Any value above 0 is a mark, in one channel or several; in a JPEG, what is above half of the largest.

    Args:
        files: at least one.
        item: whose they are, for messages.
        max_pixels: a file that declares more is refused.
        cure: what else can be done, for messages.

    Raises:
        DataError: one cannot be decoded, they are not of one size, or all of them together mark nothing.
    """
    marks = [_read(path, item, max_pixels) for path in files]
    if len({mark.values.shape for mark in marks}) > 1:
        raise DataError(f"{files[0].parent}: the masks of {item.key} are not of one size. Draw them anew.")
    if not any(mark.mask.any() for mark in marks):  # it would count as a defect that no heat map can find
        raise DataError(
            f"{files[0]}: marks nothing (all of it is 0), and {item.key} shows a defect. Draw it anew, "
            f"{cure}."
        )
    return marks


def joined(marks: Sequence[Mark]) -> NDArray[np.bool_]:
    """``(H, W)``: where any of them marks something."""
    return np.asarray(np.any([mark.mask for mark in marks], axis=0))


def _read(path: Path, item: Item, max_pixels: int) -> Mark:
    try:
        pixels = decode_file(path, max_pixels=max_pixels).pixels
    except ImageError as error:
        raise DataError(f"the mask of {item.key} cannot be used: {error}") from error
    grey = np.asarray(pixels if pixels.ndim == 2 else pixels.max(axis=2))
    if path.suffix.lower() in _LOSSY:
        grey = np.where(grey > int(grey.max()) // 2, grey, 0)
    return Mark(path, grey)
