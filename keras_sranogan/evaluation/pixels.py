"""How well heat maps show where defects are, at the images' own sizes.

Of an image stay the heat of each marked region and how often each heat occurs elsewhere, so that any subset
can be judged and no map is kept. Heat is compared by its leading bits (1 part in 8192).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.marks import Region
from keras_sranogan.evaluation.metrics import AUPRO_LIMIT, AUPRO_STEPS
from keras_sranogan.evaluation.own_size import resized_mask
from sranogan_edge.scoring.conformal import RANK_ROUNDING

__all__ = ["AUSPRO_LIMIT", "ImagePixels", "pixel_figures"]

AUSPRO_LIMIT = 0.05  # of false positives, for saturated overlaps: that of MVTec LOCO's paper
_BITS_LEFT_OUT = 10  # of a float32's 23 that are not its size

Levels = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Found:
    """One region.

    Attributes:
        levels: ``(pixels,)`` of the heat inside, ascending.
        enough_px: how many of them count as all.
    """

    levels: Levels
    enough_px: float

    def share_above(self, thresholds: Levels) -> NDArray[np.float64]:
        """The share of it that is hotter than each of ``thresholds``, 0..1."""
        above = len(self.levels) - np.searchsorted(self.levels, thresholds, side="right")
        return np.minimum(above / self.enough_px, 1)


@dataclass(frozen=True, eq=False)
class ImagePixels:
    """What is kept of one heat map.

    Attributes:
        levels: that occur outside of what is marked, ascending.
        counts: how often each does.
        parts: the connected parts of what is marked.
        regions: the defects that saturate, where the data name them.
    """

    levels: Levels
    counts: NDArray[np.int32]
    parts: tuple[Found, ...] = ()
    regions: tuple[Found, ...] = ()

    @classmethod
    def of(
        cls,
        heat: NDArray[np.float32],
        mask: NDArray[np.bool_] | None = None,
        regions: Sequence[Region] = (),
    ) -> ImagePixels:
        """Keep what is needed of ``heat`` ``(H, W)``, with a mask of any size of its shape; None: normal."""
        level = _levels(heat)
        if mask is None:
            return cls(*_counted(level.ravel()))
        marked = resized_mask(mask, heat.shape)
        count, numbers = cv2.connectedComponents(marked.astype(np.uint8))
        inside, whose = level[marked], numbers[marked]
        ends = np.cumsum(np.bincount(whose, minlength=count)[1:])[:-1]
        by_part = np.split(inside[np.argsort(whose, kind="stable")], ends) if inside.size else []
        parts = tuple(map(_found, by_part))
        saturating = tuple(_saturating(level, region) for region in regions)
        return cls(*_counted(level[~marked]), parts, saturating)


def pixel_figures(images: Sequence[ImagePixels]) -> dict[str, float | None]:
    """Pixel AUROC, AUPRO up to 30 % and, where regions saturate, AU-sPRO up to 5 % false positives, 0..1.

    AUPRO is that of Bergmann et al. 2021: the mean over all connected parts of masks of the share found, so
    that small ones count as much as large ones; AU-sPRO that of Bergmann et al. 2022, over all defects. The
    false positives are those of all pixels that are not marked. None where nothing, or everything, is marked.
    """
    parts = [part for image in images for part in image.parts]
    regions = [region for image in images for region in image.regions]
    levels = np.concatenate([image.levels for image in images]) if images else np.zeros(0, np.int32)
    if not parts or not len(levels):
        return {"pixel_auroc": None, "pixel_aupro": None, "pixel_auspro": None}
    lowest = int(levels.min())
    weights = np.concatenate([image.counts for image in images])
    clean = np.bincount(levels - lowest, weights=weights).astype(np.float64)
    return {
        "pixel_auroc": _auroc(clean, np.concatenate([part.levels for part in parts]) - lowest),
        "pixel_aupro": _overlap(clean, lowest, parts, AUPRO_LIMIT),
        "pixel_auspro": _overlap(clean, lowest, regions, AUSPRO_LIMIT) if regions else None,
    }


def _auroc(clean: NDArray[np.float64], marked: Levels) -> float:
    """The share of pairs of a marked and a clean pixel in which the marked one is hotter; ties are half."""
    below = np.concatenate([[0], np.cumsum(clean)])
    place = np.clip(marked, 0, len(clean))
    lower = below[place]
    equal = np.append(clean, 0)[place] * (marked == place)
    return float(np.mean(lower + equal / 2) / below[-1])


def _overlap(clean: NDArray[np.float64], lowest: int, found: Sequence[Found], limit: float) -> float:
    """The area under the mean share found, by the share of clean pixels above, up to ``limit``; over it."""
    rates = np.linspace(0, limit, AUPRO_STEPS + 1)
    total = clean.sum()
    allowed = np.floor(rates * total + RANK_ROUNDING)
    above = total - np.cumsum(clean)  # pixels hotter than each level; falls
    first = len(above) - np.searchsorted(above[::-1], allowed, side="right")
    thresholds = lowest + first
    shares = [one.share_above(thresholds) for one in found]
    return float(np.trapezoid(np.mean(shares, axis=0), rates) / limit)


def _levels(heat: NDArray[np.float32]) -> Levels:
    """Whole numbers in the order of ``heat``; nearly equal heat has the same one."""
    bits = np.ascontiguousarray(heat, np.float32).view(np.int32)
    ordered = np.where(bits < 0, np.int32(-(2**31)) - bits, bits)  # -0.0 is 0.0, and -2 is below -1
    return np.asarray(ordered >> _BITS_LEFT_OUT, np.int32)


def _counted(level: Levels) -> tuple[Levels, NDArray[np.int32]]:
    if not level.size:
        return level, level
    lowest = int(level.min())
    counts = np.bincount(level - lowest)
    there = np.flatnonzero(counts)
    return (there + lowest).astype(np.int32), counts[there].astype(np.int32)


def _found(inside: Levels) -> Found:
    return Found(np.sort(inside), float(len(inside)))


def _saturating(level: Levels, region: Region) -> Found:
    inside = np.sort(level[resized_mask(region.mask, level.shape)])
    scale = level.size / region.mask.size  # of a mask that was drawn at another size
    return Found(inside, min(region.enough_px * scale, float(len(inside))))
