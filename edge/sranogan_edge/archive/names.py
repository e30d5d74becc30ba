"""What the files of an archive's scores are called, and how such a folder is told from one of images."""

from __future__ import annotations

import re
from pathlib import Path

from sranogan_edge.image.own_outputs import LEDGER

__all__ = ["LISTED", "PART", "RUN", "SHARD", "SHARDS", "is_archive_run"]

RUN, LISTED, SHARDS = "run.json", "listed.json", "shards"  # in the folder LEDGER
PART = re.compile(r"part-(\d{8})\.parquet")
SHARD = re.compile(r"(\d{8})\.json\.gz")


def is_archive_run(place: Path) -> bool:
    """Whether ``place`` is to be read as the scores of an archive: it has a ledger, or parts without one."""
    if not place.is_dir():
        return False
    return (place / LEDGER).is_dir() or any(PART.fullmatch(one.name) for one in place.glob("part-*.parquet"))
