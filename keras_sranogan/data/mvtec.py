"""The layout of MVTec AD and LOCO, of BTAD and others: ``train/good``, ``test/DEFECT`` and masks of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.folder_source import FolderSource
from keras_sranogan.data.item import Item
from keras_sranogan.data.layout import Layout
from keras_sranogan.data.listing import images_under, subfolders
from keras_sranogan.data.marks import Mark, Region, joined, read_marks
from keras_sranogan.data.names import folded, means_masks, plain
from keras_sranogan.data.saturation import CONFIG, read_saturations, regions_in
from keras_sranogan.settings import Anomalies
from sranogan_edge.errors import DataError

__all__ = ["MvtecSource", "is_mvtec"]

_GOOD = "good"
_TRUTH = ("groundtruth", "gt")
_ENDS = ("", "_mask", "-mask", "_gt", "_label")  # of a mask's name, after the name of its image
PATTERNS = "NAME_mask.png, NAME.png or a folder NAME of masks, in the folder of the same DEFECT"


def is_mvtec(layout: Layout) -> bool:
    """Whether the normals are ``train/good``, or masks of the classes lie beside the splits."""
    good = {folded(name) for name in layout.normal.get("train", ())} == {_GOOD}
    return bool(layout.folders) and (good or _truth(layout) is not None)


class MvtecSource(FolderSource):
    """Defects by name, with a mask of each where ``ground_truth`` is there."""

    anomalies: Anomalies = "mixture"

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """Where the defect is: ``(H, W)`` bool, at the size of its file (:func:`read_marks`).

        A mask is ``ground_truth/DEFECT/NAME_mask.png``, ``NAME.png`` or a folder ``NAME`` of several, which
        are joined (MVTec LOCO), whatever the case and the kind of file. None for a good part, and for all
        where there is no ``ground_truth``.

        Raises:
            DataError: there is a ``ground_truth``, but no readable mask of this image in it, several masks of
                unlike size, or one that marks nothing.
        """
        marks = self._marks(item)
        return joined(marks) if marks else None

    def regions(self, item: Item) -> tuple[Region, ...]:
        """The defects of ``item`` and how much of each is enough, by ``defects_config.json`` (MVTec LOCO).

        Nothing for a good part, and for all where there is no such file.

        Raises:
            DataError: as :meth:`mask`; or that file cannot be understood, or lacks a value of the masks.
        """
        saturations = read_saturations(self.layout.inner / CONFIG)
        return regions_in(self._marks(item), saturations) if saturations else ()

    def unused_masks(self) -> tuple[str, ...]:
        """The files of masks that belong to no image, by their path below the folder, sorted."""
        truth = _truth(self.layout)
        if truth is None:
            return ()
        used = {
            (folded(item.label), folded(item.path.stem) + end)
            for split in self.splits()
            for item in self.items(split)
            if item.path is not None
            for end in _ENDS
        }
        found = [(path, path.relative_to(truth)) for path in images_under(truth)]
        return tuple(
            path.relative_to(self.root).as_posix() for path, below in found if _named(below) not in used
        )

    def _marks(self, item: Item) -> list[Mark]:
        truth = _truth(self.layout)
        if item.is_normal or truth is None or item.path is None:
            return []
        files = _masks(truth, item.label, item.path.stem)
        if not files:
            raise DataError(
                f"{truth / item.label}: no mask of {item.key}. Accepted are {PATTERNS}. Add it, or remove "
                f"{truth.name} to go without masks."
            )
        cure = f"move the image to {_GOOD} where it has none, or remove {truth.name} to go without masks"
        return read_marks(files, item, self._max_pixels, cure)


def _named(below: Path) -> tuple[str, str]:
    """The defect and the name that a mask's path below the folder of masks is for."""
    return folded(below.parts[0]), folded(below.parts[1] if len(below.parts) > 2 else below.stem)


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
