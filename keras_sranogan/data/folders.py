"""What all sources that are files share, and which files there are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.source import Item
from keras_sranogan.settings import Anomalies
from sranogan_edge.decode import IMAGE_SUFFIXES, decode_file
from sranogan_edge.errors import DataError
from sranogan_edge.frame import Frame

__all__ = ["SPLITS", "FileSource", "entries", "images_under", "subfolders"]

SPLITS = ("train", "val", "test")


class FileSource:
    """The items of each split, and how one is decoded.

    Attributes:
        told: what a person should know of these images before they are learned from, in lines.
    """

    anomalies: Anomalies = "opacities"

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
        self._splits = {split: sorted(splits[split], key=_key) for split in SPLITS if splits.get(split)}
        self._max_pixels, self._missing = max_pixels, missing

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
            ImageError: it is not an image, damaged, or too large.
        """
        return decode_file(item.path or self.root / item.key, max_pixels=self._max_pixels)

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """None: these folders mark nothing."""
        return None


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder``, sorted; hidden ones left out.

    Raises:
        DataError: it may not be read.
    """
    return [path for path in entries(folder) if path.is_dir()]


def images_under(folder: Path) -> list[Path]:
    """The image files below ``folder`` at any depth, sorted; hidden ones left out.

    Links are followed, and a folder that was already visited is not visited again.

    Raises:
        DataError: a folder may not be read.
    """

    def refuse(error: OSError) -> None:
        raise _unreadable(error)

    found, visited = [], {_identity(folder)}
    for here, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        kept = []
        for name in sorted(folders):
            identity = _identity(Path(here, name))
            if not name.startswith(".") and identity not in visited:
                visited.add(identity)
                kept.append(name)
        folders[:] = kept
        found += [Path(here, name) for name in files if _is_image_name(name)]
    return sorted(found)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_image_name(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def entries(folder: Path) -> list[Path]:
    """What lies in ``folder``, sorted; hidden files and folders left out.

    Raises:
        DataError: it may not be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> DataError:
    return DataError(f"{error.filename}: cannot be read ({error.strerror}). Check its permissions.")


def _key(item: Item) -> str:
    return item.key
