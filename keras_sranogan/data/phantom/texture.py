"""Surfaces instead of chests: cloth, brushed metal and wood, each with what can be wrong with it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom.drawing import (
    Layer,
    View,
    blurred,
    clouds,
    halved,
    rounded,
    step,
    stream,
    strokes,
)
from keras_sranogan.data.phantom.image import PhantomImage
from sranogan_edge.errors import SettingsError

LOOK, SURFACE, GRAIN, DEFECT = range(100, 104)
VISIBLE = 0.03  # change of brightness that counts as seen, of 0..1


def _weave(view: View, rng: np.random.Generator) -> Layer:
    """Plain weave: warp and weft threads that pass over each other in turn."""
    u, v = view.grid()
    threads = np.float32(rng.uniform(11, 15))
    drift = np.float32(0.25)
    x = u * threads + drift * clouds(rng, view.size, 4)
    y = v * threads + drift * clouds(rng, view.size, 4)
    over = np.sign(np.sin(np.pi * x) * np.sin(np.pi * y))
    warp, weft = np.abs(np.sin(np.pi * x)), np.abs(np.sin(np.pi * y))
    round_x, round_y = np.sqrt(warp) * (0.7 + 0.3 * weft), np.sqrt(weft) * (0.7 + 0.3 * warp)
    cloth = np.where(over > 0, round_x, 0.9 * round_y)
    return np.asarray(0.25 + 0.45 * cloth + 0.02 * clouds(rng, view.size, 60), np.float32)


def _metal(view: View, rng: np.random.Generator) -> Layer:
    """Brushed metal: streaks along one direction under a broad highlight."""
    u, v = view.grid()
    white = rng.standard_normal((view.size, max(2, view.size // 32)), dtype=np.float32)
    rows = np.clip((v + 1) / 2 * (view.size - 1), 0, view.size - 1)
    columns = np.clip((u + 1) / 2 * (white.shape[1] - 1), 0, white.shape[1] - 1)
    streaks = cv2.remap(white, columns, rows, cv2.INTER_LINEAR)
    shine = np.exp(-((u * np.float32(0.6) - np.float32(rng.normal(0, 0.3))) ** 2) * 2)
    return np.asarray(0.42 + 0.2 * shine + 0.05 * streaks + 0.015 * clouds(rng, view.size, 6), np.float32)


def _wood(view: View, rng: np.random.Generator) -> Layer:
    """Planed wood: year rings cut lengthwise, and pores."""
    u, v = view.grid()
    rings = np.float32(rng.uniform(7, 10))
    bend = np.float32(0.35) * clouds(rng, view.size, 3) + np.float32(0.5) * u**2
    phase = rings * (v + np.float32(0.25) * bend)
    late = (phase - np.floor(phase)) ** 3
    fibre = blurred(rng.standard_normal((view.size, view.size), dtype=np.float32), 0.8)
    return np.asarray(0.62 - 0.22 * late + 0.04 * fibre + 0.02 * clouds(rng, view.size, 5), np.float32)


_SURFACES: dict[str, Callable[[View, np.random.Generator], Layer]] = {
    "weave": _weave,
    "metal": _metal,
    "wood": _wood,
}
KINDS = tuple(_SURFACES)


def _scratch(plain: Layer, view: View, rng: np.random.Generator) -> Layer:
    start, heading, length = rng.uniform(-0.5, 0.5, 2), rng.uniform(0, np.pi), rng.uniform(0.3, 0.9)
    way = length * np.array([np.cos(heading), np.sin(heading)])
    line = rounded([start - way / 2, start + rng.normal(0, 0.05, 2), start + way / 2])
    canvas = np.zeros((2 * view.size,) * 2, np.uint8)
    strokes(view, line[None], rng.uniform(0.012, 0.028), 1.0, canvas)
    cut = halved(canvas)
    return plain + cut * np.float32(rng.choice((-0.35, 0.35)))


def _blob(view: View, rng: np.random.Generator, low: float, high: float, soft: float) -> Layer:
    u, v = view.grid()
    at, reach = rng.uniform(-0.6, 0.6, 2), rng.uniform(low, high)
    distance = np.hypot(u - at[0], v - at[1]) / np.float32(reach)
    return step(1 - distance + np.float32(0.18) * clouds(rng, view.size, 9), soft)


def _stain(plain: Layer, view: View, rng: np.random.Generator) -> Layer:
    blot = _blob(view, rng, 0.12, 0.3, 0.25)
    return plain * (1 - np.float32(rng.uniform(0.25, 0.5)) * blot)


def _hole(plain: Layer, view: View, rng: np.random.Generator) -> Layer:
    gap = _blob(view, rng, 0.06, 0.14, 0.08)
    return plain * (1 - gap) + np.float32(0.06) * gap


def _thread(plain: Layer, view: View, rng: np.random.Generator) -> Layer:
    start = rng.uniform(-0.5, 0.5, 2)
    points = start + np.concatenate([[[0, 0]], rng.normal(0, 0.2, (4, 2)).cumsum(axis=0)])
    canvas = np.zeros((2 * view.size,) * 2, np.uint8)
    strokes(view, rounded(points)[None], rng.uniform(0.022, 0.04), 1.0, canvas)
    over = halved(canvas)
    return plain * (1 - over) + np.float32(rng.choice((0.08, 0.95))) * over


_DEFECTS: dict[str, Callable[[Layer, View, np.random.Generator], Layer]] = {
    "scratch": _scratch,
    "stain": _stain,
    "hole": _hole,
    "thread": _thread,
}
DEFECTS = tuple(_DEFECTS)


def _surface(seed: int, index: int, kind: str, size: int) -> tuple[View, Layer, Layer]:
    """One piece of a surface, not yet lit: its view, its brightness, and light with grain."""
    if kind not in _SURFACES:
        raise SettingsError(f"No texture {kind!r}; choose one of {', '.join(KINDS)}.")
    look = stream(seed, index, LOOK)
    shift = (look.normal(0, 0.05), look.normal(0, 0.05))
    view = View.posed(size, look.normal(0, 2.5), look.uniform(0.95, 1.05), shift)
    plain = _SURFACES[kind](view, stream(seed, index, SURFACE))
    light = 1 + look.normal(0, 0.05) + 0.05 * clouds(look, size, 2)
    noise = stream(seed, index, GRAIN).standard_normal((size, size), dtype=np.float32)
    return view, plain * np.float32(1) * light, np.float32(look.uniform(0.008, 0.02)) * noise


def _finish(shown: Layer, noise: Layer) -> NDArray[np.uint8]:
    return np.clip(255 * (shown + noise) + 0.5, 0, 255).astype(np.uint8)


def render_texture_normal(seed: int, index: int, kind: str = "weave", size: int = 256) -> PhantomImage:
    """A flawless piece of a surface.

    Args:
        seed: of the data set, 0 or more.
        index: of the piece, 0 or more.
        kind: one of :data:`KINDS`.
        size: side in pixels.

    Returns:
        ``pixels`` ``(size, size)`` uint8, ``mask`` all False, ``lesion`` None.

    Raises:
        SettingsError: there is no such kind.
    """
    _, plain, noise = _surface(seed, index, kind, size)
    return PhantomImage(_finish(plain, noise), np.zeros((size, size), np.bool_))


def render_texture_defect(
    seed: int, index: int, defect: str, kind: str = "weave", size: int = 256
) -> PhantomImage:
    """The same piece as :func:`render_texture_normal` draws, with one defect.

    Args:
        seed: of the data set, 0 or more.
        index: of the piece, 0 or more.
        defect: one of :data:`DEFECTS`.
        kind: one of :data:`KINDS`.
        size: side in pixels.

    Returns:
        ``pixels`` ``(size, size)`` uint8, ``mask`` True where the defect changed the picture
        visibly, and the defect's name.

    Raises:
        SettingsError: there is no such kind or defect.
    """
    if defect not in _DEFECTS:
        raise SettingsError(f"No defect {defect!r}; choose one of {', '.join(DEFECTS)}.")
    view, plain, noise = _surface(seed, index, kind, size)
    flawed = _DEFECTS[defect](plain, view, stream(seed, index, DEFECT, DEFECTS.index(defect)))
    mask = blurred(np.abs(flawed - plain), size / 256) > VISIBLE
    return PhantomImage(_finish(flawed, noise), mask, defect)
