"""Folders of archives' scores, whole with their ledger, with rows that a test states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.archive.ledger import Ledger
from sranogan_edge.archive.output import STATISTIC_COLUMNS, table_of
from tests.support.archives import items

BUNDLE = "b" * 64
NAMED = "/films"


def row(number: int, score: float | None, **changes: Any) -> dict[str, Any]:
    """A row of an image with this score; None is one that could not be judged."""
    values: dict[str, Any] = {
        **{"source": f"{NAMED}/{number:05}.png", "sha256": f"{number * 2654435761 % 2**32:08x}" + "0" * 56},
        **{"bundle": BUNDLE, "calibration": None, "steps": 4, "backend": "a stopwatch", "version": "1"},
        **{"schema_version": 2, "threshold": 2.0, "frames": 1},
    }
    if score is None:
        values |= {"verdict": "error", "error_kind": "UnreadableImageError", "error": f"{number}: no image"}
    else:
        values |= dict.fromkeys(STATISTIC_COLUMNS, score / 2)
        values |= {"score": score, "anogan_score": 10.0 * number, "judged_frames": 1}
        values["verdict"] = "anomalous" if score > 2 else "normal"
    return {**values, **changes}


def finished(
    out: Path, rows: Sequence[Mapping[str, Any]], *, per_part: int = 16, whole: bool = True, **about: Any
) -> Path:
    """Write ``rows`` as an archive's run does; without ``whole`` its list has not ended."""
    stated = {
        **{"source": f"folder {NAMED}", "named": NAMED, "bundle": f"one.sranogan ({BUNDLE[:12]})"},
        **{"bundle_sha256": BUNDLE, "calibration_sha256": None, **about},
    }
    with Ledger(out, stated, per_part) as ledger:
        for first in range(0, len(rows), per_part):
            part = rows[first : first + per_part]
            number = ledger.add(items(*(str(one["source"]) for one in part)), {})
            ledger.commit(number, table_of(part))
        if whole:
            ledger.finish_list({})
    return out


def normal_scores(count: int) -> list[float]:
    """Scores of normals, no two equal."""
    return [float(value) for value in np.random.default_rng(0).normal(size=count)]
