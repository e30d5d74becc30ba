"""What this package wrote itself: heat maps, spools and run folders are never taken for images."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

__all__ = [
    "DEFAULT_OUT",
    "HEAT_MAPS",
    "RESULTS",
    "OwnOutputs",
    "is_default_out",
    "is_own_folder",
    "own_names",
]

DEFAULT_OUT = "scores"  # the folder of results where --out names none
RESULTS = "results.jsonl"
HEAT_MAPS = "heat_maps"  # the folder beside results.jsonl

_RESULT_FILES = re.compile(r"results(-[^/]*)?\.jsonl")  # rotated ones and kept ones, too
_FOLDERS: tuple[frozenset[str], ...] = (
    frozenset({"spool.sqlite"}),
    frozenset({"objects", "incoming", "dead"}),  # a spool whose database was deleted
    frozenset({"settings.json", "provenance.json"}),  # a run folder of sranogan-train: sample pictures
)


def is_own_folder(names: AbstractSet[str]) -> bool:
    """Whether a folder with these ``names`` in it is a spool or a run folder."""
    return any(marks <= names for marks in _FOLDERS)


def is_default_out(name: str, names: AbstractSet[str]) -> bool:
    """Whether a folder of this ``name``, with these ``names`` in it, holds results and was made for them."""
    return name == DEFAULT_OUT and any(_RESULT_FILES.fullmatch(one) for one in names)


def own_names(names: AbstractSet[str]) -> frozenset[str]:
    """Those of the ``names`` in one folder that are outputs: heat maps and results beside one another."""
    results = frozenset(name for name in names if _RESULT_FILES.fullmatch(name))
    return results | {HEAT_MAPS} if results and HEAT_MAPS in names else frozenset()


class OwnOutputs:
    """Tells for any path whether it lies in an output, or in one of the folders ``without``."""

    def __init__(self, without: Sequence[Path]) -> None:
        self.identities = frozenset(found for path in without if (found := _identity(path)))
        self._known: dict[Path, bool] = {}

    def holds(self, real: Path) -> bool:
        """Whether ``real`` (absolute, without links) is an output, or below one."""
        above = real if real.is_dir() else real.parent
        return any(self._is_output(folder) for folder in (above, *above.parents))

    def _is_output(self, folder: Path) -> bool:
        if folder not in self._known:
            self._known[folder] = (
                _identity(folder) in self.identities
                or is_own_folder(_names(folder))
                or (folder.name == HEAT_MAPS and HEAT_MAPS in own_names(_names(folder.parent)))
            )
        return self._known[folder]


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:  # not made yet
        return None
    return found.st_dev, found.st_ino


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:  # says itself what is wrong where it is listed
        return frozenset()
