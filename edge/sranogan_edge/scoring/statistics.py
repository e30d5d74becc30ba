"""What is watched of a feed: one number an image for each of a few properties of input and score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.heat import BRIGHTNESS
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.rule import Verdict

__all__ = [
    "STATISTICS",
    "apart",
    "correlation",
    "grid_of",
    "input_statistics",
    "signs_of",
    "statistics_of",
    "successive",
]

STATISTICS = {
    "brightness": "mean brightness",
    "contrast": "contrast",
    "sharpness": "sharpness",
    "likeness": "likeness to the mean normal image",
    "residual": "distance of the residual",
    "head": "distance of the head's features",
    "score": "score",
}
Measured: TypeAlias = Measurement | Verdict
_FLOOR = 1e-12


def input_statistics(x: NDArray[np.float32]) -> dict[str, float]:
    """Return brightness, contrast and sharpness of ``(S, S, C)`` in [0, 1], contrast not yet enhanced.

    Brightness is the mean, contrast the standard deviation. Sharpness is the logarithm of the mean squared
    difference of neighbours over the variance: about -2 for a film, above 0 for noise, and the same
    whatever the exposure.
    """
    plain = x[..., 0]
    variance = float(plain.var())
    steps = float(np.square(np.diff(plain, axis=0)).mean() + np.square(np.diff(plain, axis=1)).mean())
    return {
        "brightness": float(plain.mean()),
        "contrast": variance**0.5,
        "sharpness": float(np.log((steps + _FLOOR) / (variance + _FLOOR))),
    }


def statistics_of(frame: Frame, made: Measured, density: Density, spec: PreprocessSpec) -> dict[str, float]:
    """Return the :data:`STATISTICS` of a scored frame; parts that the bundle goes without are left out.

    Of an image in tiles, brightness to likeness are means over them, and parts and score the worst one's.
    """
    if made.tiles:
        signs = dict(made.tiles.signs)
    else:
        plain = made.reconstruction.plain
        signs = signs_of(preprocess(frame, spec) if plain is None else plain, grid_of(made), density)
    parts = {name: float(made.parts[name]) for name in ("residual", "head") if name in made.parts}
    return {**signs, **parts, "score": float(made.score)}


def signs_of(plain: NDArray[np.float32], grid: NDArray[np.float32], density: Density) -> dict[str, float]:
    """Return the ``fingerprint.SIGNS`` of an image: its statistics but for score and parts.

    ``likeness`` is the correlation of the image, at 32 x 32 pixels, with the mean of the normals that the
    bundle was fitted to: it tells a film that is inverted, turned or none, and illness changes it little.

    Args:
        plain: ``(S, S, C)`` in [0, 1], its contrast not yet enhanced.
        grid: ``(32, 32)``, the same, its exposure and contrast taken out (:func:`grid_of`).
        density: of the bundle; its mean normal image counts.
    """
    return {**input_statistics(plain), "likeness": correlation(grid, density.heat_center[BRIGHTNESS])}


def grid_of(made: Measured) -> NDArray[np.float32]:
    """Return the scored image at 32 x 32 pixels, float32, its exposure and contrast taken out."""
    return np.asarray(made.tiles.grid if made.tiles else made.reconstruction.heat[BRIGHTNESS], np.float32)


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Pearson's, of two arrays of one shape, -1 to 1; 0 where one of them is constant."""
    a, b = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > _FLOOR else 0.0


def successive(grids: Sequence[NDArray[np.float32]]) -> tuple[float, ...]:
    """Return how alike the first and second of ``grids`` are, the third and fourth, and so on."""
    return tuple(correlation(*pair) for pair in zip(grids[::2], grids[1::2], strict=False))


def apart(grids: Sequence[NDArray[np.float32]]) -> float:
    """Return how alike ``grids`` are that lie half of all apart, on average; 0 where there is one."""
    half = len(grids) // 2
    pairs = zip(grids[:half], grids[half:], strict=False)
    return float(np.mean([correlation(*pair) for pair in pairs])) if half else 0.0


def column(rows: list[Mapping[str, float]], name: str) -> tuple[float, ...]:
    """Return one statistic of all ``rows``."""
    return tuple(row[name] for row in rows)
