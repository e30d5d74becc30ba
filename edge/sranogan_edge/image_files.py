"""Which files of a folder are images: by their names, or, as scanners name theirs, by how they begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sranogan_edge.decode import IMAGE_SUFFIXES, is_dicom

__all__ = ["begins_as_dicom", "images_below"]

_INDEX = "DICOMDIR"  # of a DICOM disc; begins as an image does and holds none
_HEAD_BYTES = 132


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
