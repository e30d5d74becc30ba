"""The chest film: one subject, one exposure, and perhaps one lesion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom.anatomy import build_soft_tissue
from keras_sranogan.data.phantom.drawing import Layer, blurred, clouds, stream
from keras_sranogan.data.phantom.film import (
    Technique,
    automatic_window,
    develop,
    expose,
    film_area,
    finish,
    grain,
    sample_technique,
)
from keras_sranogan.data.phantom.image import PhantomImage
from keras_sranogan.data.phantom.lesions import LESION_MAKERS, Chest
from keras_sranogan.data.phantom.skeleton import build_bone
from keras_sranogan.data.phantom.subject import sample_subject
from keras_sranogan.data.phantom.vessels import build_vessels
from sranogan_edge.errors import SettingsError

LESIONS = tuple(LESION_MAKERS)
VISIBLE = 0.025  # change of brightness that counts as seen, of 0..1

# One stream for each purpose, so that a lesion does not stir the anatomy beneath it.
SUBJECT, TISSUE, BONE, VESSELS, TECHNIQUE, GRAIN, LESION = range(7)

# Attenuation of a whole chest of each stuff (dimensionless, mu times thickness).
TISSUE_MU = 3.1
AIR_MU = 2.05
GAS_MU = 2.2
RIB_MU = 0.205
VESSEL_MU = 0.72


def attenuation(chest: Chest) -> Layer:
    """The line integral through every layer, ``(size, size)``, 0 in free air."""
    soft = chest.soft
    lung = np.minimum(soft.air * np.float32(2.5), 1)
    solid = TISSUE_MU * soft.tissue - AIR_MU * soft.air - GAS_MU * soft.gas * soft.body
    total = solid + (RIB_MU * chest.bone + chest.added) * soft.body + VESSEL_MU * chest.vessels * lung
    return np.asarray(np.maximum(total, 0), np.float32)


def build_chest(seed: int, index: int, size: int) -> Chest:
    """The healthy chest of subject ``index``."""
    subject = sample_subject(stream(seed, index, SUBJECT))
    view = subject.view(size)
    soft = build_soft_tissue(subject, view, stream(seed, index, TISSUE))
    rng = stream(seed, index, VESSELS)
    vessels = build_vessels(subject, view, rng)
    mottle = 1 + 0.03 * clouds(rng, size, 14) + 0.02 * clouds(rng, size, 34) + 0.015 * clouds(rng, size, 64)
    return Chest(
        subject=subject,
        view=view,
        soft=replace(soft, air=soft.air * mottle),
        bone=build_bone(subject, view, stream(seed, index, BONE)),
        vessels=vessels,
        added=np.zeros_like(vessels),
    )


@dataclass(frozen=True, eq=False)
class _Darkroom:
    """One exposure of one subject: everything that a lesion leaves as it is."""

    technique: Technique
    window: tuple[float, float]
    healthy: Layer  # the detector's reading without a lesion

    def print(self, seed: int, index: int, reading: Layer, shown: Layer) -> NDArray[np.uint8]:
        noise = grain(reading, self.technique, stream(seed, index, GRAIN))
        return finish(shown + noise, self.technique)


def _darkroom(chest: Chest, seed: int, index: int) -> _Darkroom:
    technique = sample_technique(stream(seed, index, TECHNIQUE))
    reading = expose(attenuation(chest), technique)
    return _Darkroom(technique, automatic_window(reading, chest.soft.body), reading)


def render_normal(seed: int, index: int, size: int = 256) -> PhantomImage:
    """A healthy chest film.

    Args:
        seed: of the data set, 0 or more.
        index: of the subject, 0 or more; another index is another person.
        size: side in pixels. The anatomy does not depend on it.

    Returns:
        ``pixels`` ``(size, size)`` uint8, ``mask`` all False, ``lesion`` None.
    """
    chest = build_chest(seed, index, size)
    room = _darkroom(chest, seed, index)
    shown = develop(room.healthy, room.window, room.technique)
    return PhantomImage(room.print(seed, index, room.healthy, shown), np.zeros((size, size), np.bool_))


def render_abnormal(seed: int, index: int, lesion: str, size: int = 256) -> PhantomImage:
    """A chest film of the same person and exposure as :func:`render_normal`, with one lesion.

    Args:
        seed: of the data set, 0 or more.
        index: of the subject; ``render_normal(seed, index, size)`` is the healthy twin.
        lesion: one of :data:`LESIONS`.
        size: side in pixels.

    Returns:
        ``pixels`` ``(size, size)`` uint8, ``mask`` True where the lesion changed the film by more
        than ``VISIBLE`` of its brightness range, and the lesion's name.

    Raises:
        SettingsError: there is no such lesion.
    """
    if lesion not in LESION_MAKERS:
        raise SettingsError(f"No lesion {lesion!r}; choose one of {', '.join(LESIONS)}.")
    chest = build_chest(seed, index, size)
    room = _darkroom(chest, seed, index)
    ill = LESION_MAKERS[lesion](chest, stream(seed, index, LESION, LESIONS.index(lesion)))
    reading = expose(attenuation(ill), room.technique)
    before = develop(room.healthy, room.window, room.technique)
    after = develop(reading, room.window, room.technique)
    mask = visible_change(before, after, chest.soft.body) & film_area(room.technique, size)
    return PhantomImage(room.print(seed, index, reading, after), mask, lesion)


def visible_change(before: Layer, after: Layer, body: Layer) -> NDArray[np.bool_]:
    """Where two noiseless films differ visibly, inside the body, without specks: ``(size, size)``."""
    pixel = before.shape[0] / 256
    change = blurred(np.abs(after - before), 1.3 * pixel)
    seen = (change > VISIBLE).astype(np.uint8)
    close = 1 + 2 * round(2 * pixel)
    whole = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((close, close), np.uint8))
    return np.asarray((whole > 0) & (body > 0.5))
