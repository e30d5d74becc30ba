"""What a scored feed leaves behind: one JSON line an image, heat-map overlays, a summary."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import ResultsError
from sranogan_edge.pipeline import Verdict

RESULT_SCHEMA_VERSION = 1
OVERLAY_SIDE_PX = 384
HEAT_FULL_SCALE_LIMITS = 2.0  # display saturates at this many times the density's heat_limit


@dataclass(frozen=True)
class ResultLine:
    """One line of ``results.jsonl``. Numbers are null where the image could not be judged."""

    file: str
    score: float | None
    p_value: float | None
    verdict: str  # "normal", "anomalous" or "error"
    threshold: float | None  # null: too few normals were held out for the false-alarm rate
    anogan_score: float | None
    milliseconds: dict[str, float]
    heat_map: str | None
    error: str | None
    bundle: str  # SHA-256 of the bundle
    scored_at: str
    schema_version: int = field(default=RESULT_SCHEMA_VERSION)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def result_line(file: str, verdict: Verdict, bundle_sha256: str, heat_file: str | None) -> ResultLine:
    """Return the line of a judged image."""
    return ResultLine(
        file=file,
        score=verdict.score,
        p_value=verdict.p_value,
        verdict="anomalous" if verdict.anomalous else "normal",
        threshold=verdict.threshold if math.isfinite(verdict.threshold) else None,
        anogan_score=verdict.reconstruction.anogan_score,
        milliseconds={name: round(value, 3) for name, value in verdict.milliseconds.items()},
        heat_map=heat_file,
        error=None,
        bundle=bundle_sha256,
        scored_at=_now(),
    )


def error_line(file: str, error: Exception, bundle_sha256: str) -> ResultLine:
    """Return the line of an image that could not be judged."""
    message = f"{type(error).__name__}: {error}"
    return ResultLine(file, None, None, "error", None, None, {}, None, message, bundle_sha256, _now())


class ResultsFolder:
    """``results.jsonl`` and ``heat_maps/`` in one folder; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; an earlier ``results.jsonl`` in it is replaced.

        Raises:
            ResultsError: it cannot be written to.
        """
        self.folder = folder
        try:
            (folder / "heat_maps").mkdir(parents=True, exist_ok=True)
            self._lines: TextIO = (folder / "results.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> ResultsFolder:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush to disk and close."""
        try:
            self._lines.flush()
            os.fsync(self._lines.fileno())
            self._lines.close()
        except OSError as failure:
            if error is None:
                raise self._failed(failure) from failure

    def write(self, line: ResultLine) -> None:
        """Append one line; it reaches the operating system before this returns."""
        try:
            self._lines.write(json.dumps(asdict(line), allow_nan=False) + "\n")
            self._lines.flush()
        except OSError as error:
            raise self._failed(error) from error

    def write_overlay(self, name: str, verdict: Verdict, heat_limit: float) -> str:
        """Save the image with its heat map as PNG; returns the path relative to the folder."""
        relative = f"heat_maps/{name}.png"
        _, png = cv2.imencode(".png", overlay(verdict.reconstruction.x, verdict.heat, heat_limit))
        try:
            (self.folder / relative).write_bytes(png.tobytes())
        except OSError as error:
            raise self._failed(error) from error
        return relative

    def _failed(self, error: OSError) -> ResultsError:
        return ResultsError(
            f"cannot write results to {self.folder}: {error.strerror}. Results written so far are kept; free "
            "some space or name another folder with --out."
        )


def overlay(x: NDArray[np.float32], heat: NDArray[np.float32], heat_limit: float) -> NDArray[np.uint8]:
    """Return ``(384, 384, 3)`` uint8 BGR: the image, with heat above the normals' limit laid over it.

    Args:
        x: ``(S, S, 1)`` in [0, 1].
        heat: ``(S, S)``, standard deviations above the normals.
        heat_limit: below half of this nothing is tinted; the tint is full at twice it. The scale is the
            calibration's, not the image's own maximum, so a quiet image stays grey.
    """
    size = (OVERLAY_SIDE_PX, OVERLAY_SIDE_PX)
    grey = cv2.resize(x[..., 0], size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    level = cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC) / (HEAT_FULL_SCALE_LIMITS * heat_limit)
    level = level.clip(0, 1)
    colour = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = (0.65 * (level - 0.25).clip(0, 0.5) / 0.5)[..., None]
    blended = grey[..., None] * 255 * (1 - weight) + colour * weight
    return np.asarray(blended.clip(0, 255), dtype=np.uint8)
