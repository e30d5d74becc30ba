"""Regions: where the heat map lies above a threshold of its own, and how large such places are in normals.

The threshold of heat is not that of images: it is the heat that one normal in four exceeds somewhere, or what
``--heat-threshold`` says. So that a region means something, only those are told that are larger than what all
but a share of the held-out normals have anywhere (split conformal, docs/method/tiles.md). Of these normals
the area of the largest region is kept for a few thresholds; for one between them the next lower one counts,
at which regions are no smaller.

Areas of normals are shares of the square that is judged, S x S or a tile: a defect has the same whatever the
image's size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame
from sranogan_edge.image.placing import Placed, placed
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.conformal import RANK_ROUNDING
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.usual_regions import components

if TYPE_CHECKING:
    from sranogan_edge.scoring.density import Density

__all__ = ["MOST", "HotRegion", "RegionRule", "Regions", "find_regions", "region_finder", "region_rule"]

Image = NDArray[np.float32]

MOST = 50  # regions of one image that are told, the largest
_ROUNDING = 1 + 1e-5  # of areas, which are kept in float32
Finder = Callable[[Frame, Measurement], "Regions"]


@dataclass(frozen=True)
class RegionRule:
    """What a region is.

    Attributes:
        threshold: of heat, in standard deviations; a region lies above it.
        least: area that a region has to exceed, in shares of the square that is judged.
        normals_share: at most so many normals have a region that does; None where nobody knows.
    """

    threshold: float
    least: float
    normals_share: float | None


@dataclass(frozen=True)
class HotRegion:
    """A connected place above the threshold of heat.

    Attributes:
        x, y, width, height: its box, in pixels of the image.
        area: in pixels of the image.
        peak, mean: of its heat, in standard deviations.
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    peak: float
    mean: float

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        box = {"x": self.x, "y": self.y, "width": self.width, "height": self.height}
        return {**box, "area": self.area, "peak": round(self.peak, 4), "mean": round(self.mean, 4)}


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of an image.

    Attributes:
        rule: what a region is.
        found: the largest ones, :data:`MOST` at most, largest first.
        left_out: how many more there are.
        mask: uint8, 255 in every region, those that are left out too, else 0: of the cells of the map that
            show the image.
        placed: where these lie.
        square_cells: cells of the map in the square that is judged, by area.
    """

    rule: RegionRule
    found: tuple[HotRegion, ...]
    left_out: int
    mask: NDArray[np.uint8]
    placed: Placed
    square_cells: float

    @property
    def least_area(self) -> int:
        """The smallest area that a region may have, in pixels of the image."""
        cells = math.floor(self.rule.least * self.square_cells * _ROUNDING) + 1
        return max(1, round(cells * self.placed.pixels_a_cell))

    def full_mask(self) -> NDArray[np.uint8]:
        """Return the mask at the image's own size, ``(H, W)`` uint8: 255 in every region, else 0."""
        at = self.placed
        part = cv2.resize(self.mask, (at.width, at.height), interpolation=cv2.INTER_NEAREST)
        if (at.width, at.height) == (at.image_width, at.image_height):
            return np.asarray(part, np.uint8)
        whole = np.zeros((at.image_height, at.image_width), np.uint8)
        whole[at.y : at.y + at.height, at.x : at.x + at.width] = part
        return whole

    def to_dict(self) -> dict[str, Any]:
        """Say by what rule the regions were found, ready for JSON."""
        share = self.rule.normals_share
        return {
            "threshold": round(self.rule.threshold, 4),
            "least_area": self.least_area,
            "normals_share": None if share is None else round(share, 4),
            "left_out": self.left_out,
        }


def region_rule(density: Density, rate: float, threshold: float | None = None) -> RegionRule:
    """Return what a region is, so that at most ``rate`` of normals have one.

    Where too few normals were held out for the rate, a region is larger than any of theirs; where it is not
    known what they have, it is one cell of the map or more.

    Args:
        density: of the bundle.
        rate: a share, between 0 and 1.
        threshold: of heat; None is the density's ``heat_limit``.
    """
    limit = density.heat_limit if threshold is None else threshold
    areas = None if density.usual_regions is None else density.usual_regions.at(limit)
    if areas is None:
        return RegionRule(limit, 0.0, None)
    count = len(areas)
    rank = min(max(1, math.ceil((count + 1) * (1 - rate) - RANK_ROUNDING)), count)
    return RegionRule(limit, float(areas[rank - 1]), 1 - rank / (count + 1))


def region_finder(
    density: Density, spec: PreprocessSpec, rate: float, threshold: float | None = None
) -> Finder:
    """Return what finds the regions of measured frames, by :func:`region_rule`."""
    return partial(find_regions, rule=region_rule(density, rate, threshold), spec=spec)


def find_regions(frame: Frame, made: Measurement, rule: RegionRule, spec: PreprocessSpec) -> Regions:
    """Return the regions of what was ``made`` of ``frame``; about 0.1 ms of 128 x 128 cells."""
    height, width = frame.pixels.shape[:2]
    at = placed(height, width, made.heat.shape, spec)
    heat = made.heat[at.top : at.top + at.rows, at.left : at.left + at.columns]
    square = (spec.tile_side_px * made.tiles.heat_scale) ** 2 if made.tiles else float(spec.size**2)
    if made.alignment is not None:  # what was judged is as much larger on the image as it came larger
        square *= made.alignment.scale**2
    labels, stats = components(heat, rule.threshold)
    areas = stats[:, cv2.CC_STAT_AREA]
    large = areas > rule.least * square * _ROUNDING
    large[0] = False  # the background
    order = np.flatnonzero(large)[np.argsort(-areas[large], kind="stable")]
    table = np.where(large, np.uint8(255), np.uint8(0))
    mask = table[labels] if len(order) else np.zeros(heat.shape, np.uint8)
    found = tuple(_region(heat, labels, int(number), stats[number], at) for number in order[:MOST])
    return Regions(rule, found, max(0, len(order) - MOST), mask, at, square)


def _region(
    heat: Image, labels: NDArray[np.int32], number: int, stats: NDArray[np.int32], at: Placed
) -> HotRegion:
    left, top, columns, rows, area = (int(one) for one in stats[:5])
    part = (slice(top, top + rows), slice(left, left + columns))
    values = heat[part][labels[part] == number]
    x, y, width, height = at.box(left, top, columns, rows)
    pixels = min(max(1, round(area * at.pixels_a_cell)), width * height)
    return HotRegion(x, y, width, height, pixels, float(values.max()), float(values.mean(dtype=np.float64)))
