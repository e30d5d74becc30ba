"""How large the largest hot region of a normal is: of held-out normals, for a few thresholds of heat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["LEVELS", "UsualRegions", "components", "largest_area"]

Array = NDArray[np.float32]

LEVELS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)  # thresholds, in units of the density's heat limit


@dataclass(frozen=True, eq=False)
class UsualRegions:
    """The largest region of each held-out normal.

    Attributes:
        thresholds: ``(L,)`` float32, of heat, ascending.
        areas: ``(L, N)`` float32, each row ascending: the area of the largest region of N normals above that
            threshold, in shares of the square that is judged; 0 where there is none.
    """

    thresholds: Array
    areas: Array

    @classmethod
    def of(cls, maps: Iterable[tuple[Array, float]], heat_limit: float) -> UsualRegions:
        """Measure the heat ``maps`` of normals, each with the cells that the judged square has on it."""
        thresholds = np.asarray(LEVELS, np.float32) * np.float32(heat_limit)
        rows = [[largest_area(heat, float(one)) / square for one in thresholds] for heat, square in maps]
        return cls(thresholds, np.sort(np.asarray(rows, np.float32).T, axis=1))

    def at(self, threshold: float) -> Array | None:
        """Return ``(N,)``, ascending: no smaller than the largest areas above ``threshold``.

        None where it is lower than all that was looked at.
        """
        lower = int(np.searchsorted(self.thresholds, np.float32(threshold), side="right")) - 1
        return self.areas[lower] if lower >= 0 else None

    def check(self) -> None:
        """Raise ValueError unless this can be what normals have."""
        levels, areas = self.thresholds, self.areas
        if levels.ndim != 1 or areas.ndim != 2 or len(levels) != len(areas) or not areas.size:
            raise ValueError(f"thresholds of heat {levels.shape} with areas {areas.shape}")
        if not np.isfinite(levels).all() or (np.diff(levels) <= 0).any() or levels[0] <= 0:
            raise ValueError("thresholds of heat that do not ascend from 0")
        if not np.isfinite(areas).all() or (areas < 0).any() or (np.diff(areas, axis=1) < 0).any():
            raise ValueError("areas of regions that do not ascend from 0")


def components(heat: Array, threshold: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the connected places of ``heat`` above ``threshold``, by edge or corner.

    Returns:
        Labels ``(h, w)``, 0 where there is none, and OpenCV's statistics ``(labels, 5)``: left, top, width,
        height, area; the first row is of all that is not hot.
    """
    hot = (heat > threshold).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(hot, connectivity=8)
    return np.asarray(labels, np.int32), np.asarray(stats, np.int32)


def largest_area(heat: Array, threshold: float) -> int:
    """Return the cells of the largest connected place of ``heat`` above ``threshold``; 0 without one."""
    return int(components(heat, threshold)[1][1:, cv2.CC_STAT_AREA].max(initial=0))
