"""Bone: ribs as tilted hoops, clavicles, shoulder blades, upper arms and the spine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom.drawing import Layer, View, band, blurred, fill, rounded
from keras_sranogan.data.phantom.subject import Side, Subject

RIBS = 11  # the twelfth hides in the abdomen
RIB_WIDTH = 0.052


def rib_hoop(subject: Subject, side: Side, number: float, sweep: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of one rib, ``(n, 2)``: a hoop tilted forwards and seen from the front.

    Args:
        subject: gives tilt and pitch of the hoops.
        side: gives the chest wall that the hoop follows.
        number: 0 for the topmost rib; a fraction lies between two.
        sweep: angles around the chest, 0 at the spine, pi at the breastbone.
    """
    back = side.apex + 0.02 + subject.rib_pitch * number
    tilt = subject.rib_tilt * (0.62 + 0.38 * min(1.0, number / 4))
    flank = back + tilt / 2
    height = np.clip((flank - side.apex) / (0.9 - side.apex), 0, 1)
    girth = 0.50 + 0.53 * np.sqrt(1 - (1 - height) ** 2.6) if number > 0.5 else 0.5
    reach = (side.wall + 0.022) * girth
    u = 0.055 + (reach - 0.055) * np.sin(sweep) ** 0.92
    hump = -0.028 * np.sin(np.minimum(2.2 * sweep, np.pi))
    v = back + hump + tilt * (1 - np.cos(sweep)) / 2
    shift = subject.turn * (1 - np.cos(sweep)) / 2
    return np.stack([side.sign * u + shift, v], axis=1)


def _shell(view: View, outlines: list[NDArray[np.float64]], rim: float) -> Layer:
    """Bones of these outlines: hollow, so that their edges are brighter than their middle."""
    solid = fill(view, outlines)
    edge = np.clip(solid - blurred(solid, 0.012 * view.unit_px), 0, None)
    return solid + np.float32(rim) * edge


def _ribs(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    behind = np.linspace(0.005, 0.52 * np.pi, 22)
    ahead = np.linspace(0.50 * np.pi, 0.80 * np.pi, 16)
    posterior, anterior = [], []
    for side in subject.sides:
        for number in range(RIBS):
            wobble = 1 + rng.normal(0, 0.05)
            place = number + rng.normal(0, 0.05)
            swell = RIB_WIDTH * wobble * (0.78 + 0.22 * np.sin(behind))
            floating = number == RIBS - 1  # it does not reach round, and ends in a point
            visible = slice(0, 15 if floating else 22)
            swell = swell * np.linspace(1, 0.2, 22) ** (0.8 if floating else 0)
            posterior.append(band(rib_hoop(subject, side, place, behind[visible]), swell[visible]))
            if number < 8:
                flare = RIB_WIDTH * wobble * np.linspace(0.9, 1.12, len(ahead))
                anterior.append(band(rib_hoop(subject, side, place, ahead), flare))
    front = blurred(_shell(view, anterior, 0.6), 0.006 * view.unit_px)
    return _shell(view, posterior, 1.1) + 0.68 * front


def _shoulders(subject: Subject, view: View) -> Layer:
    """Clavicles, shoulder blades and the heads of the upper arms."""
    collar, blades, heads = [], [], []
    top = subject.shoulder
    for side in subject.sides:
        s, tilt = side.sign, np.array((subject.turn, 0))
        line = rounded([(0.075, side.apex + 0.25), (0.2, side.apex + 0.19), (0.4, side.apex + 0.12),
                        (0.6, top + 0.09), (0.84, top + 0.06)]) * (s, 1)  # fmt: skip
        swell = np.interp(np.linspace(0, 1, len(line)), [0, 0.3, 0.93, 1], [0.09, 0.052, 0.062, 0.02])
        collar.append(band(line + tilt, swell))
        inner = 0.60 * side.wall + 0.32 * subject.scapula * side.wall
        blade = [(inner, top + 0.14), (inner + 0.03, -0.35), (inner + 0.11, 0.0), (inner + 0.16, 0.02),
                 (inner + 0.24, -0.25), (0.98, top + 0.22), (0.8, top + 0.1)]  # fmt: skip
        blades.append(rounded(np.array(blade) * (s, 1), closed=True))
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        heads.append((s * 0.98, top + 0.2) + 0.11 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    shaft = np.array([(0.98, top + 0.2), (1.1, top + 0.5), (1.22, 0.2)])
    arms = [band(rounded(shaft * (sign, 1)), 0.13) for sign in (-1, 1)]
    bone = (
        1.35 * _shell(view, collar, 0.7)
        + 0.55 * _shell(view, blades, 1.2)
        + 1.3 * np.maximum(_shell(view, heads, 0.3), _shell(view, arms, 0.6))
    )
    return np.asarray(bone, np.float32)


def _spine(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """The column of vertebrae: plates brighter, discs darker, a spinous process in each."""
    pitch = subject.rib_pitch * 0.98
    plates, discs, spines = [], [], []
    lean = rng.normal(0, 0.008, 3)
    heights = np.arange(-1.1, 1.3, pitch) + rng.uniform(0, pitch)
    bend = np.interp(heights, [-1, 0, 1], lean)
    half = np.interp(heights, [-1, 1], [0.062, 0.088])
    corners = np.array([(-1, -0.36), (-0.86, 0.0), (-1, 0.36), (1, 0.36), (0.86, 0.0), (1, -0.36)])
    for v, u, w in zip(heights, bend, half, strict=True):
        plates.append(np.array([u, v]) + corners * (w, pitch))
        discs.append(np.array([u, v + pitch / 2]) + corners * (w * 0.9, pitch * 0.3))
        oval = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = np.stack([np.cos(oval), 1.5 * np.sin(oval)], axis=1)
        spines += [np.array([u + 0.0, v + 0.03]) + 0.017 * ring]
        spines += [np.array([u + s * 0.6 * w, v - 0.02]) + 0.016 * ring for s in (-1, 1)]
    column = _shell(view, plates, 1.2) + 0.62 * fill(view, discs) + 0.35 * _shell(view, spines, 1.0)
    return blurred(column, 0.007 * view.unit_px)


def build_bone(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """Thickness of bone along the ray, ``(size, size)``: about 1 for a rib, 2 where two cross."""
    bone = _ribs(subject, view, rng) + _shoulders(subject, view) + 1.05 * _spine(subject, view, rng)
    return np.asarray(bone * subject.rib_level, np.float32)
