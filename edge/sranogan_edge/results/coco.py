"""Where images are off, as polygons in one COCO file, for tools that show and correct regions."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError
from sranogan_edge.files import write_json
from sranogan_edge.results.line import ResultLine
from sranogan_edge.scoring.rule import Verdict
from sranogan_edge.text import meant

__all__ = ["KINDS", "CocoRegions", "Polygon", "check_regions", "polygons_of"]

KINDS = ("coco",)
CATEGORY = {"id": 1, "name": "anomaly", "supercategory": ""}
FINE = 4  # pixels a cell of the heat map, for an outline that need not go through the middle of cells
FINE_UP_TO = 512  # cells a side: a larger map is fine enough
SLACK_CELLS = 0.75  # of the heat map, that an outline may leave the border by


@dataclass(frozen=True)
class Polygon:
    """The outline of one region of an image; its holes are filled.

    Attributes:
        corners: ``(x, y)`` in pixels of the upright image, three or more, inside of it.
        heat: the highest inside, in standard deviations of normals.
    """

    corners: tuple[tuple[float, float], ...]
    heat: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height in pixels."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)

    @property
    def area(self) -> float:
        """In square pixels."""
        return float(cv2.contourArea(np.asarray(self.corners, np.float32)))


def check_regions(kind: str | None) -> None:
    """Raise SettingsError where ``--regions`` is nothing that is written."""
    if kind is not None and kind not in KINDS:
        raise SettingsError(f"--regions must be {' or '.join(KINDS)}; received {kind!r}{meant(kind, KINDS)}")


def polygons_of(verdict: Verdict) -> list[Polygon]:
    """Return the outlines of the regions of an image; none where nobody looked for regions."""
    found = verdict.regions
    if found is None:
        return []
    at = found.placed
    heat = verdict.heat[at.top : at.top + at.rows, at.left : at.left + at.columns]
    fine = FINE if max(heat.shape) <= FINE_UP_TO else 1
    size = heat.shape[1] * fine, heat.shape[0] * fine
    large = cv2.resize(found.mask, size, interpolation=cv2.INTER_NEAREST)
    scale = np.array([at.width / size[0], at.height / size[1]])
    return [
        _polygon(outline, heat, fine, outline * scale + (at.x, at.y))
        for outline in _outlines(np.asarray(large, np.uint8), fine)
    ]


def _outlines(mask: NDArray[np.uint8], fine: int) -> Iterator[NDArray[np.float64]]:
    """Yield the corners of each place, ``(N, 2)`` x and y from 0 to the number of pixels of ``mask``."""
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in found:
        corners = cv2.approxPolyDP(contour, SLACK_CELLS * fine, True)
        if len(corners) >= 3 and cv2.contourArea(corners) > 0:
            yield np.asarray(corners[:, 0] + 0.5, np.float64)  # through the middle of pixels
        else:  # no wider than the slack
            left, top, wide, high = cv2.boundingRect(contour)
            box = [(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)]
            yield np.asarray(box, np.float64)


def _polygon(
    outline: NDArray[np.float64], heat: NDArray[np.float32], fine: int, corners: NDArray[np.float64]
) -> Polygon:
    """The place within ``outline``, in cells of ``fine`` pixels, with its corners in pixels of the image."""
    inside = np.zeros(heat.shape, np.uint8)
    cv2.fillPoly(inside, [np.floor(outline / fine).astype(np.int32).clip(0)], 1)
    hottest = float(heat[inside > 0].max())
    return Polygon(tuple((round(x, 2), round(y, 2)) for x, y in corners.tolist()), hottest)


@dataclass
class CocoRegions:
    """The regions of a run, gathered image by image.

    Attributes:
        root: the folder that names of images are told below; None tells them as they were named.
        about: stands in the file under ``info``.
    """

    root: Path | None = None
    about: dict[str, Any] = field(default_factory=dict)
    _images: list[dict[str, Any]] = field(default_factory=list)
    _annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, line: ResultLine, verdict: Verdict, height: int, width: int) -> None:
        """Add a judged image of ``height`` x ``width`` pixels; one that is out of domain has no regions."""
        number = len(self._images) + 1
        said = {"score": line.score, "p_value": line.p_value, "verdict": line.verdict}
        image = {"id": number, "file_name": self._name(line.file), "width": width, "height": height, **said}
        if line.frame is not None:
            image["frame"] = line.frame
        self._images.append(image)
        if verdict.out_of_domain or not math.isfinite(verdict.score):
            return
        for one in polygons_of(verdict):
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": number,
                    "category_id": CATEGORY["id"],
                    "segmentation": [[value for corner in one.corners for value in corner]],
                    "area": round(one.area, 2),
                    "bbox": [round(value, 2) for value in one.box],
                    "iscrowd": 0,
                    "score": line.score,
                    "attributes": {**said, "heat": round(one.heat, 3)},
                }
            )

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; raises OSError."""
        write_json(path, self.to_dict(), allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the file's content."""
        info = {"description": "regions of heat maps, sranogan-score", **self.about}
        return {
            "info": info,
            "licenses": [],
            "categories": [CATEGORY],
            "images": self._images,
            "annotations": self._annotations,
        }

    def _name(self, file: str) -> str:
        if self.root is None:
            return Path(file).as_posix()
        return Path(os.path.relpath(file, self.root)).as_posix()
