"""Things in or on a chest that people put there, as attenuation to add."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_sranogan.data.phantom.drawing import Layer, View, blurred, fill, halved, rounded, strokes
from keras_sranogan.data.phantom.subject import Subject

METAL = 2.2


def _wire(view: View, points: list[tuple[float, float]], width: float, level: float) -> Layer:
    canvas = np.zeros((2 * view.size,) * 2, np.uint8)
    strokes(view, rounded(points)[None], width, level, canvas)
    return halved(canvas)


def _disc(view: View, u: float, v: float, radius: float) -> Layer:
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return fill(view, [np.array([u, v]) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)])


def pacemaker(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """A metal can below the clavicle and a lead that ends in the right ventricle."""
    side = subject.left if rng.random() < 0.8 else subject.right
    u, v = side.sign * (0.62 * side.wall + rng.uniform(-0.05, 0.1)), side.apex + rng.uniform(0.22, 0.34)
    half_w, half_h = rng.uniform(0.08, 0.115), rng.uniform(0.07, 0.1)
    corners = np.array([(-1, -1), (-0.3, -1.05), (1, -1), (1, 0.3), (0.5, 1), (-0.5, 1), (-1, 0.3)])
    can = np.array((u, v)) + rounded(corners * (side.sign * half_w, half_h), closed=True, passes=2)
    header = np.array([(-0.6, -1.45), (0.6, -1.45), (0.8, -0.8), (-0.8, -0.8)]) * (half_w, half_h) + (u, v)
    box = METAL * fill(view, [can]) + 0.5 * fill(view, [header])
    tip = (0.30 + rng.normal(0, 0.03), subject.left.dome - 0.06 + rng.normal(0, 0.03))
    path = [(u, v - half_h), (side.sign * 0.38, side.apex + 0.12), (side.sign * 0.16, side.apex + 0.26),
            (-0.09, -0.35), (-0.11, 0.0), (-0.10, 0.26), (0.08, tip[1] - 0.02), tip]  # fmt: skip
    lead = 1.1 * _wire(view, path, 0.012, 0.9)
    return np.asarray(np.maximum(box, lead + 1.2 * _disc(view, *tip, 0.014)), np.float32)


def catheter(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """A central line from the neck into the great vein."""
    side = subject.right if rng.random() < 0.7 else subject.left
    end = (-0.10, rng.uniform(-0.25, 0.05))
    s = side.sign
    path = [(s * 0.2, -1.1), (s * 0.16, side.apex), (s * 0.11 - 0.02, side.apex + 0.2),
            (-0.09, -0.4), (-0.10, -0.3), end]  # fmt: skip
    return np.asarray(0.75 * _wire(view, path, 0.014, 0.95), np.float32)


def tube(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """A tube: in the windpipe, or down the gullet into the stomach."""
    lean = 1.5 * subject.turn
    if rng.random() < 0.5:
        path = [(lean + 0.01, -1.2), (lean, -0.8), (lean - 0.01, rng.uniform(-0.55, -0.42))]
        wall = [_wire(view, [(u + s * 0.018, v) for u, v in path], 0.011, 0.8) for s in (-1, 1)]
        return np.asarray(0.6 * np.maximum(*wall), np.float32)
    dome = subject.left.dome
    path = [(0.0, -1.2), (0.02, -0.5), (0.03, 0.1), (0.05, dome), (0.2, dome + 0.14), (0.36, dome + 0.2)]
    return np.asarray(0.8 * _wire(view, path, 0.016, 0.9), np.float32)


def electrodes(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """Stickers on the skin with wires that leave the picture."""
    total = np.zeros((view.size, view.size), np.float32)
    places = [(-0.5, -0.45), (0.52, -0.42), (0.55, 0.35), (-0.55, 0.4)]
    for at in rng.permutation(4)[: int(rng.integers(2, 4))]:
        u, v = np.array(places[at]) + rng.normal(0, 0.06, 2)
        bend = rng.normal(0, 0.15)
        path = [(u, v), (u * 1.15 + bend, v + 0.25), (u * 0.8 - bend, v + 0.55), (u * 1.1, 1.2)]
        snap = 0.5 * _disc(view, u, v, 0.045) + 1.3 * _disc(view, u, v, 0.02)
        total = np.maximum(total, np.maximum(snap, 0.9 * _wire(view, path, 0.009, 0.9)))
    return total


Maker = Callable[[Subject, View, np.random.Generator], Layer]
DEVICES: tuple[Maker, ...] = (pacemaker, catheter, tube, electrodes)


def place_device(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """Attenuation of one device, ``(size, size)`` float32, 0 where there is none."""
    made = DEVICES[int(rng.integers(len(DEVICES)))](subject, view, rng)
    return blurred(made, 0.002 * view.unit_px)
