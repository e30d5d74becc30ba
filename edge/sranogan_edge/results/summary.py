"""The figures of scored files: how many of each verdict, and the mean times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from sranogan_edge.errors import ResultsError
from sranogan_edge.files import write_json
from sranogan_edge.results.line import NOT_ASKED_FOR, OUT_OF_DOMAIN, RESULT_SCHEMA_VERSION, ResultLine, Scorer

__all__ = ["FolderFigures", "RegionFigures", "Summary", "summarise", "write_summary"]


@dataclass(frozen=True)
class FolderFigures:
    """The figures of the files of one folder, as it was named.

    Attributes:
        images, normal, anomalous, out_of_domain, not_asked_for, failed: as in :class:`Summary`.
        scored: those that have a score.
        mean_score, highest_score: of these; null where there are none.
    """

    images: int
    scored: int
    normal: int
    anomalous: int
    out_of_domain: int
    not_asked_for: int
    failed: int
    mean_score: float | None
    highest_score: float | None

    @classmethod
    def of(cls, lines: Sequence[ResultLine]) -> FolderFigures:
        """Count ``lines``."""
        scores = [line.score for line in lines if line.score is not None]
        verdicts = Counter(line.verdict for line in lines)
        return cls(
            images=len(lines),
            scored=len(scores),
            normal=verdicts["normal"],
            anomalous=verdicts["anomalous"],
            out_of_domain=verdicts[OUT_OF_DOMAIN],
            not_asked_for=verdicts[NOT_ASKED_FOR],
            failed=verdicts["error"],
            mean_score=round(float(np.mean(scores)), 4) if scores else None,
            highest_score=round(max(scores), 4) if scores else None,
        )


@dataclass(frozen=True)
class RegionFigures:
    """The figures of regions of heat maps.

    Attributes:
        images: how many have a region.
        threshold: heat above which it lies.
        normals_share: of normals' images at most so many have one; null where nobody knows.
        least_area: the smallest that a region may have, in pixels of the image: of the smallest images, and
            of the largest.
    """

    images: int
    threshold: float
    normals_share: float | None
    least_area: tuple[int, int]

    @classmethod
    def of(cls, lines: Sequence[ResultLine]) -> RegionFigures | None:
        """Count ``lines``; None where none was looked at for regions."""
        told = [line.heat for line in lines if line.heat]
        if not told:
            return None
        areas = [int(one["least_area"]) for one in told]
        found = sum(bool(line.regions) for line in lines)
        return cls(found, told[0]["threshold"], told[0]["normals_share"], (min(areas), max(areas)))

    @property
    def text(self) -> str:
        """For people."""
        low, high = (f"{area:,}" for area in self.least_area)
        area = low if low == high else f"{low} (of the smallest images; of the largest {high})"
        known = (
            "how many normals have one is not known: the bundle is of an earlier version, or that threshold "
            "below those that were looked at"
            if self.normals_share is None
            else f"of normals' images at most {self.normals_share:.1%} have a region of {area} pixels or more"
        )
        return f"{self.images} with regions, of heat above {self.threshold:.2f}; {known}"


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
        foreign_by: by what images that are not like the training data are told, or, beginning with ``off:``,
            why none is.
        folders: the figures of each folder that files came from, in their order.
        regions: of heat maps; null where none were looked for.
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
    foreign_by: str = ""
    folders: Mapping[str, FolderFigures] = field(default_factory=dict)
    regions: RegionFigures | None = None


def summarise(lines: Sequence[ResultLine], *, threshold: float, scorer: Scorer, results: Path) -> Summary:
    """Count and average ``lines``."""
    judged = [line.milliseconds for line in lines if line.score is not None]
    steps = judged[0] if judged else {}
    by_folder: dict[str, list[ResultLine]] = {}
    for line in lines:
        by_folder.setdefault(str(Path(line.file).parent), []).append(line)
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
        folders={name: FolderFigures.of(ones) for name, ones in by_folder.items()},
        regions=RegionFigures.of(lines),
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
