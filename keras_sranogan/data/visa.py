"""VisA (Zou et al. 2022): ``OBJECT/Data/Images/Normal|Anomaly``, ``Data/Masks``, ``split_csv/1cls.csv``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.folders import FileSource
from keras_sranogan.data.item import Item
from keras_sranogan.data.layout import ALL
from keras_sranogan.data.layout_errors import no_normal_class, several_sets
from keras_sranogan.data.listing import images_under
from keras_sranogan.data.marks import Mark, joined, read_marks
from keras_sranogan.data.names import folded, means_normal
from keras_sranogan.data.visa_tables import Listed, listed_in, types_in
from keras_sranogan.settings import Anomalies
from sranogan_edge.errors import DataError
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS

__all__ = ["VisaSource", "find_visa"]

NORMAL, ANOMALY = "normal", "anomaly"
TESTED_ON = 10  # without a list of its split: every tenth normal, the share that VisA's own list has
_NO_LIST = (
    f"no split_csv/1cls.csv: every {TESTED_ON}th normal, from the first, and all anomalies are tested on, "
    "which is not the split of papers"
)
_DATA, _IMAGES, _MASKS, _LISTS = "data", "images", "masks", "split_csv"


@dataclass(frozen=True)
class VisaFolder:
    """Where the parts of one object lie.

    Attributes:
        root: the object's folder, such as ``VisA/candle``.
        normal, anomaly: the folders of its images.
        masks: of the masks; None where there is none.
        split: ``1cls.csv``; None where there is none.
    """

    root: Path
    normal: Path
    anomaly: Path
    masks: Path | None
    split: Path | None


def find_visa(root: Path, normal_class: str) -> VisaFolder | None:
    """Where VisA's parts lie below ``root``: an object's folder, its ``Data``, or what holds one object.

    Folders are found as VisA spells them, and in lower case.

    Returns:
        None where this is another layout, or ``normal_class`` asks for all images.

    Raises:
        DataError: there are several objects, or ``normal_class`` is not what normals are called here.
    """
    if normal_class == ALL:
        return None
    here = Path(os.path.abspath(root))
    found = _object(here.parent if folded(here.name) == _DATA else here)
    if found is None:
        folders = [path for path in _folders(here) if folded(path.name) != _LISTS]
        objects = [one for path in folders if (one := _object(path))]
        if len(objects) > 1:
            raise several_sets(root, [one.root for one in objects])
        found = objects[0] if len(folders) == 1 and objects else None
    if found and not means_normal(normal_class):
        raise no_normal_class(found.root, normal_class, [ANOMALY, NORMAL])
    return found


def _object(folder: Path) -> VisaFolder | None:
    data = _child(folder, _DATA)
    images = _child(data, _IMAGES)
    normal, anomaly = _child(images, NORMAL), _child(images, ANOMALY)
    if images is None or normal is None or anomaly is None or set(_folders(images)) != {normal, anomaly}:
        return None
    masks = _child(data, _MASKS)
    lists = (_child(_child(place, _LISTS), "1cls.csv") for place in (folder.parent, folder))
    split = next(filter(None, lists), None)
    return VisaFolder(folder, normal, anomaly, masks, split) if masks or split else None


class VisaSource(FileSource):
    """The images of one object, split as ``1cls.csv`` says, else every tenth normal to test on.

    Attributes:
        told: what a person should know of these images before they are learned from, in lines.
    """

    anomalies: Anomalies = "mixture"

    def __init__(self, folder: VisaFolder, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """Name the images.

        Raises:
            DataError: no normals, or a table of the data set that does not go with the images.
        """
        self.folder = folder
        root = folder.root
        normal, anomaly = images_under(folder.normal), images_under(folder.anomaly)
        if not normal:
            raise DataError(f"{folder.normal}: no images. Unpack the data set anew.")
        keys = [path.relative_to(root).as_posix() for path in [*normal, *anomaly]]
        if folder.split:
            rows, told = listed_in(folder.split, root.name, keys), f"split by {folder.split}"
        else:
            rows, told = _every_tenth(keys[: len(normal)], keys[len(normal) :]), _NO_LIST
        types = types_in(root)
        self._named_masks = {row.key: row.mask for row in rows}
        used = [row for row in rows if row.split == "test" or row.is_normal]
        splits: dict[str, list[Item]] = {}
        for row in used:
            kinds = () if row.is_normal else types.get(folded(row.key), ())
            label = NORMAL if row.is_normal else ANOMALY
            item = Item(row.key, label, row.is_normal, row.key, root / row.key, kinds)
            splits.setdefault(row.split, []).append(item)
        left_out = [
            f"not used: {count:,} images {why}"
            for count, why in (
                (len(keys) - len(rows), "that the list does not name"),
                (len(rows) - len(used), "of the split train, which are not normal"),
            )
            if count
        ]
        super().__init__(root, splits, max_pixels, [told, *left_out])

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """Where the defect is: ``(H, W)`` bool, any value above 0, at the size of its file.

        The file is the one that ``1cls.csv`` names, else that of the image's name in ``Data/Masks/Anomaly``.
        None for a normal, and for all where there is no ``Data/Masks``.

        Raises:
            DataError: there is ``Data/Masks``, but no readable mask of this image in it, or one that marks
                nothing.
        """
        marks = self._marks(item)
        return joined(marks) if marks else None

    def unused_masks(self) -> tuple[str, ...]:
        """The files of masks that belong to no image, by their path below the object's folder, sorted."""
        if self.folder.masks is None:
            return ()
        stems = {folded(path.stem) for path in images_under(self.folder.anomaly)}
        named = {folded(name) for name in self._named_masks.values()}
        found = [(path, path.relative_to(self.root).as_posix()) for path in images_under(self.folder.masks)]
        return tuple(
            name for path, name in found if folded(path.stem) not in stems and folded(name) not in named
        )

    def _marks(self, item: Item) -> list[Mark]:
        if item.is_normal or self.folder.masks is None or item.path is None:
            return []
        masks = {
            folded(path.relative_to(self.root).as_posix()): path for path in images_under(self.folder.masks)
        }
        named = self._named_masks.get(item.key)
        stems = {folded(path.stem): path for path in masks.values()}
        path = masks.get(folded(named)) if named else stems.get(folded(item.path.stem))
        if path is None:
            wanted = named or f"{ANOMALY}/{item.path.stem}.png"
            raise DataError(
                f"{self.folder.masks}: no mask of {item.key}. Accepted is {wanted}. "
                f"Add it, or move {self.folder.masks.name} away to go without masks."
            )
        cure = f"or move {self.folder.masks.name} away to go without masks"
        return read_marks([path], item, self._max_pixels, cure)


def _every_tenth(normal: Sequence[str], anomaly: Sequence[str]) -> list[Listed]:
    rows = [
        Listed(key, "test" if number % TESTED_ON == 0 else "train", True) for number, key in enumerate(normal)
    ]
    return [*rows, *(Listed(key, "test", False) for key in anomaly)]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if os.path.isdir(path))
    except OSError:  # told where the folder is listed
        return []


def _child(folder: Path | None, name: str) -> Path | None:
    """What is called ``name`` in ``folder``, or is written with a capital."""
    if folder is None or not os.path.isdir(folder):
        return None
    for spelt in (name, name.capitalize()):  # without a listing, which may be of a hundred thousand files
        if os.path.exists(folder / spelt):
            return folder / spelt
    return None
