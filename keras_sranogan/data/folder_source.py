"""Images in folders: normals only, ``{train,val,test}/CLASS``, or ``CLASS`` alone; and who they are of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_sranogan.data.folders import FileSource
from keras_sranogan.data.groups import Listed, groups_of
from keras_sranogan.data.item import Item
from keras_sranogan.data.layout import Layout
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS

__all__ = ["FolderSource"]


class FolderSource(FileSource):
    """The images of a :class:`Layout`.

    Groups come from ``index.csv`` (at the root, in the folder of a split or in that of a class), else from a
    DICOM header, else from the file names of the Kermany chest X-rays, else every file is its own.
    """

    def __init__(self, layout: Layout, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """Name the images; of DICOM files the header is read.

        Raises:
            DataError: an ``index.csv`` cannot be understood.
        """
        self.layout = layout
        listed = _listed(layout)
        left_out_classes = [one.where.rpartition("/")[2] for one in layout.left_out]
        groups = groups_of(listed, _index_places(layout), left_out_classes)
        splits: dict[str, list[Item]] = {}
        for one in listed:
            is_normal = one.label in layout.normal[one.split]
            item = Item(one.key, one.label, is_normal, groups.of[one.key], one.path)
            splits.setdefault(one.split, []).append(item)
        left_out = [f"not used: {one.where} ({one.images:,} images, {one.why})" for one in layout.left_out]
        super().__init__(layout.root, splits, max_pixels, [*left_out, groups.told], **_missing(layout))


def _listed(layout: Layout) -> list[Listed]:
    root = layout.root
    return [
        Listed(path.relative_to(root).as_posix(), path, split, label, layout.named)
        for split, classes in layout.classes.items()
        for label, paths in classes.items()
        for path in paths
    ]


def _index_places(layout: Layout) -> list[Path]:
    """The root, what it wraps, the folders of the splits and those of the classes."""
    outwards = (layout.inner, *layout.inner.parents)
    wrapping = outwards[: outwards.index(layout.root) + 1]
    bases: Sequence[Path] = [*layout.folders.values()] or [layout.inner]
    labels = [label for classes in layout.classes.values() for label in classes] if layout.named else []
    below = [base / label for base in bases for label in labels]
    return [*reversed(wrapping), *layout.folders.values(), *filter(os.path.isdir, below)]


def _missing(layout: Layout) -> Mapping[str, str]:
    """What to do about a split that is not there."""
    if layout.folders or not layout.named:
        return {}
    normals = layout.inner / sorted(layout.normal["test"])[0]
    return {
        "missing": "These are classes without splits, all to test on. To learn from the normals alone, "
        f"name {normals}; or move images to {{split}}/CLASS."
    }
