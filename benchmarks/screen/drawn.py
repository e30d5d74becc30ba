"""Drawn images that a head can be taught on before it sees a set: phantoms, and pictures of nothing at all.

Pictures of nothing (clouds, fallen leaves, lattices, waves, cells, parts) are drawn from a few laws each, as
those of which networks learn features that serve on photographs (Baradad et al. 2021).
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom import KINDS, render_normal, render_texture_normal

Layer = NDArray[np.float32]
Bytes = NDArray[np.uint8]
SIDE = 128
SEED = 77  # of subjects and surfaces that nothing else trains on, or is judged by
PARTS = 60  # different parts, each with as many images as there are per part
FAMILIES = ("chest", *KINDS, "clouds", "leaves", "lattice", "waves", "cells", "part")


class Drawn(NamedTuple):
    """Images ``(N, S, S, 1)`` uint8, those of a kind one after another: where each begins, how many."""

    images: Bytes
    first: NDArray[np.int32]
    count: NDArray[np.int32]


def draw_all(path: Path, chests: int, surfaces: int, nothings: int) -> None:
    """Draw normals: chests, surfaces of each kind, and pictures of nothing, so many of each family."""
    counts = {"chest": chests, **dict.fromkeys(KINDS, surfaces)}
    jobs = [(family, n) for family in FAMILIES for n in range(counts.get(family, nothings))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        images = np.stack(list(pool.map(draw_one, jobs, chunksize=32)))
    kinds = np.array([f"{family}{n % PARTS if family == 'part' else ''}" for family, n in jobs])
    np.savez(path, images=images, kinds=kinds)


def read_drawn(path: Path, *, wide: bool) -> Drawn:
    """Return what :func:`draw_all` drew; phantoms alone unless ``wide``."""
    with np.load(path) as stored:
        images, kinds = stored["images"], stored["kinds"]
    rows = np.flatnonzero(np.ones(len(kinds), np.bool_) if wide else np.isin(kinds, ("chest", *KINDS)))
    order = rows[np.argsort(kinds[rows], kind="stable")]
    _, first, count = np.unique(kinds[order], return_index=True, return_counts=True)
    return Drawn(images[order], first.astype(np.int32), count.astype(np.int32))


def draw_one(job: tuple[str, int]) -> Bytes:
    """Return the image of a family and number, ``(SIDE, SIDE, 1)``."""
    family, number = job
    if family == "chest":
        large = render_normal(SEED, number, 2 * SIDE).pixels
    elif family in KINDS:
        large = render_texture_normal(SEED, number, family, 2 * SIDE).pixels
    else:
        rng = np.random.default_rng((SEED, FAMILIES.index(family), number))
        return _shown(_DRAW[family](rng, number), rng)
    return np.asarray(cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., None], np.uint8)


def _shown(layer: Layer, rng: np.random.Generator) -> Bytes:
    """Light it unevenly, focus it more or less, and add the camera's noise."""
    low, high = np.quantile(layer, (0.01, 0.99))
    image = (layer - low) / max(float(high - low), 1e-6)
    dark, bright = rng.uniform(0, 0.35), rng.uniform(0.6, 1)
    u, v = _grid()
    image = (dark + (bright - dark) * image) * (1 + rng.normal(0, 0.1) * u + rng.normal(0, 0.1) * v)
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), rng.uniform(0.3, 0.9))
    image = image + rng.normal(0, rng.uniform(0, 0.02), image.shape)
    return np.asarray(np.rint(image.clip(0, 1) * 255)[..., None], np.uint8)


def _grid() -> tuple[Layer, Layer]:
    v, u = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
    return u, v


