"""The layout of MVTec AD and of many inspection sets: ``train/good``, ``test/DEFECT`` and masks of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.folder_source import FolderSource
from keras_sranogan.data.item import Item
from keras_sranogan.data.layout import Layout
from keras_sranogan.data.listing import images_under, subfolders
from keras_sranogan.data.names import folded, means_masks, plain
from keras_sranogan.settings import Anomalies
from sranogan_edge.errors import DataError
from sranogan_edge.image.decode import decode_file

__all__ = ["MvtecSource", "is_mvtec"]

_GOOD = "good"
_TRUTH = ("groundtruth", "gt")
_ENDS = ("", "_mask", "-mask", "_gt", "_label")  # of a mask's name, after the name of its image
_LOSSY = frozenset({".jpg", ".jpeg"})  # where what is black is only nearly 0
PATTERNS = "NAME_mask.png, NAME.png or a folder NAME of masks, in the folder of the same DEFECT"


def is_mvtec(layout: Layout) -> bool:
    """Whether the normals are ``train/good``, or masks of the classes lie beside the splits."""
    good = {folded(name) for name in layout.normal.get("train", ())} == {_GOOD}
    return bool(layout.folders) and (good or _truth(layout) is not None)


class MvtecSource(FolderSource):
    """Defects by name, with a mask of each where ``ground_truth`` is there."""

    anomalies: Anomalies = "mixture"

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """Where the defect is: ``(H, W)`` bool, any value above 0 (in a JPEG: above half of the largest).

        A mask is ``ground_truth/DEFECT/NAME_mask.png``, ``NAME.png`` or a folder ``NAME`` of several, which
        are joined (MVTec LOCO), whatever the case and the kind of file. None for a good part, and for all
        where there is no ``ground_truth``.

        Raises:
            DataError: there is a ``ground_truth``, but no readable mask of this image in it, several masks of
                unlike size, or one that marks nothing.
        """
        truth = _truth(self.layout)
        if item.is_normal or truth is None or item.path is None:
            return None
        files = _masks(truth, item.label, item.path.stem)
        if not files:
            raise DataError(
                f"{truth / item.label}: no mask of {item.key}. Accepted are {PATTERNS}. Add it, or remove "
                f"{truth.name} to go without masks."
            )
        marks = [self._mark(path) for path in files]
        if len({mark.shape for mark in marks}) > 1:
            raise DataError(
                f"{files[0].parent}: the masks of {item.key} are not of one size. Draw them anew."
            )
        mask = np.asarray(np.any(marks, axis=0))
        if not mask.any():  # it would count as a defect that no heat map can find
            raise DataError(
                f"{files[0]}: marks nothing (all of it is 0), and {item.key} shows a defect. Draw it anew, "
                f"move the image to {_GOOD} where it has none, or remove {truth.name} to go without masks."
            )
        return mask

    def _mark(self, path: Path) -> NDArray[np.bool_]:
        pixels = decode_file(path, max_pixels=self._max_pixels).pixels
        grey = np.asarray(pixels if pixels.ndim == 2 else pixels.max(axis=2))
        return np.asarray(grey > (int(grey.max()) // 2 if path.suffix.lower() in _LOSSY else 0))


def _truth(layout: Layout) -> Path | None:
    """The folder of masks: called ground truth, or with a folder for a class; others mark other things."""
    labels = {folded(label) for classes in layout.classes.values() for label in classes}
    for folder in subfolders(layout.inner):
        inside = {folded(path.name) for path in subfolders(folder)}
        if plain(folder.name) in _TRUTH or (means_masks(folder.name) and labels & inside):
            return folder
    return None


def _masks(truth: Path, label: str, stem: str) -> list[Path]:
    """The masks of one image, by the folder of its defect and its name."""
    folder = next((path for path in subfolders(truth) if folded(path.name) == folded(label)), None)
    if folder is None:
        return []
    files = {folded(path.stem): path for path in images_under(folder) if path.parent == folder}
    for end in reversed(_ENDS):
        if path := files.get(folded(stem) + end):
            return [path]
    inside = next((path for path in subfolders(folder) if folded(path.name) == folded(stem)), None)
    return images_under(inside) if inside else []
