"""One result as the page shows it, with its picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.results.line import ResultLine
from sranogan_edge.scoring.overlay import OVERLAY_SIDE_PX, overlay
from sranogan_edge.scoring.rule import Verdict

__all__ = ["FIELDS", "Entry", "Picture", "grey", "png", "saved_png"]

THUMBNAIL_SIDE_PX = 192
FIELDS = (  # of the line: what a film says of itself, and what was done with it
    "modality",
    "body_part_examined",
    "view_position",
    "presentation_intent_type",
    "patient_orientation",
    "turned",
    "colour",
)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image with its heat map, small in memory; a PNG is made of it when somebody looks.

    Attributes:
        image: ``(S, S, C)`` uint8, luminance and, of a bundle that takes colour, its opponents; an image in
            tiles is squeezed to a square.
        heat: ``(S, S)`` float16, standard deviations off the normals.
        heat_limit: of the bundle that made it.
    """

    image: NDArray[np.uint8]
    heat: NDArray[np.float16]
    heat_limit: float

    @classmethod
    def of(cls, verdict: Verdict, heat_limit: float) -> Picture:
        """Keep what ``verdict`` shows; of an image in tiles, no more than is drawn of it."""
        x, heat = (_no_larger(one) if verdict.tiles else one for one in (verdict.picture, verdict.heat))
        return cls(_bytes_of(x), heat.astype(np.float16), heat_limit)

    def png(self) -> bytes:
        """Draw it, ``THUMBNAIL_SIDE_PX`` a side."""
        x = self.image.astype(np.float32)
        x /= 255
        whole = overlay(x, self.heat.astype(np.float32), self.heat_limit)
        side = (THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX)
        return png(np.asarray(cv2.resize(whole, side, interpolation=cv2.INTER_AREA), np.uint8))


@dataclass(frozen=True, eq=False)
class Entry:
    """One result as the page shows it.

    Attributes:
        number: counts the results that the page has seen from 1.
        line: as the sinks got it.
        shown_at: Unix time in seconds.
        picture: of the image with its heat map; None where there is none in memory, or no longer.
        saved: file of the heat map; None where none was written. It may be gone.
        result: number of the result in the spool; 0 where it is not known.
    """

    number: int
    line: ResultLine
    shown_at: float
    picture: Picture | None = None
    saved: Path | None = None
    result: int = 0

    @property
    def feed(self) -> str:
        """Name of the feed that it came from."""
        return self.line.feed or ""

    @property
    def reason(self) -> str:
        """Why it is out of domain or not asked for, or the error; else empty."""
        return self.line.error or self.line.reason or ""

    @property
    def scale(self) -> tuple[str, int, str | None]:
        """Scores compare within it: bundle, steps, calibration."""
        return self.line.bundle, self.line.steps, self.line.calibration

    def png(self) -> bytes | None:
        """Draw or read the picture; None where there is none."""
        if self.picture:
            return self.picture.png()
        return saved_png(self.saved) if self.saved else None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        line = self.line
        return {
            "number": self.number,
            "result": self.result,
            "file": line.file,
            "feed": self.feed,
            "verdict": line.verdict,
            "score": line.score,
            "p_value": line.p_value,
            "threshold": line.threshold,
            "milliseconds": dict(line.milliseconds),
            "reason": self.reason,
            **{name: getattr(line, name) for name in FIELDS},
            "time": self.shown_at,
            "picture": self.picture is not None or (self.saved is not None and self.saved.is_file()),
        }


def saved_png(path: Path) -> bytes | None:
    """Read a picture; None where it is gone."""
    try:
        return path.read_bytes()
    except (OSError, ValueError):  # gone, or a name that no file can have
        return None


def _no_larger(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(h, w[, 1])`` squeezed into a square of at most ``OVERLAY_SIDE_PX`` a side."""
    side = min(OVERLAY_SIDE_PX, *image.shape[:2])
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(side, side, *image.shape[2:])


def grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return ``image`` ``(S, S, 1)`` in [0, 1] as ``(S, S)`` uint8."""
    return _bytes_of(image[..., 0])


def _bytes_of(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(image.clip(0, 1) * 255), np.uint8)


def png(image: NDArray[np.uint8]) -> bytes:
    """Return ``image`` as the bytes of a PNG."""
    return bytes(cv2.imencode(".png", image)[1].tobytes())
