"""Images in folders: normals only, ``{train,val,test}/CLASS``, or ``CLASS`` alone; and who they are of."""

from __future__ import annotations

import csv
import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.dicom_patient import DICOM_SUFFIXES, patient_of
from keras_sranogan.data.listing import (
    entries,
    images_under,
    is_loose_image,
    passed_over_below,
    subfolders,
    without_suffix,
)
from keras_sranogan.data.source import Item
from keras_sranogan.settings import Anomalies
from sranogan_edge.decode import DEFAULT_MAX_PIXELS, IMAGE_SUFFIXES, decode_file
from sranogan_edge.errors import DataError, UnreadableImageError
from sranogan_edge.frame import Frame
from sranogan_edge.image_files import begins_as_dicom
from sranogan_edge.image_list import Reason

__all__ = ["FileSource", "FolderSource"]

SPLITS = ("train", "val", "test")
_INDEX = "index.csv"
_ALIKE = 0.6  # difflib ratio from which a class name is taken for a misspelt other

_GROUP_PATTERNS = (  # file stems of the Kermany chest X-rays, in the layouts that go round
    re.compile(r"(person\d+)_(?:bacteria|virus)_\d+"),
    re.compile(r"((?:NORMAL\d*-)?IM-\d+)(?:-\d+)+"),
    re.compile(r"(?:NORMAL|BACTERIA|VIRUS)-(\d+)-\d+"),
)


class FileSource:
    """What all sources that are files share: the items of each split, and how one is decoded."""

    anomalies: Anomalies = "opacities"

    def __init__(self, root: Path, splits: dict[str, list[Item]], max_pixels: int) -> None:
        self.name = root.resolve().name
        self.root = root
        self._splits = {split: sorted(splits[split], key=_key) for split in SPLITS if splits.get(split)}
        self._max_pixels = max_pixels
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
                f"Put them under {split}/ and the name of their class."
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

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """None: these folders mark nothing."""
        return None


class FolderSource(FileSource):
    """A folder of normals (split ``train``), of ``{train,val,test}/CLASS``, or of ``CLASS`` (``test``).

    Groups come from the columns ``file`` and ``patient`` of ``index.csv`` at the root, else from a DICOM
    header, else from the file names of the Kermany chest X-rays, else every file is its own.
    """

    def __init__(self, root: Path, normal_class: str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """List the images below ``root``; of DICOM files the header is read.

        Raises:
            DataError: no images, no known layout, or no class called ``normal_class``.
        """
        group_of = _group_namer(root)
        splits = [split for split in SPLITS if (root / split).is_dir()]
        if splits:
            by_split = {split: _by_class(root / split) for split in splits}
            _check_layout(root, by_split)
        else:
            by_split = _unsplit(root, normal_class)
        normal = _normal_label(root, by_split, normal_class)
        items = {
            split: _items(root, classes, normal, group_of, only_normal=split == "train")
            for split, classes in by_split.items()
        }
        super().__init__(root, items, max_pixels)


def _by_class(folder: Path) -> dict[str, list[Path]]:
    return {path.name: images_under(path) for path in subfolders(folder)}


def _check_layout(root: Path, by_split: dict[str, dict[str, list[Path]]]) -> None:
    for split, classes in by_split.items():
        loose = [path for path in entries(root / split) if is_loose_image(path)]
        if loose:
            raise DataError(
                f"{root / split}: {len(loose)} image(s) such as {loose[0].name} lie outside of any class "
                f"folder. Move the normals to {split}/NORMAL and name it with --normal-class."
            )
        if not classes:
            raise DataError(f"{root / split}: no class folders. Expected such as {split}/NORMAL.")


def _unsplit(root: Path, normal_class: str) -> dict[str, dict[str, list[Path]]]:
    """A folder without splits: classes to test on where the normal class is among them, else all normals."""
    images = images_under(root)
    if not images:
        raise DataError(
            f"{root}: no images. Looked at any depth for {', '.join(sorted(IMAGE_SUFFIXES))}; "
            f"found {_what_is_there(root)}. Name a folder of images of normals, or one with train/NORMAL."
        )
    classes = [path.name for path in subfolders(root)]
    if len(classes) < 2:
        return {"train": {normal_class: images}}
    if normal_class.casefold() in (name.casefold() for name in classes):
        return {"test": _by_class(root)}
    if _nearest(normal_class, classes):  # not a folder of normals, but one with a slip in a name
        raise _no_normal_class(root, normal_class, classes)
    return {"train": {normal_class: images}}


def _what_is_there(root: Path) -> str:
    names = [path.name for path in entries(root)]
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "") if names else "an empty folder"


