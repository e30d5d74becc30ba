"""The detection head's input and output: what stage 4 measures besides the residual.

The head is a small network that was trained to tell normals from normals with synthetic anomalies
pasted in. It sees the image without its exposure: standardised as a whole, and in each
neighbourhood. Where a bundle takes colour, it sees both opponents in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.preprocess import downscale

Array = NDArray[np.float32]

NEIGHBOURHOOD_SHARE = 0.26  # of the side: 17 of 64 pixels
CONTRAST_FLOOR = 0.03  # standard deviation, in full scales, below which contrast is not amplified
LIMIT = 4.0  # standard deviations; what lies beyond is clipped, so that int8 has a fixed range
CHANNELS = 2  # of each channel of x: standardised as a whole, and in each neighbourhood
POOLED_CELLS = 2  # features are averaged over 2x2 cells
FLOOR = 1e-3
PEAK_SHARE = 1 / 256  # of the places of a map: a fault of a few pixels covers no more
OUTPUTS = ("features", "map")
CELLS = "early"  # the output that cells are made of, where the density knows the usual ones


def neighbourhood(side: int) -> int:
    """Side in pixels, odd, of the window of local standardisation."""
    return int(NEIGHBOURHOOD_SHARE * side) | 1


def head_input(x: Array, side: int) -> Array:
    """Return ``(side, side, CHANNELS * C)`` float32 in -LIMIT..LIMIT from ``x`` ``(S, S, C)`` in [0, 1]."""
    small = downscale(x, side)
    seen = [plane for number in range(x.shape[2]) for plane in _standardised(small[..., number])]
    return np.asarray(np.clip(cv2.merge(seen), -LIMIT, LIMIT), dtype=np.float32)


def _standardised(plane: Array) -> tuple[Array, Array]:
    """Return ``plane`` ``(side, side)`` standardised as a whole, and in each neighbourhood."""
    small = np.ascontiguousarray(plane)
    window = (neighbourhood(len(small)), neighbourhood(len(small)))
    mean = cv2.blur(small, window, borderType=cv2.BORDER_REFLECT)
    variance = cv2.blur(small * small, window, borderType=cv2.BORDER_REFLECT) - mean * mean
    local = (small - mean) / (np.sqrt(np.maximum(variance, 0)) + np.float32(CONTRAST_FLOOR))
    whole = (small - small.mean()) / (small.std() + np.float32(CONTRAST_FLOOR))
    return whole, np.asarray(local, np.float32)


def head_measurements(said: Mapping[str, Array]) -> dict[str, Array]:
    """Return what is judged of an image, ``(D,)`` float32 by part, from the network's outputs for it.

    Args:
        said: ``features`` ``(h, w, C)`` and ``map`` ``(m, m, 1)``.
    """
    logits = said["map"][..., 0]
    numbers = {"map": total_evidence(logits), "peak": peak(logits)}
    return {
        "head": pooled(said["features"]),
        **{name: np.array([one], np.float32) for name, one in numbers.items()},
    }


def pooled(features: Array) -> Array:
    """Average ``(h, w, C)`` over 2x2 cells: ``(4 * C,)`` float32, the vector whose density is judged."""
    height, width, channels = features.shape
    tall, wide = height // POOLED_CELLS, width // POOLED_CELLS
    cells = features.reshape(POOLED_CELLS, tall, POOLED_CELLS, wide, channels)
    return np.asarray(cells.mean(axis=(1, 3)).ravel(), dtype=np.float32)


def total_evidence(logits: Array) -> float:
    """Log of the mean of log(1 + exp(logit)) over a map ``(h, w)``: high is anomalous."""
    return float(np.log(np.logaddexp(0, logits).mean() + FLOOR))


def peak(logits: Array) -> float:
    """Mean of the highest :data:`PEAK_SHARE` of a map ``(h, w)``, one place at least: high is anomalous."""
    count = max(1, round(PEAK_SHARE * logits.size))
    return float(np.partition(logits, logits.size - count, axis=None)[-count:].mean())
