"""Curves, strokes and noise drawn as float layers; what every phantom is made of.

Anatomy is described in body units: ``u`` to the right of the picture and ``v`` downwards, one
unit being half the side of the image, with the origin in the middle of the chest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Layer = NDArray[np.float32]
"""One value a pixel, ``(size, size)`` float32."""

SUBPIXEL_BITS = 4


def stream(seed: int, *path: int) -> np.random.Generator:
    """The random stream of one subject and one purpose: a pure function of its arguments.

    Args:
        seed: of the whole data set, not negative.
        path: subject index, then a number for the purpose; another path is another stream.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


@dataclass(frozen=True, eq=False)
class View:
    """How body units land on the pixels: an affine map, with the picture's side."""

    size: int
    matrix: NDArray[np.float64]  # (2, 3), body units to pixels

    @classmethod
    def posed(
        cls, size: int, angle_deg: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)
    ) -> View:
        """A view turned by ``angle_deg``, magnified by ``scale`` and moved by ``shift`` body units."""
        half = size / 2
        angle = np.deg2rad(angle_deg)
        turn = half * scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        origin = half - 0.5 + half * np.array(shift)
        return cls(size, np.column_stack([turn, origin]))

    @property
    def unit_px(self) -> float:
        """Pixels in one body unit."""
        return float(np.hypot(*self.matrix[:, 0]))

    def to_pixels(self, points: ArrayLike) -> NDArray[np.float64]:
        """Body points ``(..., 2)`` to pixel coordinates ``(..., 2)``."""
        pixels: NDArray[np.float64] = np.asarray(points) @ self.matrix[:, :2].T + self.matrix[:, 2]
        return pixels

    def grid(self) -> tuple[Layer, Layer]:
        """The body coordinates ``u`` and ``v`` of every pixel, each ``(size, size)``."""
        inverse = np.linalg.inv(self.matrix[:, :2]).astype(np.float32)
        steps = np.arange(self.size, dtype=np.float32)
        x, y = steps[None, :] - np.float32(self.matrix[0, 2]), steps[:, None] - np.float32(self.matrix[1, 2])
        return inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y


def rounded(points: ArrayLike, closed: bool = False, passes: int = 3) -> NDArray[np.float64]:
    """Control points ``(n, 2)`` to a smooth curve ``(m, 2)``, by Chaikin's corner cutting."""
    curve = np.asarray(points, dtype=np.float64)
    for _ in range(passes):
        nxt = np.roll(curve, -1, axis=0) if closed else curve[1:]
        here = curve if closed else curve[:-1]
        cut = np.stack([0.75 * here + 0.25 * nxt, 0.25 * here + 0.75 * nxt], axis=1).reshape(-1, 2)
        curve = cut if closed else np.concatenate([curve[:1], cut, curve[-1:]])
    return curve


def band(centre: NDArray[np.float64], width: ArrayLike) -> NDArray[np.float64]:
    """The outline of a stroke: ``centre`` ``(n, 2)`` widened to ``width`` (scalar or ``(n,)``)."""
    along = np.gradient(centre, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    half = np.broadcast_to(np.asarray(width, dtype=np.float64) / 2, (len(centre),))[:, None]
    return np.concatenate([centre + half * normal, (centre - half * normal)[::-1]])


def _fixed(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(pixels * (1 << SUBPIXEL_BITS)).astype(np.int32)


def fill(view: View, outlines: Iterable[NDArray[np.float64]]) -> Layer:
    """Outlines ``(n, 2)`` in body units, filled with anti-aliased edges: 0 outside, 1 inside."""
    canvas = np.zeros((view.size, view.size), np.uint8)
    for outline in outlines:
        cv2.fillPoly(canvas, [_fixed(view.to_pixels(outline))], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas.astype(np.float32) / np.float32(255)


def strokes(
    view: View, lines: NDArray[np.float64], width: float, level: float, onto: NDArray[np.uint8]
) -> None:
    """Draw lines ``(count, n, 2)`` over ``onto``, which has twice the view's side.

    Args:
        view: the map to pixels.
        lines: in body units.
        width: in body units; below half a pixel the line is drawn fainter instead of thinner.
        level: brightness, 0 to 1.
        onto: ``(2 * size, 2 * size)`` uint8, drawn over in place.
    """
    width_px = 2 * width * view.unit_px
    value = 255 * level * min(1.0, width_px)
    fixed = _fixed(2 * view.to_pixels(lines) + 0.5)
    cv2.polylines(onto, list(fixed), False, value, max(1, round(width_px)), cv2.LINE_AA, SUBPIXEL_BITS)


def halved(canvas: NDArray[np.uint8]) -> Layer:
    """A canvas drawn at twice the side, averaged down to a layer from 0 to 1."""
    side = canvas.shape[0] // 2
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255)


def blurred(layer: Layer, sigma_px: float) -> Layer:
    """``layer`` after a Gaussian blur; wide ones are done on a smaller copy, which looks the same."""
    if sigma_px < 0.2:
        return layer
    shrink = int(sigma_px // 4)
    if shrink < 2:
        soft = cv2.GaussianBlur(layer, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(soft, np.float32)
    side = max(8, layer.shape[0] // shrink)
    small = cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma_px * side / layer.shape[0], borderType=cv2.BORDER_REPLICATE)
    # Linear, because a cubic would swing below 0 beside an edge.
    return np.asarray(cv2.resize(soft, layer.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def depth(view: View, inside: Layer, full: float) -> Layer:
    """How thick a rounded body of this outline is: 0 at its edge, 1 from ``full`` body units inwards."""
    distance = np.asarray(cv2.distanceTransform((inside > 0.5).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    distance = blurred(distance, 0.09 * full * view.unit_px)  # no crease along the middle
    rise = np.minimum(distance / np.float32(full * view.unit_px), 1)
    return np.asarray(np.sqrt(rise * (2 - rise)) * inside, np.float32)


def clouds(rng: np.random.Generator, size: int, cells: int) -> Layer:
    """Smooth random hills, mean about 0 and deviation about 0.7, ``cells`` of them across the picture."""
    coarse = rng.standard_normal((cells + 2, cells + 2), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def step(layer: Layer, width: float) -> Layer:
    """A soft step: 0 below ``-width``, 1 above ``width``, smooth in between."""
    t = np.clip(layer / np.float32(2 * width) + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
