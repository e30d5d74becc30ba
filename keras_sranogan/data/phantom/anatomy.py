"""Soft tissue: the body, the lungs, the heart between them and the diaphragm below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom.drawing import Layer, View, band, blurred, clouds, depth, fill, rounded, step
from keras_sranogan.data.phantom.subject import Side, Subject


@dataclass(frozen=True, eq=False)
class SoftTissue:
    """Thicknesses along the ray, each ``(size, size)`` float32.

    ``tissue`` counts the chest as if it were solid, ``air`` is what the lungs take out of it
    (1 where the lung is deepest), ``gas`` is other air; ``lungs`` holds the outline of each lung,
    patient's right first, above the diaphragm; ``open_lung`` is the share of each lung's depth
    that neither heart nor diaphragm fills.
    """

    body: Layer
    tissue: Layer
    air: Layer
    gas: Layer
    lungs: tuple[Layer, Layer]
    open_lung: Layer
    heart: Layer


def lung_outline(side: Side) -> NDArray[np.float64]:
    """The lung as if the diaphragm were not there, ``(n, 2)`` in body units."""
    w, top = side.wall, side.apex
    points = [
        (0.33 * w, top), (0.56 * w, top + 0.05), (0.74 * w, top + 0.22), (0.86 * w, top + 0.45),
        (0.95 * w, top + 0.75), (1.0 * w, 0.15), (1.03 * w, 0.42), (1.03 * w, side.angle - 0.05),
        (1.02 * w, side.angle + 0.12), (0.6 * w, side.angle + 0.2), (0.1, side.angle + 0.1),
        (0.06, 0.3), (0.05, -0.2), (0.06, top + 0.25), (0.10 + 0.02 * w, top + 0.08),
    ]  # fmt: skip
    return rounded(np.array(points) * (side.sign, 1), closed=True)


def heart_outline(subject: Subject) -> NDArray[np.float64]:
    """The silhouette between the lungs, from the neck to the diaphragm, ``(n, 2)``."""
    h, k, base = subject.heart, subject.knob, subject.left.dome
    full = 0.035 * subject.waist
    right = [
        (-0.15, -1.0), (-0.13, -0.62), (-0.125, -0.4), (-0.125, -0.22), (-0.14, -0.1), (-0.19 * h, 0.05),
        (-0.235 * h, 0.2), (-0.21 * h, base - 0.08), (-0.15, base + 0.08), (-0.13, base + 0.3),
    ]  # fmt: skip
    left = [
        (0.25, base + 0.3), (0.40 * h, base + 0.14), (0.49 * h, base + 0.05), (0.52 * h + full, base - 0.06),
        (0.49 * h + full, base - 0.19), (0.40 * h + full, 0.1), (0.28 * h + 0.6 * full, -0.03),
        (0.21 + full, -0.12), (0.17 + 0.8 * full, -0.20), (0.145, -0.27),
        (0.14 + 0.05 * k, -0.32), (0.13 + 0.055 * k, -0.40), (0.11, -0.48), (0.115, -0.62), (0.15, -1.0),
    ]  # fmt: skip
    return rounded(np.array(right + left) + np.array((subject.turn, 0)), closed=True)


def body_outline(subject: Subject) -> NDArray[np.float64]:
    """Neck, shoulders and trunk, running off the picture below, ``(n, 2)``."""
    trunk = max(subject.right.wall, subject.left.wall) * 1.03 + 0.06 + 0.17 * subject.bulk
    neck, top = 0.2 + 0.07 * subject.bulk, subject.shoulder
    half = [
        (neck, -1.6), (neck, -1.08), (neck + 0.08, top - 0.17), (0.55, top - 0.08), (0.85, top + 0.02),
        (1.12, top + 0.25), (1.2, top + 0.55), (1.12, -0.02), (trunk + 0.03, 0.0), (trunk, 0.25),
        (trunk - 0.01, 0.6), (trunk, 1.0), (trunk, 1.7),
    ]  # fmt: skip
    points = np.array(half)
    return rounded(np.concatenate([points, points[::-1] * (-1, 1)]), closed=True)


def diaphragm(side: Side, u: Layer) -> Layer:
    """``v`` of the diaphragm above every ``u`` of one side: a dome that drops to the angle."""
    t = u * side.sign / side.wall - np.float32(0.52)
    drop = np.float32(side.angle - side.dome)
    lateral = np.clip(t / np.float32(0.5), 0, 1.2)
    medial = np.clip(-t / np.float32(0.5), 0, 1.2)
    fall = lateral * lateral * np.sqrt(lateral) + np.float32(0.55) * medial * medial
    return np.asarray(side.dome + drop * fall, np.float32)


def _descending_aorta(subject: Subject) -> NDArray[np.float64]:
    knob = 0.13 + 0.03 * subject.knob
    way = np.array([(knob - 0.06, -0.36), (0.075, -0.2), (0.06, 0.1), (0.04, 0.4), (0.02, 0.8)])
    return band(rounded(way + np.array((subject.turn, 0))), 0.12)


def trachea_outline(subject: Subject) -> list[NDArray[np.float64]]:
    """The windpipe and the two main bronchi as outlines."""
    lean = subject.turn * 1.5
    pipe = rounded(
        [(lean, -1.3), (lean, -0.8), (lean - 0.01, -0.5), (lean - 0.022, -0.36), (lean - 0.02, -0.28)]
    )
    fork = pipe[-1]
    right = rounded(fork + np.array([(0, 0), (-0.05, 0.06), (-0.10, 0.13)]))
    left = rounded(fork + np.array([(0, 0), (0.07, 0.06), (0.14, 0.11)]))
    return [
        band(pipe, 0.078),
        band(right, np.linspace(0.055, 0.02, len(right))),
        band(left, np.linspace(0.05, 0.015, len(left))),
    ]


def _tissue(subject: Subject, view: View, body: Layer, v: Layer, rng: np.random.Generator) -> Layer:
    """Thickness of the chest, about 1 in its middle: rounder to the sides, more in the belly."""
    thick = depth(view, body, 0.42) * np.float32(0.86 + 0.3 * subject.bulk)
    belly = step(v - np.float32(0.5), 0.45)
    thick = thick * (1 + 0.16 * belly + (0.03 + 0.03 * belly) * clouds(rng, view.size, 6))
    for side in subject.sides if subject.breasts else ():
        centre = np.array([side.sign * (0.45 + rng.normal(0, 0.02)), 0.22 + rng.normal(0, 0.03)])
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        reach = 0.22 + 0.08 * subject.breasts
        outline = centre + np.stack([reach * 1.15 * np.cos(angle), reach * np.sin(angle)], axis=1)
        thick += 0.2 * subject.breasts * depth(view, fill(view, [outline]), 0.3)
    return blurred(thick, 0.012 * view.unit_px)


def _gas(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """Air outside the lungs: windpipe and bronchi, the stomach bubble, bowel."""
    pipe, *bronchi = trachea_outline(subject)
    gas = 0.17 * fill(view, [pipe]) + 0.08 * fill(view, bronchi)
    gas = blurred(gas, 0.012 * view.unit_px)
    if subject.bubble:
        side = subject.left
        angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        reach = rng.uniform(0.06, 0.13)
        phase = rng.uniform(0, 6, 2)
        wobble = 1 + 0.1 * np.sin(2 * angle + phase[0]) + 0.06 * np.sin(3 * angle + phase[1])
        ring = reach * wobble * np.stack([1.3 * np.cos(angle), 0.8 * np.sin(angle)])
        bubble = fill(view, [np.array([0.4 * side.wall, side.dome + reach * 0.8 + 0.05]) + ring.T])
        gas = gas + rng.uniform(0.15, 0.35) * blurred(depth(view, bubble, 0.06), 0.006 * view.unit_px)
    return gas


def build_soft_tissue(subject: Subject, view: View, rng: np.random.Generator) -> SoftTissue:
    """All soft tissue of ``subject`` as it falls on ``view``."""
    u, v = view.grid()
    pixel = 1 / view.unit_px
    body = fill(view, [body_outline(subject)])
    heart = fill(view, [heart_outline(subject)])
    filled = heart * (0.5 + 0.4 * depth(view, heart, 0.2))
    aorta = blurred(fill(view, [_descending_aorta(subject)]), 0.006 * view.unit_px)
    filled = blurred(np.maximum(filled, 0.75 * aorta), 0.004 * view.unit_px)
    air, lungs = np.zeros_like(v), []
    for side in subject.sides:
        lung = fill(view, [lung_outline(side)])
        below = v - diaphragm(side, u)
        under = step(below, 1.5 * pixel)
        behind = 1 - under * (1 - 0.3 * np.exp(-np.maximum(below, 0) / np.float32(0.09)))
        air = np.maximum(air, depth(view, lung, 0.33) * behind)
        lungs.append(lung * (1 - under))
    open_lung = 1 - filled
    tissue = _tissue(subject, view, body, v, rng)
    return SoftTissue(
        body, tissue, air * open_lung, _gas(subject, view, rng), (lungs[0], lungs[1]), open_lung, heart
    )