def _noise(rng: np.random.Generator, slope: float, stretch: float = 1.0) -> Layer:
    """Noise of a power spectrum f**-slope, stretched along a direction of its own; deviation 1."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    angle = rng.uniform(0, np.pi)
    along, aside = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
    frequency = np.sqrt((along * stretch) ** 2 + (aside / stretch) ** 2) + 1 / SIDE
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * frequency ** (-slope / 2)
    made = np.fft.irfft2(spectrum, (SIDE, SIDE))
    return np.asarray((made - made.mean()) / (made.std() + 1e-9), np.float32)


def _clouds(rng: np.random.Generator, _: int) -> Layer:
    layer = _noise(rng, rng.uniform(1, 4), np.exp(rng.uniform(0, 1.5)))
    bend = rng.integers(4)
    if bend == 0:
        return np.abs(layer)
    return np.tanh(layer * rng.uniform(0.5, 4)) if bend == 1 else layer


def _leaves(rng: np.random.Generator, _: int) -> Layer:
    """Dead leaves: shapes that hide one another, of sizes by a power law."""
    image, grain = np.zeros((SIDE, SIDE), np.float32), rng.uniform(0, 0.15)
    sharp, largest = rng.integers(3), rng.uniform(8, 40)
    for _unused in range(int(rng.uniform(60, 400))):
        size = min(largest, 2 / (rng.uniform(0.002, 1) ** 0.5))
        _shape(image, rng, rng.uniform(0, SIDE, 2), size, int(sharp), float(rng.uniform()))
    return np.asarray(image + grain * _noise(rng, rng.uniform(0, 2)), np.float32)


def _shape(
    image: Layer, rng: np.random.Generator, at: NDArray[np.float64], size: float, sharp: int, grey: float
) -> None:
    if sharp == 0:
        axes = (max(1, int(size)), max(1, int(size * rng.uniform(0.3, 1))))
        centre = (int(at[0]), int(at[1]))
        cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, grey, -1, cv2.LINE_AA)
        return
    turn = np.sort(rng.uniform(0, 2 * np.pi, 4 if sharp == 1 else int(rng.integers(3, 8))))
    corners = at + size * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    cv2.fillPoly(image, [np.rint(corners * 8).astype(np.int32)], grey, cv2.LINE_AA, 3)


def _lattice(rng: np.random.Generator, _: int) -> Layer:
    """One motif again and again, on a lattice of any angle, every other row moved, with play."""
    image = np.full((SIDE, SIDE), 0.5, np.float32)
    step = rng.uniform(9, 44, 2)
    angle, moved, play = rng.choice([0, rng.uniform(0, np.pi)]), rng.choice([0, 0.5]), rng.uniform(0, 0.08)
    size, sharp, greys = step.min() * rng.uniform(0.25, 0.65), int(rng.integers(3)), rng.uniform(0, 1, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    state = rng.bit_generator.state["state"]["state"] % 2**32
    reach = int(SIDE * 0.8 / step.min()) + 2
    for row in range(-reach, reach):
        for column in range(-reach, reach):
            at = turn @ ((column + moved * (row % 2)) * step[0], row * step[1]) + SIDE / 2
            if (-size < at).all() and (at < SIDE + size).all():
                motif = np.random.default_rng(state)  # the same shape each time
                grey = float(greys[0] + 0.1 * rng.normal())
                _shape(image, motif, at + play * step * rng.normal(size=2), size, sharp, grey)
    return np.asarray(image + rng.uniform(0, 0.1) * _noise(rng, rng.uniform(0, 2)), np.float32)


def _waves(rng: np.random.Generator, _: int) -> Layer:
    """Threads, grooves and ripples: sums of bent sinusoids."""
    u, v = _grid()
    layer = np.zeros_like(u)
    for _unused in range(int(rng.integers(1, 4))):
        angle, frequency = rng.uniform(0, np.pi), np.exp(rng.uniform(1.5, 4.2))
        bent = rng.uniform(0, 1.5) * _noise(rng, 4)
        layer += np.sin(frequency * (u * np.cos(angle) + v * np.sin(angle)) + bent) * rng.uniform(0.3, 1)
    return np.asarray(np.tanh(layer * rng.uniform(0.3, 3)) + rng.uniform(0, 0.2) * _noise(rng, 1), np.float32)


def _cells(rng: np.random.Generator, _: int) -> Layer:
    """One round body in the middle of nothing, with an inner texture."""
    u, v = _grid()
    angle = np.arctan2(v, u)
    outline = rng.uniform(0.6, 0.9) * np.ones_like(u)
    for order in range(1, 5):
        outline += rng.normal(0, 0.06 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    inside = 1 / (1 + np.exp(np.clip((np.hypot(u, v) - outline) * rng.uniform(20, 80), -30, 30)))
    shade = rng.uniform(0.4, 0.9) + rng.uniform(0, 0.08) * _noise(rng, rng.uniform(1, 3))
    rim = rng.uniform(-0.2, 0.2) * np.exp(-(((np.hypot(u, v) - outline) / 0.06) ** 2))
    return np.asarray(inside * (shade + rim) + (1 - inside) * rng.choice([0.0, 0.05, 1.0]), np.float32)


def _part(rng: np.random.Generator, number: int) -> Layer:
    """An assembled part: the same shapes at the same places in all images of its kind, in another pose."""
    plan, image = np.random.default_rng((SEED, 991, number % PARTS)), np.zeros((SIDE, SIDE), np.float32)
    image += plan.uniform(0, 1)
    for _unused in range(int(plan.integers(6, 40))):
        size = float(np.exp(plan.uniform(1, 3.3)))
        at, grey = plan.uniform(8, SIDE - 8, 2), float(plan.uniform())
        _shape(image, plan, at + rng.normal(0, 0.4, 2), size, int(plan.integers(3)), grey)
    for _unused in range(int(plan.integers(0, 12))):
        ends = np.rint(plan.uniform(0, SIDE, (2, 2)) * 8).astype(int)
        cv2.line(image, tuple(ends[0]), tuple(ends[1]), float(plan.uniform()), 1, cv2.LINE_AA, 3)
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.normal(0, 1.5), np.exp(rng.normal(0, 0.015)))
    turn[:, 2] += rng.normal(0, 1.5, 2)
    moved = cv2.warpAffine(image, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved + rng.uniform(0, 0.06) * _noise(rng, rng.uniform(0, 2)), np.float32)


_DRAW = {
    "clouds": _clouds,
    "leaves": _leaves,
    "lattice": _lattice,
    "waves": _waves,
    "cells": _cells,
    "part": _part,
}
