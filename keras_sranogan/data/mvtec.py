"""The layout of MVTec AD and of many inspection sets: ``train/good``, ``test/DEFECT`` and masks of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.folders import FileSource
from keras_sranogan.data.listing import images_under, subfolders, without_suffix
from keras_sranogan.data.source import Item
from keras_sranogan.settings import Anomalies
from sranogan_edge.decode import DEFAULT_MAX_PIXELS, decode_file
from sranogan_edge.errors import DataError

__all__ = ["MvtecSource", "is_mvtec"]

_GOOD = "good"


def is_mvtec(root: Path, normal_class: str) -> bool:
    """Whether ``root`` has ``train/good``, and the normals asked for are not in another class beside it."""
    good_is_meant = normal_class == _GOOD or not (root / "train" / normal_class).is_dir()
    return good_is_meant and (root / "train" / _GOOD).is_dir()


class MvtecSource(FileSource):
    """Defects by name, with a mask of each where ``ground_truth`` is there."""

    anomalies: Anomalies = "defects"

    def __init__(self, root: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """List the images below ``root``; none is opened.

        Raises:
            DataError: ``train/good`` holds no images.
        """
        splits = {"train": _items(root, root / "train" / _GOOD)}
        if not splits["train"]:
            raise DataError(f"{root / 'train' / _GOOD}: no images. Put the images of good parts there.")
        for split in ("val", "test"):
            kinds = subfolders(root / split) if (root / split).is_dir() else []
            splits[split] = [item for kind in kinds for item in _items(root, kind)]
        super().__init__(root, splits, max_pixels)

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """Where the defect is: ``(H, W)`` bool, any value above 0 in ``ground_truth/DEFECT/NAME_mask.png``.

        None for a good part, and for all where there is no ``ground_truth``.

        Raises:
            DataError: there is a ``ground_truth``, but no readable mask of this image in it.
        """
        truth = self.root / "ground_truth"
        if item.is_normal or not truth.is_dir():
            return None
        path = truth / item.label / f"{Path(item.key).stem}_mask.png"
        if not path.is_file():
            raise DataError(
                f"{path}: no such mask of {item.key}. Add it, or remove ground_truth to go without masks."
            )
        pixels = decode_file(path, max_pixels=self._max_pixels).pixels
        return np.asarray(pixels if pixels.ndim == 2 else pixels.max(axis=2)) > 0


def _items(root: Path, folder: Path) -> list[Item]:
    label = folder.name
    keys = [(path.relative_to(root).as_posix(), path) for path in images_under(folder)]
    return [Item(key, label, label == _GOOD, without_suffix(key), path) for key, path in keys]
