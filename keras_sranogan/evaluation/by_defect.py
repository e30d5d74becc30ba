"""The table of papers: how well defects are told and shown, all of them, by type and by size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import Item
from keras_sranogan.evaluation.metrics import auroc
from keras_sranogan.evaluation.pixels import ImagePixels, pixel_figures

__all__ = ["SIZES", "by_defect", "types_of"]

SIZES = ("small", "medium", "large")

Truth = NDArray[np.bool_]


def types_of(item: Item) -> tuple[str, ...]:
    """What is wrong in an image: as closely as the data say, else its class."""
    return item.kinds or (item.label,)


def by_defect(
    items: Sequence[Item],
    scores: NDArray[np.float64],
    pixels: Sequence[ImagePixels] | None = None,
    areas: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """Set the images of each type, and of each third by size, against all normals.

    Args:
        items: N images.
        scores: ``(N,)``.
        pixels: of each image; None where defects are not marked.
        areas: ``(N,)`` what share of each image is marked; None where defects are not marked.

    Returns:
        ``all``, ``by_type`` and ``by_size`` (small, medium, large; none without areas), each with the number
        ``n`` of abnormal images, ``auroc``, ``pixel_auroc``, ``pixel_aupro``, ``pixel_auspro``. An image of
        several types counts with each. Sizes are thirds of the abnormal images by the share of the image that
        is marked, ``from_share`` to ``to_share``; images of the same share are in the same third.
    """
    abnormal = np.array([not item.is_normal for item in items])

    def figures(of: Truth) -> dict[str, Any]:
        chosen = of | ~abnormal
        shown = [one for one, wanted in zip(pixels, chosen, strict=True) if wanted] if pixels else []
        return {
            "n": int(of.sum()),
            "auroc": auroc(scores[chosen], abnormal[chosen]),
            **pixel_figures(shown),
        }

    types = sorted({name for item in items if not item.is_normal for name in types_of(item)})
    return {
        "all": figures(abnormal),
        "by_type": {
            name: figures(np.array([not item.is_normal and name in types_of(item) for item in items]))
            for name in types
        },
        "by_size": {} if areas is None else _by_size(areas, abnormal, figures),
    }


def _by_size(
    areas: NDArray[np.float64], abnormal: Truth, figures: Callable[[Truth], Mapping[str, Any]]
) -> dict[str, Any]:
    ordered = np.sort(areas[abnormal])
    if not len(ordered):
        return {}
    bounds = [ordered[-(-place * len(ordered) // 3) - 1] for place in (1, 2, 3)]
    third = np.searchsorted(bounds, areas)  # an area up to the first bound is small
    found = {}
    for number, name in enumerate(SIZES):
        of = abnormal & (third == number)
        if of.any():
            shares = {"from_share": float(areas[of].min()), "to_share": float(areas[of].max())}
            found[name] = {**figures(of), **shares}
    return found
