"""What this package wrote itself is no input: heat maps, pictures of reports, spools, run folders."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

__all__ = [
    "AUDIT_PICTURES",
    "DEFAULT_OUT",
    "EVALUATION_PICTURES",
    "HEAT_MAPS",
    "LEDGER",
    "REGIONS",
    "RESULTS",
    "SHEET",
    "SUMMARY",
    "TABLE",
    "OwnOutputs",
    "is_default_out",
    "is_own_folder",
    "made_beside",
    "may_mark",
    "own_names",
]

DEFAULT_OUT = "scores"  # the folder of results where --out names none
RESULTS = "results.jsonl"
HEAT_MAPS = "heat_maps"  # the folder beside results.jsonl
LEDGER = "_sranogan"  # the folder beside the Parquet files of an archive's scores
TABLE, SHEET, SUMMARY = "results.csv", "contact_sheet.png", "summary.json"  # beside them, of scored files
REGIONS = "regions.json"  # the same, where it is asked for

EVALUATION_PICTURES = ("roc.png", "scores.png", "per_class.png", "panels.png")  # all of them, always
AUDIT_PICTURES = ("audit_examples.png", "audit_controls.png", "audit_calibration.png")  # the first, always

_EQUALITY = ".equality.png"  # the end of the picture that sranogan-export puts beside NAME.sranogan
_SHEETS = re.compile(r"contact_sheet(-[^/]*)?\.png")  # kept ones, too
_RESULT_FILES = re.compile(r"results(-[^/]*)?\.jsonl")  # rotated ones and kept ones, too
_FOLDERS: tuple[frozenset[str], ...] = (
    frozenset({"spool.sqlite"}),
    frozenset({"objects", "incoming", "dead"}),  # a spool whose database was deleted
    frozenset({"settings.json", "provenance.json"}),  # a run folder of sranogan-train: sample pictures
    frozenset({LEDGER}),  # an archive's scores
)
_MARKS = frozenset({HEAT_MAPS, *EVALUATION_PICTURES, *AUDIT_PICTURES}).union(*_FOLDERS)


def made_beside(folder: Path) -> list[Path]:
    """The tables, contact sheets, summaries and regions in a folder of results, of earlier runs too."""
    places = (Path(name) for name in (TABLE, SHEET, SUMMARY, REGIONS))
    kinds = [re.compile(rf"{one.stem}(-\d{{8}}T\d{{6}}Z(-\d+)?)?\{one.suffix}") for one in places]
    return sorted(path for path in folder.iterdir() if any(kind.fullmatch(path.name) for kind in kinds))


def may_mark(name: str) -> bool:
    """Whether a file or folder of this ``name`` can make a difference to what below is told of its folder."""
    kinds = _SHEETS.fullmatch(name) or _RESULT_FILES.fullmatch(name)
    return bool(name in _MARKS or kinds or name.endswith((_EQUALITY, ".sranogan")))


def is_own_folder(names: AbstractSet[str]) -> bool:
    """Whether a folder with these ``names`` in it is a spool or a run folder."""
    return any(marks <= names for marks in _FOLDERS)


def is_default_out(name: str, names: AbstractSet[str]) -> bool:
    """Whether a folder of this ``name``, with these ``names`` in it, holds results and was made for them."""
    return name == DEFAULT_OUT and any(_RESULT_FILES.fullmatch(one) for one in names)


def own_names(names: AbstractSet[str]) -> frozenset[str]:
    """Those of the ``names`` in one folder that are outputs: heat maps beside results, pictures of reports.

    Pictures count where all are that are always drawn: another's image may be called ``scores.png``.
    """
    results = frozenset(name for name in names if _RESULT_FILES.fullmatch(name))
    found = set(results | {HEAT_MAPS} if results and HEAT_MAPS in names else ())
    found |= {name for name in names if results and _SHEETS.fullmatch(name)}
    if names >= set(EVALUATION_PICTURES):
        found |= set(EVALUATION_PICTURES)
    if AUDIT_PICTURES[0] in names:
        found |= names & set(AUDIT_PICTURES)
    for name in names:
        if name.endswith(_EQUALITY) and f"{name.removesuffix(_EQUALITY)}.sranogan" in names:
            found.add(name)
    return frozenset(found)


class OwnOutputs:
    """Tells for any path whether it lies in an output, or in one of the folders ``without``."""

    def __init__(self, without: Sequence[Path]) -> None:
        self.identities = frozenset(found for path in without if (found := _identity(path)))
        self._known: dict[Path, bool] = {}
        self._own_in: dict[Path, frozenset[str]] = {}

    def holds(self, real: Path) -> bool:
        """Whether ``real`` (absolute, without links) is an output, or below one."""
        above = real if os.path.isdir(real) else real.parent  # false of a share whose server is gone
        if above != real and real.name in self._own_names(above):
            return True
        return any(self._is_output(folder) for folder in (above, *above.parents))

    def _own_names(self, folder: Path) -> frozenset[str]:
        if folder not in self._own_in:
            self._own_in[folder] = own_names(_names(folder))
        return self._own_in[folder]

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
