"""Where a bundle is written."""

from __future__ import annotations

import os
from pathlib import Path

from sranogan_edge.errors import ResultsError

__all__ = ["check_place"]


def check_place(out: Path) -> None:
    """Raise ResultsError now, not after minutes of work, where ``out`` cannot be written."""
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        what = "it is a folder" if out.is_dir() else f"{out.parent} is not a folder that can be written to"
        raise ResultsError(f"cannot write the bundle {out}: {what}. Name another place with --out.")
