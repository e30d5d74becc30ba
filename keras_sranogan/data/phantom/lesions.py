"""What can be wrong with a chest: each lesion changes the layers, and physics does the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom.anatomy import SoftTissue, diaphragm
from keras_sranogan.data.phantom.devices import place_device
from keras_sranogan.data.phantom.drawing import Layer, View, blurred, clouds, halved, step, strokes
from keras_sranogan.data.phantom.subject import Side, Subject
from keras_sranogan.data.phantom.vessels import grow


@dataclass(frozen=True, eq=False)
class Chest:
    """All layers of one chest, as thicknesses along the ray, each ``(size, size)`` float32."""

    subject: Subject
    view: View
    soft: SoftTissue
    bone: Layer
    vessels: Layer
    added: Layer  # attenuation that is not anatomy: fluid, metal


def _pick_side(chest: Chest, rng: np.random.Generator) -> tuple[Side, Layer]:
    which = int(rng.integers(2))
    return chest.subject.sides[which], chest.soft.lungs[which]


def _spot(chest: Chest, lung: Layer, rng: np.random.Generator, rim: float) -> tuple[float, float]:
    """A point of one lung, in body units, where there is at least ``rim`` of the greatest depth."""
    open_air = chest.soft.air * lung
    rows, columns = np.nonzero(open_air[::2, ::2] > rim * open_air.max())
    at = int(rng.integers(len(rows)))
    u, v = chest.view.grid()
    row, column = 2 * rows[at], 2 * columns[at]
    return float(u[row, column]), float(v[row, column])


def _replace_air(chest: Chest, share: Layer) -> Chest:
    """``chest`` with this share of the lung's air, 0 to 1, replaced by water."""
    return replace(chest, soft=replace(chest.soft, air=chest.soft.air * (1 - share)))


def consolidation(chest: Chest, rng: np.random.Generator) -> Chest:
    """Fluffy opacity in one lung, with bronchi left open in the denser ones."""
    _, lung = _pick_side(chest, rng)
    u, v = chest.view.grid()
    strength = rng.uniform(0.3, 0.8)
    share = np.zeros_like(u)
    centre = np.array(_spot(chest, lung, rng, 0.35))
    ragged = clouds(rng, chest.view.size, 9) + 0.6 * clouds(rng, chest.view.size, 22)
    for _ in range(int(rng.integers(2, 5))):
        at, reach = centre + rng.normal(0, 0.07, 2), rng.uniform(0.07, 0.23)
        distance = np.hypot((u - at[0]) / rng.uniform(0.8, 1.2), v - at[1]) / np.float32(reach)
        share = np.maximum(share, step(1 - distance + np.float32(0.28) * ragged, 0.75))
    if strength > 0.5:
        share = share * (1 - 0.6 * _bronchogram(chest, centre, rng))
    return _replace_air(chest, np.float32(strength) * share * blurred(lung, 0.006 * chest.view.unit_px))


def _bronchogram(chest: Chest, centre: NDArray[np.float64], rng: np.random.Generator) -> Layer:
    """Open bronchi in a filled lobe: dark branches away from the hilum, 0 to 1."""
    hilum = np.array([np.sign(centre[0]) * 0.14, -0.06])
    away = centre - hilum
    start = centre - 0.12 * away / (np.linalg.norm(away) + 1e-6)
    heading = np.arctan2(away[1], away[0]) + rng.normal(0, 0.2, 3)
    canvas = np.zeros((2 * chest.view.size,) * 2, np.uint8)
    for level, branches in enumerate(grow(rng, np.tile(start, (3, 1)), heading, 0.1)[:3]):
        strokes(chest.view, branches, 0.014 * 0.75**level, 0.8 - 0.2 * level, canvas)
    return halved(canvas)


def interstitial(chest: Chest, rng: np.random.Generator) -> Chest:
    """A net of fine lines and a haze in both lungs, densest at the bases or around the hila."""
    size, view = chest.view.size, chest.view
    u, v = view.grid()
    net = np.zeros_like(u)
    for cells in (22, 34, 52):
        net += np.clip(1 - np.abs(clouds(rng, size, cells)) / np.float32(0.28), 0, 1)
    basal = step(v - np.float32(rng.uniform(-0.4, 0.2)), 0.5)
    central = np.exp(-((np.abs(u) - 0.2) ** 2 + (v + 0.05) ** 2) / np.float32(0.14))
    where = basal if rng.random() < 0.6 else 0.25 + 0.75 * central
    strength = rng.uniform(0.5, 1.15)
    lungs = blurred(chest.soft.lungs[0] + chest.soft.lungs[1], 0.006 * view.unit_px)
    return _replace_air(chest, np.clip(strength * where * lungs * (0.17 * net + 0.10), 0, 0.8))


