"""What a scored feed leaves behind: one JSON line an image, heat-map overlays, a summary."""

from __future__ import annotations

import calendar
import contextlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import ResultsError
from sranogan_edge.pipeline import Detector, Verdict

RESULT_SCHEMA_VERSION = 1
OUT_OF_DOMAIN = "out of domain"  # the answer "not like the training data", instead of a verdict
VERDICTS = ("normal", "anomalous", OUT_OF_DOMAIN, "error")
OVERLAY_SIDE_PX = 384
TINT_FROM_LIMITS, TINT_FULL_LIMITS = 0.6, 1.5  # where the tint starts and saturates, in units of heat_limit


@dataclass(frozen=True)
class ResultLine:
    """One line of ``results.jsonl``. Numbers are null where the image could not be judged."""

    file: str
    score: float | None
    p_value: float | None
    verdict: str  # one of VERDICTS
    threshold: float | None  # null: too few normals were held out for the false-alarm rate
    anogan_score: float | None
    milliseconds: Mapping[str, float]
    heat_map: str | None
    error: str | None
    bundle: str  # SHA-256 of the bundle
    steps: int  # of the search
    backend: str  # what ran the graphs: runtime, version, device
    backend_fallback: str | None  # why that is not the GPU which is here; null where nothing fell back
    scored_at: str
    schema_version: int = field(default=RESULT_SCHEMA_VERSION)
    calibration: str | None = None  # SHA-256 of the site's calibration; null: the bundle's own is in force
    reason: str | None = None  # why it is out of domain, or which frames could not be judged
    feed: str | None = None  # name of the feed that it came from
    frames: int = 1  # of the object
    frame: int | None = None  # the one with the highest score, from 1; null where there is only one


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def scored_at_s(line: ResultLine) -> float:
    """When ``line`` was scored, in Unix seconds; ValueError or TypeError where it does not say."""
    return float(calendar.timegm(time.strptime(line.scored_at, "%Y-%m-%dT%H:%M:%SZ")))


@dataclass(frozen=True)
class Scorer:
    """What judged the images, for their lines and the summary.

    Attributes:
        bundle: its SHA-256.
        steps: of the search, the same for every image.
        backend: runtime, version, device.
        backend_fallback: why ``auto`` did not take the GPU; None where nothing fell back.
        calibration: SHA-256 of the site's calibration; None where the bundle's own is in force.
    """

    bundle: str
    steps: int
    backend: str
    backend_fallback: str | None = None
    calibration: str | None = None

    @classmethod
    def of(cls, detector: Detector, calibration: str | None = None) -> Scorer:
        """Describe ``detector``, and the site's calibration that was put into it."""
        used, bundle = detector.backend, detector.bundle
        return cls(bundle.sha256, bundle.steps, used.label, used.fallback_reason, calibration)


def result_line(
    file: str, verdict: Verdict, scorer: Scorer, heat_file: str | None, *, out_of_domain: str = ""
) -> ResultLine:
    """Return the line of a judged image; ``out_of_domain`` says why its score means nothing."""
    judged = "anomalous" if verdict.anomalous else "normal"
    return ResultLine(
        file=file,
        score=verdict.score,
        p_value=verdict.p_value,
        verdict=OUT_OF_DOMAIN if out_of_domain else judged,
        threshold=verdict.threshold if math.isfinite(verdict.threshold) else None,
        anogan_score=verdict.reconstruction.anogan_score,
        milliseconds={name: round(value, 3) for name, value in verdict.milliseconds.items()},
        heat_map=heat_file,
        error=None,
        reason=out_of_domain or None,
        scored_at=_now(),
        **asdict(scorer),
    )


def error_line(file: str, error: Exception, scorer: Scorer) -> ResultLine:
    """Return the line of an image that could not be judged."""
    return ResultLine(
        file=file,
        score=None,
        p_value=None,
        verdict="error",
        threshold=None,
        anogan_score=None,
        milliseconds={},
        heat_map=None,
        error=f"{type(error).__name__}: {error}",
        scored_at=_now(),
        **asdict(scorer),
    )


@dataclass(frozen=True)
class Summary:
    """The figures of one feed.

    Attributes:
        images: how many there were: ``normal`` + ``anomalous`` + ``out_of_domain`` + ``failed``.
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
    passed_over: Mapping[str, int] = field(default_factory=dict)
    passed_over_files: Sequence[Mapping[str, str]] = ()


def summarise(lines: Sequence[ResultLine], *, threshold: float, scorer: Scorer, results: Path) -> Summary:
    """Count and average ``lines``."""
    judged = [line.milliseconds for line in lines if line.error is None]
    steps = judged[0] if judged else {}
    return Summary(
        images=len(lines),
        normal=sum(line.verdict == "normal" for line in lines),
        anomalous=sum(line.verdict == "anomalous" for line in lines),
        failed=len(lines) - len(judged),
        mean_milliseconds={
            step: round(float(np.mean([taken[step] for taken in judged])), 3) for step in steps
        },
        threshold=threshold if math.isfinite(threshold) else None,
        results=str(results),
        out_of_domain=sum(line.verdict == OUT_OF_DOMAIN for line in lines),
        **asdict(scorer),
    )


def write_summary(summary: Summary, path: Path) -> None:
    """Write ``summary`` as JSON, whole or not at all; raises ResultsError when it cannot be written."""
    temporary = path.parent / f"{path.name}.part"
    try:
        temporary.write_text(json.dumps(asdict(summary), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ResultsError(
            f"cannot write the summary {path}: {error.strerror or error}. The results themselves are "
            "complete; name another place with --json."
        ) from error


def overlay(x: NDArray[np.float32], heat: NDArray[np.float32], heat_limit: float) -> NDArray[np.uint8]:
    """Return ``(384, 384, 3)`` uint8 BGR: the image, with heat above the normals' limit laid over it.

    Args:
        x: ``(S, S, 1)`` in [0, 1].
        heat: ``(S, S)``, standard deviations off the normals.
        heat_limit: below 0.6 of this nothing is tinted; the tint is full at 1.5 times it. The scale is the
            calibration's, not the image's own maximum, so a quiet image stays grey.
    """
    size = (OVERLAY_SIDE_PX, OVERLAY_SIDE_PX)
    grey = cv2.resize(x[..., 0], size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    level = cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC) / heat_limit
    level = ((level - TINT_FROM_LIMITS) / (TINT_FULL_LIMITS - TINT_FROM_LIMITS)).clip(0, 1)
    colour = cv2.applyColorMap((90 + level * 165).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = 0.7 * level[..., None]
    blended = grey[..., None] * 255 * (1 - weight) + colour * weight
    return np.asarray(blended.clip(0, 255), dtype=np.uint8)
