"""Who is on the film: the numbers that make one person differ from the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_sranogan.data.phantom.drawing import View


@dataclass(frozen=True)
class Side:
    """One half of the chest. Lengths in body units."""

    sign: int  # +1 is the right of the picture, the patient's left
    wall: float  # lateral edge of the lung at its widest
    apex: float  # v of the top of the lung
    dome: float  # v of the top of the diaphragm
    angle: float  # v of the costophrenic angle
    hilum: float  # v of the hilum


@dataclass(frozen=True)
class Subject:
    """One person and one pose."""

    angle_deg: float
    scale: float
    shift: tuple[float, float]
    right: Side  # the patient's right, on the left of the picture
    left: Side
    bulk: float  # 0 slim to 1 heavy: soft tissue around the ribs
    heart: float  # width of the heart, 1 on average
    waist: float  # how full the left border of the heart is, 1 on average
    knob: float  # size of the aortic knob, 1 on average
    turn: float  # shift of the front of the chest against the spine
    shoulder: float  # v of the shoulders
    rib_tilt: float  # drop of a rib from back to front
    rib_pitch: float  # distance between two ribs at the back
    rib_level: float  # how dense bone is, 1 on average
    vessel_level: float
    breasts: float  # 0 for none
    bubble: bool  # gas in the stomach
    scapula: float  # how far the shoulder blades are rotated out of the lungs

    @property
    def sides(self) -> tuple[Side, Side]:
        """The patient's right, then left."""
        return self.right, self.left

    def view(self, size: int) -> View:
        """Where this person stands before a detector of ``size`` pixels a side."""
        return View.posed(size, self.angle_deg, self.scale, self.shift)


def _side(rng: np.random.Generator, sign: int, wall: float, apex: float, base: float) -> Side:
    dome = base + rng.normal(0.045 if sign > 0 else 0.0, 0.018)
    return Side(
        sign=sign,
        wall=wall * rng.normal(1, 0.018),
        apex=apex + rng.normal(0, 0.015),
        dome=dome,
        angle=dome + rng.uniform(0.17, 0.27),
        hilum=-0.08 - (0.05 if sign > 0 else 0.0) + rng.normal(0, 0.015),
    )


def sample_subject(rng: np.random.Generator) -> Subject:
    """Draw one person from the population of the phantom."""
    bulk = float(rng.beta(1.8, 2.2))
    wall = rng.uniform(0.66, 0.79)
    apex, base = rng.uniform(-0.80, -0.70), rng.uniform(0.36, 0.52)
    return Subject(
        angle_deg=float(np.clip(rng.normal(0, 1.8), -4, 4)),
        scale=rng.uniform(0.93, 1.1),
        shift=(rng.normal(0, 0.03), rng.normal(0.02, 0.035)),
        right=_side(rng, -1, wall, apex, base),
        left=_side(rng, 1, wall, apex, base),
        bulk=bulk,
        heart=float(np.clip(rng.normal(1, 0.09), 0.8, 1.2)),
        waist=float(np.clip(rng.normal(1, 0.4), 0.2, 1.9)),
        knob=rng.uniform(0.45, 1.15),
        turn=rng.normal(0, 0.018),
        shoulder=rng.uniform(-0.86, -0.7),
        rib_tilt=rng.uniform(0.40, 0.56),
        rib_pitch=rng.uniform(0.126, 0.146),
        rib_level=rng.uniform(0.7, 1.25),
        vessel_level=rng.uniform(0.75, 1.3),
        breasts=rng.uniform(0.3, 1.0) if rng.random() < 0.4 else 0.0,
        bubble=bool(rng.random() < 0.55),
        scapula=rng.uniform(0, 1),
    )
