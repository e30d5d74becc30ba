"""Branching trees that start at the hila: the vessels that make a lung look like a lung."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom.drawing import Layer, View, blurred, halved, strokes
from keras_sranogan.data.phantom.subject import Side, Subject

LEVELS = 6
STEPS = 6  # points of one branch
Branches = NDArray[np.float64]


def grow(
    rng: np.random.Generator, root: NDArray[np.float64], heading: NDArray[np.float64], length: float
) -> list[Branches]:
    """Grow a forking tree.

    Args:
        rng: the tree's own stream.
        root: ``(n, 2)`` where the stems start.
        heading: ``(n,)`` their directions, radians, 0 to the right and pi/2 downwards.
        length: of the stems; each level is shorter.

    Returns:
        One array of branches ``(count, STEPS, 2)`` a level, stems first.
    """
    levels = []
    for level in range(LEVELS):
        count = len(root)
        bend = rng.normal(0, 0.12, (count, STEPS - 1)).cumsum(axis=1)
        direction = heading[:, None] + bend
        reach = length * 0.8**level * rng.uniform(0.65, 1.25, (count, 1)) / (STEPS - 1)
        moves = reach[..., None] * np.stack([np.cos(direction), np.sin(direction)], axis=-1)
        branch = root[:, None] + np.concatenate([np.zeros((count, 1, 2)), moves.cumsum(axis=1)], axis=1)
        levels.append(branch)
        fork = rng.uniform(0.22, 0.55, (2, count)) * np.array([[1], [-1]])
        heading = (direction[:, -1] + fork).ravel()
        root = np.concatenate([branch[:, -1], branch[:, STEPS - 2]])
    return levels


def _stems(side: Side, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the great branches leave the hilum: fanned upwards, sideways and mostly downwards."""
    fan = np.deg2rad([-80, -60, -38, -14, 8, 26, 42, 56, 69, 82]) + rng.normal(0, 0.06, 10)
    heading = fan if side.sign > 0 else np.pi - fan
    start = np.array([side.sign * 0.15, side.hilum + 0.02])
    spread = np.stack([side.sign * 0.02 * np.cos(fan), 0.06 * np.sin(fan)], axis=1)
    return start + spread + rng.normal(0, 0.008, (10, 2)), heading


def _hilum(side: Side) -> Branches:
    """The descending pulmonary artery, a comma beside the heart, ``(1, n, 2)``."""
    comma = np.array([(0.11, -0.03), (0.15, 0.0), (0.185, 0.06), (0.205, 0.13), (0.22, 0.21)])
    return (comma * (side.sign, 1) + (0, side.hilum))[None]


def build_vessels(subject: Subject, view: View, rng: np.random.Generator) -> Layer:
    """Thickness of blood vessels along the ray, ``(size, size)``, 0 to about 1 at the hila."""
    canvas = np.zeros((2 * view.size, 2 * view.size), np.uint8)
    trees = []
    for side in subject.sides:
        root, heading = _stems(side, rng)
        trees.append(grow(rng, root, heading, 0.18))
    for level in reversed(range(LEVELS)):
        branches = np.concatenate([tree[level] for tree in trees])
        for start, share in ((STEPS // 2, 0.86), (0, 1.0)):
            width = 0.026 * 0.68**level * share
            piece = branches[:, start : start + STEPS // 2 + 1]
            strokes(view, piece, width, 0.62 * 0.76**level * share, canvas)
    for width, dense, stop in ((0.04, 0.6, 5), (0.056, 0.75, 4), (0.066, 0.9, 3)):
        for side in subject.sides:
            strokes(view, _hilum(side)[:, :stop], width, dense, canvas)
    tree = halved(canvas)
    hilar = blurred(tree, 0.045 * view.unit_px)  # what lies too close together to be told apart
    return (0.8 * blurred(tree, 0.004 * view.unit_px) + 0.45 * hilar) * np.float32(subject.vessel_level)
