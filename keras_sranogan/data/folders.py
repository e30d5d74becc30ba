"""What all sources that are files share, and which files there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.glance import glance_at
from keras_sranogan.data.item import Item
from keras_sranogan.data.listing import passed_over_below
from keras_sranogan.settings import Anomalies
from sranogan_edge.errors import DataError, UnreadableImageError
from sranogan_edge.image.decode import decode_file
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.image_list import Reason

__all__ = ["SPLITS", "FileSource"]

SPLITS = ("train", "val", "test")


class FileSource:
    """The items of each split, and how one is decoded.

    Attributes:
        told: what a person should know of these images before they are learned from, in lines.
    """

    anomalies: Anomalies = "spots"

    def __init__(
        self,
        root: Path,
        splits: Mapping[str, Sequence[Item]],
        max_pixels: int,
        told: Sequence[str] = (),
        missing: str = "Put them under {split}/ and the name of their class.",
    ) -> None:
        """Take the items; ``missing`` says the cure where a ``{split}`` has none."""
        self.name = root.resolve().name
        self.root = root
        self.told = tuple(told)
        self._splits = {
            split: sorted(splits[split], key=attrgetter("key")) for split in SPLITS if splits.get(split)
        }
        self._max_pixels, self._missing = max_pixels, missing
        self.passed_over = passed_over_below(root)
        self._unreadable = {
            one.path: one.detail for one in self.passed_over if one.reason is Reason.UNREADABLE
        }

    def splits(self) -> tuple[str, ...]:
        """The splits that hold images, in the order train, val, test."""
        return tuple(self._splits)

    def items(self, split: str) -> list[Item]:
        """The images of one split, sorted by key; ``train`` lists normals only.

        Raises:
            DataError: there is no such split.
        """
        if split not in self._splits:
            raise DataError(
                f"{self.root}: no images for the split {split!r}; there is {', '.join(self._splits)}. "
                + self._missing.replace("{split}", split)
            )
        return list(self._splits[split])

    def frame(self, item: Item) -> Frame:
        """Decode the file of one item.

        Raises:
            ImageError: it is not an image, damaged, too large, or could not be looked at.
        """
        path = item.path or self.root / item.key
        if path in self._unreadable:
            raise UnreadableImageError(self._unreadable[path])
        return decode_file(path, max_pixels=self._max_pixels)

    def glance(self, item: Item, side: int) -> tuple[Frame, tuple[int, int]] | None:
        """A small copy of one image and its size: see :func:`keras_sranogan.data.glance.glance_at`."""
        return glance_at(item.path or self.root / item.key, side, self._max_pixels)

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """None: these folders mark nothing."""
        return None
