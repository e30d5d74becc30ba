"""The figures of scored files: how many of each verdict, and the mean times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from sranogan_edge.errors import ResultsError
from sranogan_edge.files import write_json
from sranogan_edge.results.line import NOT_ASKED_FOR, OUT_OF_DOMAIN, RESULT_SCHEMA_VERSION, ResultLine, Scorer

__all__ = ["Summary", "summarise", "write_summary"]


@dataclass(frozen=True)
class Summary:
    """The figures of one feed.

    Attributes:
        images: how many there were: ``normal`` + ``anomalous`` + ``out_of_domain`` + ``not_asked_for`` +
            ``failed``.
        normal: judged and not flagged.
        anomalous: judged and flagged.
        failed: could not be judged.
        mean_milliseconds: by step, over the judged images; empty when there were none.
        threshold: flagged were the scores above it; null when too few normals were held out.
        bundle: SHA-256 of the bundle.
        steps: of the search.
        backend: runtime, version, device.
        backend_fallback: why ``auto`` did not take the GPU; null where nothing fell back.
        results: the folder of the lines and heat maps.
        calibration: SHA-256 of the site's calibration; null where the bundle's own is in force.
        out_of_domain: judged "not like the training data".
        not_asked_for: left out by the options, not judged.
        passed_over, passed_over_files: what was left out, see :attr:`ImageList.figures`; not in ``images``.
    """

    images: int
    normal: int
    anomalous: int
    failed: int
    mean_milliseconds: Mapping[str, float]
    threshold: float | None
    bundle: str
    steps: int
    backend: str
    backend_fallback: str | None
    results: str
    schema_version: int = field(default=RESULT_SCHEMA_VERSION)
    calibration: str | None = None
    out_of_domain: int = 0
    not_asked_for: int = 0
    passed_over: Mapping[str, int] = field(default_factory=dict)
    passed_over_files: Sequence[Mapping[str, str]] = ()


def summarise(lines: Sequence[ResultLine], *, threshold: float, scorer: Scorer, results: Path) -> Summary:
    """Count and average ``lines``."""
    judged = [line.milliseconds for line in lines if line.score is not None]
    steps = judged[0] if judged else {}
    return Summary(
        images=len(lines),
        normal=sum(line.verdict == "normal" for line in lines),
        anomalous=sum(line.verdict == "anomalous" for line in lines),
        failed=sum(line.verdict == "error" for line in lines),
        mean_milliseconds={
            step: round(float(np.mean([taken[step] for taken in judged])), 3) for step in steps
        },
        threshold=threshold if math.isfinite(threshold) else None,
        results=str(results),
        out_of_domain=sum(line.verdict == OUT_OF_DOMAIN for line in lines),
        not_asked_for=sum(line.verdict == NOT_ASKED_FOR for line in lines),
        **asdict(scorer),
    )


def write_summary(summary: Summary, path: Path) -> None:
    """Write ``summary`` as JSON, whole or not at all; raises ResultsError when it cannot be written."""
    try:
        write_json(path, asdict(summary), allow_nan=False)
    except OSError as error:
        raise ResultsError(
            f"cannot write the summary {path}: {error.strerror or error}. The results themselves are "
            "complete; name another place with --json."
        ) from error