def effusion(chest: Chest, rng: np.random.Generator) -> Chest:
    """Fluid at one base: it blunts the costophrenic angle and climbs the wall as a meniscus."""
    side, lung = _pick_side(chest, rng)
    u, v = chest.view.grid()
    fullness = rng.beta(1.2, 1.6)
    level = side.angle - 0.13 - fullness * 0.5
    lateral = u * side.sign / side.wall
    climb = (0.08 + 0.26 * fullness) * np.clip((lateral - 0.45) / 0.55, 0, 1.1) ** 1.8
    hug = (0.02 + 0.04 * fullness) * np.clip((0.42 - lateral) / 0.35, 0, 1) ** 2
    surface = np.maximum(level, side.dome - 0.75) - climb - hug
    fluid = step(v - surface.astype(np.float32), 0.035 + 0.03 * fullness) * (lateral > 0)
    under = step(v - diaphragm(side, u), 0.01)
    share = fluid * np.maximum(lung, under) * np.float32(rng.uniform(0.8, 0.95))
    return _replace_air(chest, share)


def nodule(chest: Chest, rng: np.random.Generator) -> Chest:
    """One round opacity, 1 to 4 % of the width in radius."""
    _, lung = _pick_side(chest, rng)
    at_u, at_v = _spot(chest, lung, rng, 0.3)
    u, v = chest.view.grid()
    radius = 2 * rng.uniform(0.014, 0.04) / chest.subject.scale
    angle = np.arctan2(v - at_v, u - at_u)
    lobes = 1 + 0.07 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.05 * np.sin(5 * angle + rng.uniform(0, 6))
    distance = np.hypot(u - at_u, v - at_v) / (radius * lobes)
    chord = np.sqrt(np.clip(1 - distance**2, 0, 1))
    dense = rng.uniform(0.26, 0.6) * (0.6 + 0.4 * radius / 0.08)
    ball = blurred(chord.astype(np.float32), 0.005 * chest.view.unit_px)
    return replace(chest, added=chest.added + np.float32(dense) * ball * lung)


def pneumothorax(chest: Chest, rng: np.random.Generator) -> Chest:
    """Air outside one lung: a dark band without vessels, bounded by the thin line of the pleura."""
    side, lung = _pick_side(chest, rng)
    u, v = chest.view.grid()
    gap, deep = rng.uniform(0.08, 0.26), rng.uniform(0.10, 0.2)
    # The collapsed lung is the lung's own outline drawn together towards a point at the hilum.
    pin_u, pin_v = 0.2, 0.25
    apical = np.clip((0.45 - v) / (0.45 - side.apex), 0, 1)
    widen = 1 + (0.35 + 0.65 * apical) * gap / (side.wall - pin_u)
    lengthen = np.where(v < pin_v, 1 + 1.1 * gap / (pin_v - side.apex), 1)
    out = u * side.sign
    there_u = side.sign * np.where(out > pin_u, pin_u + (out - pin_u) * widen, out)
    there = np.stack([there_u, pin_v + (v - pin_v) * lengthen], axis=-1)
    inner = blurred(_sample(lung, chest.view.to_pixels(there)), 0.004 * chest.view.unit_px) * lung
    bare = np.clip(lung - inner, 0, 1) * (out > 0.02)
    pleura = np.clip(4 * inner * (1 - inner), 0, 1) * lung * blurred(bare, 0.01 * chest.view.unit_px)
    more = np.float32(deep) * bare * chest.soft.open_lung
    return replace(
        chest,
        soft=replace(chest.soft, air=chest.soft.air * (1 - 0.03 * inner) + more),
        vessels=chest.vessels * (1 - bare),
        added=chest.added + np.float32(0.3) * pleura,
    )


def _sample(layer: Layer, pixels: NDArray[np.float64]) -> Layer:
    at = pixels.astype(np.float32)
    return np.asarray(cv2.remap(layer, at[..., 0], at[..., 1], cv2.INTER_LINEAR), np.float32)


def device(chest: Chest, rng: np.random.Generator) -> Chest:
    """Something made by people: a pacemaker, a catheter, a tube or electrodes with wires."""
    return replace(chest, added=chest.added + place_device(chest.subject, chest.view, rng))


LESION_MAKERS: dict[str, Callable[[Chest, np.random.Generator], Chest]] = {
    "consolidation": consolidation,
    "interstitial": interstitial,
    "effusion": effusion,
    "nodule": nodule,
    "pneumothorax": pneumothorax,
    "device": device,
}