def _normal_label(root: Path, by_split: dict[str, dict[str, list[Path]]], wanted: str) -> set[str]:
    """The labels that mean normal: ``wanted`` itself, else what differs from it in case only."""
    needed = by_split.get("train") or {
        name: paths for split in by_split.values() for name, paths in split.items()
    }
    labels = {name for split in by_split.values() for name in split}
    normal = {wanted} & labels or {name for name in labels if name.casefold() == wanted.casefold()}
    present = normal & set(needed)
    if not present:
        raise _no_normal_class(root / "train" if "train" in by_split else root, wanted, sorted(needed))
    if not any(needed[name] for name in present):
        raise DataError(
            f"{root}: the folder of the normal class {sorted(present)[0]!r} holds no images. Looked at any "
            f"depth for {', '.join(sorted(IMAGE_SUFFIXES))}. Put the normals there."
        )
    return normal


def _no_normal_class(where: Path, wanted: str, found: list[str]) -> DataError:
    nearest = _nearest(wanted, found)
    hint = (
        f"Did you mean {nearest!r}? Pass --normal-class {nearest}"
        if nearest
        else ("Name the folder of the normals with --normal-class")
    )
    return DataError(f"{where}: no class {wanted!r}; found {', '.join(found)}. {hint}, or rename the folder.")


def _nearest(wanted: str, found: list[str]) -> str | None:
    folded = {name.casefold(): name for name in found}
    close = difflib.get_close_matches(wanted.casefold(), folded, n=1, cutoff=_ALIKE)
    return folded[close[0]] if close else None


def _items(
    root: Path,
    classes: dict[str, list[Path]],
    normal: set[str],
    group_of: Callable[[str], str],
    *,
    only_normal: bool,
) -> list[Item]:
    items = []
    for label, paths in classes.items():
        if only_normal and label not in normal:
            continue
        for path in paths:
            key = path.relative_to(root).as_posix()
            items.append(Item(key, label, label in normal, group_of(key), path))
    return items


def _key(item: Item) -> str:
    return item.key


def _group_namer(root: Path) -> Callable[[str], str]:
    """A function from key to group."""
    patients = dict(_patients(root / _INDEX))

    def group_of(key: str) -> str:
        name = key.rpartition("/")[2]
        return (
            patients.get(key) or patients.get(name) or _group_from_header(root / key) or _group_from_name(key)
        )

    return group_of


def _group_from_header(path: Path) -> str:
    other = path.suffix.lower() in IMAGE_SUFFIXES - DICOM_SUFFIXES
    return "" if other or not begins_as_dicom(path) else patient_of(path)


def _group_from_name(key: str) -> str:
    """The patient in a Kermany file name; else the key without its suffix, so every file is its own."""
    path = without_suffix(key)
    stem = path.rpartition("/")[2]
    matches = (pattern.fullmatch(stem) for pattern in _GROUP_PATTERNS)
    return next((match[1] for match in matches if match), path)


def _patients(index: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a key, or of a bare file name that means one patient only, and the patient."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for row in _rows(index):
        file, patient = row.get("file", "").replace("\\", "/"), row.get("patient", "")
        if file and patient:
            yield file, patient
            yield "/".join(filter(None, (row.get("split"), row.get("class"), file))), patient
            by_name[file.rpartition("/")[2]].add(patient)
    for name, patients in by_name.items():
        yield name, patients.pop() if len(patients) == 1 else ""


def _rows(index: Path) -> list[dict[str, str]]:
    """The rows with lower-case column names; none where there is no index."""
    if not index.is_file():
        return []
    try:
        with index.open(encoding="utf-8-sig", newline="") as stream:
            header, *lines = list(csv.reader(stream)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{index}: cannot be read ({error}). Save it as UTF-8 CSV, or remove it.") from error
    columns = [name.strip().lower() for name in header]
    return [dict(zip(columns, (cell.strip() for cell in line), strict=False)) for line in lines]
