"""Who each image is of: by ``index.csv``, else by DICOM headers and the names of files."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from keras_sranogan.data.dicom_patient import DICOM_SUFFIXES, patient_of
from keras_sranogan.data.index_csv import (
    CLASSES,
    CURE,
    FILES,
    PATIENTS,
    SPLITS,
    Index,
    indexes_in,
    patient_of_cell,
    read_index,
)
from keras_sranogan.data.names import Split, folded, means_split, plain
from sranogan_edge.errors import DataError
from sranogan_edge.image.files import begins_as_dicom
from sranogan_edge.image.formats import IMAGE_SUFFIXES

__all__ = ["Groups", "Listed", "groups_of"]

_PATTERNS = (  # file stems of the Kermany chest X-rays, in the layouts that go round
    re.compile(r"(person\d+)_(?:bacteria|virus)_\d+"),
    re.compile(r"((?:NORMAL\d*-)?IM-\d+)(?:-\d+)+"),
    re.compile(r"(?:NORMAL|BACTERIA|VIRUS)-(\d+)-\d+"),
)


@dataclass(frozen=True)
class Listed:
    """An image whose group is asked for.

    Attributes:
        key: its path below the root, with ``/``.
        path: of the file.
        split: which it is of.
        label: its class.
        named: whether split and class are names of folders.
    """

    key: str
    path: Path
    split: Split
    label: str
    named: bool


@dataclass(frozen=True)
class Groups:
    """Who the images are of.

    Attributes:
        of: group by key.
        told: how that is known, in words.
    """

    of: Mapping[str, str]
    told: str


def groups_of(images: Sequence[Listed], folders: Iterable[Path], others: Sequence[str] = ()) -> Groups:
    """Give each of ``images`` its group.

    Args:
        images: all that may be learned from or tested on.
        folders: where an ``index.csv`` may lie; each is about the images below its folder.
        others: classes whose images are not among these.

    Raises:
        DataError: an ``index.csv`` cannot be understood, does not name all images of a split, or names one
            twice with different patients.
    """
    found: dict[str, str] = {}
    spelled: dict[str, str] = {}  # one patient in one case
    files = [path for folder in dict.fromkeys(folders) for path in indexes_in(folder)]
    for path in files:
        for key, given in _from_index(read_index(path), images, others).items():
            patient = spelled.setdefault(folded(given), given)
            found[key] = found.get(key) or patient
            if patient and found[key] != patient:
                raise _two_patients(path, key, found[key], patient)
    if files:
        _check_complete(files, images, found)
    return _with_the_others(images, {key: patient for key, patient in found.items() if patient})


def _with_the_others(images: Sequence[Listed], found: dict[str, str]) -> Groups:
    """Add what headers and names tell of the images that no index names."""
    count = {"index.csv": len(found), "DICOM headers": 0, "file names": 0}
    of = dict(found)
    for image in images:
        if image.key in of:
            continue
        header = patient_of(image.path) if _is_dicom(image.path) else ""
        name = "" if header else _from_name(image.key)
        count["DICOM headers"] += bool(header)
        count["file names"] += bool(name)
        of[image.key] = header or name or _without_suffix(image.key)
    by = ", ".join(f"{number:,} by {how}" for how, number in count.items() if number)
    known = sum(count.values())
    told = f"{known:,} of {len(images):,} images have a patient or part ({by})"
    if not known:
        told = "nothing says who or what an image is of: each is a group of its own"
    elif known < len(images):
        told += ", each of the others is a group of its own"
    return Groups(of, f"{told}; groups: {len(set(of.values())):,}")


def _is_dicom(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in DICOM_SUFFIXES or (suffix not in IMAGE_SUFFIXES and begins_as_dicom(path))


def _from_name(key: str) -> str:
    """The patient in a Kermany file name."""
    stem = _without_suffix(key.rpartition("/")[2])
    return next((match[1] for pattern in _PATTERNS if (match := pattern.fullmatch(stem))), "")


def _from_index(index: Index, images: Sequence[Listed], others: Sequence[str]) -> dict[str, str]:
    """Patient by key, empty where it says none, from the column of files that names most of the images."""
    below = [one for one in images if index.path.parent in one.path.parents] or list(images)
    places = _Places(below, index, others)
    best: dict[str, str] = {}
    patients = {row.number: patient_of_cell(cell) for row, cell in index.values(index.columns(PATIENTS)[0])}
    for column in index.columns(FILES):
        found = places.patients_of(index, column, patients)
        best = found if len(found) > len(best) else best
    return best


class _Places:
    """Finds the image that a cell means."""

    def __init__(self, images: Sequence[Listed], index: Index, others: Sequence[str]) -> None:
        self._by_stem: dict[str, list[tuple[tuple[str, ...], Listed]]] = defaultdict(list)
        for image in images:
            parts = _parts(image.key)
            self._by_stem[_stem(parts[-1])].append((parts, image))
        splits = {str(one.split) for one in images if one.named}
        labels = {plain(label) for label in [*others, *(one.label for one in images if one.named)]}
        self._split = _said(index, SPLITS, splits, lambda cell: means_split(cell) or "")
        self._label = _said(index, CLASSES, labels, plain)

    def patients_of(self, index: Index, column: int, patients: Mapping[int, str]) -> dict[str, str]:
        """The patient by key, from patients by row.

        Raises:
            DataError: one image has two patients, or a cell may mean several images.
        """
        found: dict[str, str] = {}
        for row, cell in index.values(column):
            patient = patients[row.number]
            fits = self._fits(cell, row.number)
            if len(fits) > 1:
                raise DataError(
                    f"{index.path}, line {row.number}: {cell!r} may be {fits[0]} or {fits[1]}. Write the "
                    "path below the folder that is named, such as train/NORMAL/a.png."
                )
            for key in fits:
                known = found.get(key, "")
                if known and patient and folded(known) != folded(patient):
                    raise _two_patients(index.path, key, known, patient)
                found[key] = known or patient
        return found

    def _fits(self, cell: str, number: int) -> list[str]:
        """Keys of the images that ``cell`` fits best."""
        parts = _parts(cell)
        if not parts:
            return []
        ranked: dict[tuple[int, bool, bool], list[str]] = defaultdict(list)
        for known, image in self._by_stem.get(_stem(parts[-1]), []):
            if not self._is_of(image, number):
                continue
            length = min(len(parts), len(known))
            given, there = parts[-length:-1], known[-length:-1]
            if tuple(map(folded, given)) == tuple(map(folded, there)):
                part_of_path = len(parts) < len(known)
                rank = (_unlike(parts[-1], known[-1]), given != there, part_of_path)
                ranked[rank].append(image.key)
        return ranked[min(ranked)] if ranked else []

    def _is_of(self, image: Listed, number: int) -> bool:
        split, label = self._split.get(number), self._label.get(number)
        return split in (None, image.split) and label in (None, plain(image.label))


def _said(index: Index, names: Sequence[str], known: set[str], form: Callable[[str], str]) -> dict[int, str]:
    """By row number, the split or class that a row names, where there is a folder of that name."""
    columns = index.columns(names)
    said = {row.number: form(cell) for column in columns[:1] for row, cell in index.values(column)}
    return {number: name for number, name in said.items() if name in known}


def _parts(text: str) -> tuple[str, ...]:
    """A path as composed names, whichever way its slashes lean, without what leads nowhere."""
    path = unicodedata.normalize("NFC", text).strip().strip("\"'").replace("\\", "/").removeprefix("file://")
    return tuple(part.strip() for part in path.split("/") if part.strip() not in ("", "."))


def _stem(name: str) -> str:
    return folded(_without_suffix(name))


def _without_suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in IMAGE_SUFFIXES else name


def _unlike(given: str, there: str) -> int:
    """0: the same name; 1: but for case; 2: but for the suffix; 3: but for both."""
    if given == there:
        return 0
    if folded(given) == folded(there):
        return 1
    return 2 if _without_suffix(given) == _without_suffix(there) else 3


def _check_complete(files: Sequence[Path], images: Sequence[Listed], found: Mapping[str, str]) -> None:
    """Refuse where an image of a split is not named, but others are: patients would leak unseen.

    An index may leave out the whole of val or test, and may leave patients there empty.
    """
    listed = " and ".join(map(str, files))
    if not found:
        raise DataError(f"{listed}: names none of the {len(images)} images, such as {images[0].key}. {CURE}")
    for split in dict.fromkeys(image.split for image in images):
        of_split = [image.key for image in images if image.split == split]
        lacking = [key for key in of_split if not (found.get(key) if split == "train" else key in found)]
        if lacking and (split == "train" or len(lacking) < len(of_split)):
            raise DataError(
                f"{listed}: names no patient for {len(lacking)} of the {len(of_split)} images of {split}, "
                f"such as {lacking[0]}. {CURE}"
            )


def _two_patients(path: Path, key: str, first: str, second: str) -> DataError:
    return DataError(f"{path}: {key} is of {first!r} and of {second!r}. Leave one of these lines.")
