"""The folder of an archive's scores, once all are there: what stands on them reads it by this."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sranogan_edge.archive.names import LISTED, PART, RUN, SHARD, SHARDS
from sranogan_edge.errors import DataError, SettingsError
from sranogan_edge.image.own_outputs import LEDGER

__all__ = ["FinishedRun", "finished_run"]


@dataclass(frozen=True)
class FinishedRun:
    """An archive of which each image has its row.

    Attributes:
        out: the folder.
        parts: its Parquet files, in the order of the list.
        about: what was scored by what, as the ledger says it.
        images: how many there are.
    """

    out: Path
    parts: tuple[Path, ...]
    about: Mapping[str, Any]
    images: int

    @property
    def root(self) -> str:
        """How the names of all of its images begin."""
        kind, _, where = str(self.about["source"]).partition(" ")
        if kind == "folder":  # its images are called as it was
            where = str(Path(self.about["named"]))
        elif kind == "DICOMweb":
            where = where.removeprefix("server ").partition("?")[0]
        return f"{where}{'#' if where.lower().endswith(_FILES) else '/'}"

    @property
    def calibration(self) -> str | None:
        """SHA-256 of the site's calibration that judged; None where it was the bundle's own."""
        found = self.about["calibration_sha256"]
        return None if found is None else str(found)

    def check_bundle(self, sha256: str, named: Path) -> None:
        """Raise SettingsError where another bundle than the one called ``named`` scored it."""
        if sha256 != self.about["bundle_sha256"]:
            raise SettingsError(
                f"{self.out} holds scores by the bundle {self.about['bundle']}, and {named} is another one "
                f"({sha256[:12]}): scores of two bundles do not compare. Name that bundle, or score the "
                "archive with this one into another folder."
            )


def finished_run(out: Path) -> FinishedRun:
    """Read what ``out`` says of itself.

    Raises:
        DataError: it is no folder of an archive's scores, was not finished, or was damaged.
    """
    folder = out / LEDGER
    if not (folder / RUN).is_file():
        raise DataError(
            f"{out}: no scores of an archive: {LEDGER}/{RUN} is missing. Name the whole folder that "
            "sranogan-score --engine wrote, as it wrote it."
        )
    about = _read(folder / RUN, ("source", "named", "bundle", "bundle_sha256", "calibration_sha256"))
    shards = _numbers(folder / SHARDS, SHARD)
    parts = _numbers(out, PART)
    listed, waiting = (folder / LISTED).is_file(), len(shards.keys() - parts.keys())
    if not listed or waiting:
        raise DataError(
            f"{out} is not finished: {len(parts)} parts are scored, {waiting} wait, and the list of images "
            f"{'has ended' if listed else 'goes on'}. Wait for its end, or give the command of "
            "sranogan-score that began it again: it goes on."
        )
    if not parts:
        raise DataError(f"{out}: the archive held no images. Score one that does.")
    images = _read(folder / LISTED, ("images",))["images"]
    if extra := parts.keys() - shards.keys():
        raise DataError(f"{parts[min(extra)]}: {_CHANGED}")
    return FinishedRun(out, tuple(parts[number] for number in sorted(parts)), about, int(images))


_FILES = (".parquet", ".tar")  # what stands behind these is a member
_CHANGED = "the scores were changed since they were written. Score the archive into another folder."


def _read(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not set(needed) <= found.keys():
            raise ValueError(f"it lacks {', '.join(needed)}")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: damaged ({error}). Score the archive into another folder.") from error
    return found


def _numbers(folder: Path, pattern: Any) -> dict[int, Path]:
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}). Check the folder's rights.") from error
    return {int(kind[1]): folder / name for name in names if (kind := pattern.fullmatch(name))}
