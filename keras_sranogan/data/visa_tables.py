"""The tables that VisA ships: which images are of which split, and what is wrong in each."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from keras_sranogan.data.names import Split, folded, means_abnormal, means_normal, means_split
from sranogan_edge.errors import DataError

__all__ = ["ANNOTATIONS", "Listed", "listed_in", "types_in"]

ANNOTATIONS = "image_anno.csv"
_CURE = "Take the file that came with the data set, or move it away to go without."
_NAMED = 3  # examples in a message


@dataclass(frozen=True)
class Listed:
    """One image of the list.

    Attributes:
        key: its path below the object's folder, with ``/``.
        split: ``train`` or ``test``.
        is_normal: whether it is.
        mask: the path of its mask, below the object's folder; empty where none is named.
    """

    key: str
    split: Split
    is_normal: bool
    mask: str = ""


def listed_in(path: Path, name: str, images: Iterable[str]) -> list[Listed]:
    """Read the rows of one object in ``1cls.csv``: ``object,split,label,image,mask``.

    Args:
        path: of the list.
        name: of the object.
        images: paths below the object's folder of all images that are there.

    Raises:
        DataError: it cannot be read or understood, has no row of the object, names an image twice, or one
            that is not there.
    """
    known = {folded(image): image for image in images}
    found, objects, missing = [], Counter[str](), []
    for line, row in _rows(path, ("object", "split", "label", "image")):
        objects[row["object"]] += 1
        if folded(row["object"]) != folded(name):
            continue
        split, is_normal = means_split(row["split"]), means_normal(row["label"])
        if split is None or not (is_normal or means_abnormal(row["label"])):
            raise DataError(
                f"{path}: line {line} must have the split train or test and the label normal or anomaly. "
                f"Received: {row['split']!r}, {row['label']!r}. {_CURE}"
            )
        key = known.get(folded(_below(row["image"], row["object"])))
        if key is None:
            missing.append(row["image"])
        else:
            found.append(Listed(key, split, is_normal, _below(row.get("mask", ""), row["object"])))
    if missing:
        raise DataError(
            f"{path}: names {len(missing)} images that are not there, such as {', '.join(missing[:_NAMED])}. "
            "Unpack the data set anew, or take these lines out."
        )
    if not found:
        there = ", ".join(sorted(objects)) or "no object at all"
        raise DataError(f"{path}: has no line of the object {name!r}; found {there}. {_CURE}")
    twice = [key for key, times in Counter(one.key for one in found).items() if times > 1]
    if twice:
        raise DataError(f"{path}: names {twice[0]} more than once. {_CURE}")
    return found


def types_in(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """What is wrong in each image, by its folded path below ``folder``, the object's.

    Nothing without a table. ``image_anno.csv`` has ``image,label,mask``, and several types of defect in one
    label, with commas.

    Raises:
        DataError: the table cannot be read, or lacks a column.
    """
    path = folder / ANNOTATIONS
    if not path.is_file():
        return {}
    return {
        folded(_below(row["image"], folder.name)): tuple(
            dict.fromkeys(filter(None, (one.strip() for one in row["label"].split(","))))
        )
        for _, row in _rows(path, ("image", "label"))
        if not means_normal(row["label"])
    }


def _below(name: str, folder: str) -> str:
    """``candle/Data/Images/Normal/0000.JPG`` below ``candle``; what has no such beginning is below it."""
    parts = [part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    return "/".join(parts[1:] if parts and folded(parts[0]) == folded(folder) else parts)


def _rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line with its number, as text by column; raises DataError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True, restval="")
            names = [(name or "").strip().casefold() for name in reader.fieldnames or ()]
            lacking = [name for name in columns if name not in names]
            if lacking:
                raise DataError(
                    f"{path}: no column {', '.join(lacking)} in its first line; found {', '.join(names)}. "
                    f"{_CURE}"
                )
            reader.fieldnames = names
            for row in reader:
                yield reader.line_num, {name: (row[name] or "").strip() for name in names if name}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table ({error}). {_CURE}") from error
