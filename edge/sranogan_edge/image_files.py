"""Which files of a folder are images: by their names, or, as scanners name theirs, by how they begin."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sranogan_edge.decode import IMAGE_SUFFIXES, is_dicom
from sranogan_edge.errors import FeedError

__all__ = ["begins_as_dicom", "check_place", "images_below"]

_INDEX = "DICOMDIR"  # of a DICOM disc; begins as an image does and holds none
_HEAD_BYTES = 132


def check_place(path: Path) -> None:
    """Raise FeedError where nothing is at ``path``, or a folder that this user may not look into."""
    if not os.path.exists(path):  # False, too, where we may not look
        raise FeedError(f"{path}: no such file or folder. Check the path.")
    if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
        raise FeedError(f"{path}: user {os.geteuid()} may not look into this folder. Give it the right.")


def images_below(folder: Path, without: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield the images in ``folder`` and its sub-folders, in the order of their names.

    A file is one by its suffix, or where it begins as a DICOM file: their names are often bare numbers.
    Hidden files are left out, and all below the folders ``without``.
    """
    unwanted = {path.resolve() for path in without}
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or (unwanted and not unwanted.isdisjoint(path.resolve().parents)):
            continue
        if _is_image(path):
            yield path


def begins_as_dicom(path: Path) -> bool:
    """Whether ``path`` is a file that begins as DICOM files do; False where it cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return is_dicom(file.read(_HEAD_BYTES))
    except OSError:  # it went, or may not be read
        return False


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return path.is_file()
    return path.name.upper() != _INDEX and begins_as_dicom(path)
