"""Preprocessed images on disk, while a run is trained: read once, in shards that a killed run takes over.

::

    RUN/images/WHAT-00000.npy     so many images, 8 bits where that is what they are, else float32
    RUN/images/WHAT-00000.json    what they were made from, their hash, and what could not be used

Both are there whole or not at all, the second after the first. A shard is taken over where its images are
files that have the size and the time they had, read in the same way, and its hash is right; else it is made
anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import Item
from keras_sranogan.data.load import Loaded, LoadedImages, Skipped
from keras_sranogan.data.rows import Images, in_file, joined, write_rows
from sranogan_edge import __version__
from sranogan_edge.errors import ResultsError
from sranogan_edge.files import write_json
from sranogan_edge.image.align import Alignment
from sranogan_edge.image.similarity import Similarity

__all__ = ["Shards"]

Read: TypeAlias = Callable[[Sequence[Item], int], LoadedImages]


@dataclass(frozen=True, eq=False)
class Shards:
    """Reads images into shards.

    Attributes:
        folder: where they are; it is made with the first of them.
        made_by: what else decides how images look: of other values no shard is taken over.
        say: is told of shards that are damaged.
    """

    folder: Path
    made_by: str
    say: Callable[[str], object]

    def load(self, items: Sequence[Item], what: str, how: Sequence[object], read: Read, each: int) -> Loaded:
        """Read ``items``, as many as are not in shards yet. How many are equal is not counted.

        Args:
            items: what to read, one at least; the order is kept.
            what: they are, as the files are called.
            how: they are read, in plain values.
            read: reads some of them, given which, and the number of the first.
            each: images of a shard, which are in memory while it is made.

        Raises:
            ResultsError: the folder cannot be written.
        """
        parts: list[Loaded] = []
        for start in range(0, len(items), each):
            these = items[start : start + each]
            path = self.folder / f"{what.replace(',', '').replace(' ', '_')}-{start // each:05d}.npy"
            made_from = _made_from([what, self.made_by, __version__, start, *how], these)
            taken = self._taken_over(path, made_from, these)
            parts.append(taken or self._kept(path, made_from, read(these, start)))
        used = [part.x for part in parts if len(part.x)]
        alignments = tuple(one for part in parts for one in part.alignments or ())
        return Loaded(
            joined(used) if used else parts[0].x,
            tuple(item for part in parts for item in part.items),
            tuple(one for part in parts for one in part.skipped),
            0,
            alignments=alignments or None,
        )

    def _kept(self, path: Path, made_from: str, read: LoadedImages) -> Loaded:
        """Write what was read as a shard, and return it as it is read from there."""
        told = {
            "made_from": made_from,
            "skipped": [asdict(one) for one in read.skipped],
            "alignments": [asdict(one) for one in read.alignments] if read.alignments else None,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if len(read.x):
                write_rows(path, len(read.x), [_stored(read.x)])
                told["sha256"] = _digest_of(path)
            write_json(path.with_suffix(".json"), told)
        except OSError as error:
            raise ResultsError(
                f"{path}: cannot be written ({error.strerror or error}). Free some space, check its "
                "permissions, or name another folder."
            ) from error
        return self._part(path, told, read.items)

    def _taken_over(self, path: Path, made_from: str, items: Sequence[Item]) -> Loaded | None:
        """Return the shard at ``path`` where it is there, whole, and of these items."""
        try:
            told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if not made_from or told["made_from"] != made_from:
                return None
            if "sha256" in told and told["sha256"] != _digest_of(path):
                raise ValueError("its hash is another one")
            unusable = {one["key"] for one in told["skipped"]}
            return self._part(path, told, tuple(item for item in items if item.key not in unusable))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.say(f"warning: {path} is damaged ({error}); its images are read again")
            return None

    @staticmethod
    def _part(path: Path, told: dict[str, Any], items: tuple[Item, ...]) -> Loaded:
        skipped = tuple(Skipped(**one) for one in told["skipped"])
        alignments = told["alignments"] and tuple(map(_alignment, told["alignments"]))
        x: Images = in_file(path) if items else np.empty((0, 0, 0, 0), np.float32)
        return Loaded(x, items, skipped, 0, alignments=alignments)


def _stored(x: NDArray[np.float32]) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return ``x`` as bytes where these are the same to the bit, else as it is."""
    levels = np.rint(x * 255).astype(np.uint8)
    return levels if np.array_equal(levels.astype(np.float32) / np.float32(255), x) else x


def _made_from(recipe: Sequence[object], items: Sequence[Item]) -> str:
    """Return the digest of what decides a shard's images; empty where they are not all files."""
    files = []
    for item in items:
        if item.path is None or not item.path.exists():
            return ""
        stat = item.path.stat()
        files.append([item.key, stat.st_size, stat.st_mtime_ns])
    return hashlib.sha256(json.dumps([*recipe, files]).encode()).hexdigest()


def _alignment(told: dict[str, Any]) -> Alignment:
    return Alignment(**{**told, "found": told["found"] and Similarity(**told["found"])})


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
