"""What a model says of images, as figures and pictures take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Advance", "Images", "OnHeat", "Scored", "by_part", "nothing_with_heat"]

Images = NDArray[np.float32]
Advance = Callable[[int], None]
OnHeat = Callable[[int, NDArray[np.float32]], None]
"""Takes the number of an image and its heat map: ``(S, S)``, or of one in tiles ``(H, W)``."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What a model says of N images, float32 unless noted; of images in tiles it is of the worst one.

    Attributes:
        score: ``(N,)`` float64 anomaly scores; high is anomalous.
        parts: what each part of the score says, ``(N,)`` float64 by name; the score is their mean.
        x: ``(N, S, S, 1)``, contrast enhanced, as the three stages saw the images.
        heat: ``(N, S, S)`` standard deviations above the normals, at least 0; of images in tiles
            ``(N, T, T)``, the whole squeezed to a square.
        generated: g(x), ``(N, S/2, S/2, 1)``.
        refined: c(g(x)), the same shape.
        resolved: SR(c(g(x))), ``(N, S, S, 1)``.
        search_distance: ``(N,)`` float64, sum|x - g(x)| (0-255 scale) at the search size.
    """

    score: NDArray[np.float64]
    parts: Mapping[str, NDArray[np.float64]]
    x: Images
    heat: Images
    generated: Images
    refined: Images
    resolved: Images
    search_distance: NDArray[np.float64]


def nothing_with_heat(number: int, heat: NDArray[np.float32]) -> None:
    """Leave the heat map where it is."""


def by_part(standard: Sequence[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Return ``(N,)`` of each part that N images have."""
    return {name: np.array([one[name] for one in standard]) for name in standard[0]}
