"""What colour is for: a green patch on an orange plate, as bright as the plate."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.detector.reconstruct import head_answers, seen_features
from keras_sranogan.head.settle import settle
from keras_sranogan.head.start import new_heads
from keras_sranogan.head.train import head_stage
from keras_sranogan.presets import preset
from keras_sranogan.settings import DetectorSettings, HeadSettings
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.scoring.heat import HEAT_SHAPE
from tests.support.plates import plate

PATCHED, NORMALS = range(2000, 2005), range(3000, 3020)
FIT, HELD_OUT = range(40), range(1000, 1040)


def flagged(colour: bool) -> tuple[int, int]:
    """Train a small head on plates, briefly; return how many patched ones and how many normals it flags."""
    spec = PreprocessSpec(size=32, contrast="none", colour=colour)
    own = HeadSettings(steps=16, pairs=8, width=8, sees="image")
    settings = replace(preset("standard"), precision="float32", preprocess=spec, head=own)
    fit = np.stack([preprocess(plate(number), spec) for number in FIT])
    keras.utils.set_random_seed(5)
    head, averaged = new_heads(settings.head_side, own, "float32", spec.channels)
    stage = head_stage(head, averaged, fit, settings)
    for number in range(stage.steps):
        stage.step(number)
    settle(averaged, fit, settings)
    rng, held_out = np.random.default_rng(0), [plate(number) for number in HELD_OUT]
    frames = [*held_out, *(jitter_frame(frame, rng) for frame in held_out)]
    measured = head_answers(averaged, np.stack([preprocess(frame, spec) for frame in frames])).measured
    count = len(held_out)
    density, calibration = fit_detector(
        measured,
        rng.random((2 * count, *HEAT_SHAPE), np.float32),
        np.tile(np.arange(count), 2),
        np.arange(2 * count) < count,
        DetectorSettings(parts=("head", "map"), folds=5),
        0,
        seen_features(averaged, fit),
    )

    def above(numbers: range, patched: bool) -> int:
        x = np.stack([preprocess(plate(number, patched=patched), spec) for number in numbers])
        rows = head_answers(averaged, x).measured
        scores = [density.score({name: one[i] for name, one in rows.items()}) for i in range(len(x))]
        return int((np.array(scores) > calibration.threshold).sum())

    return above(PATCHED, True), above(NORMALS, False)


def test_patches_are_as_bright_as_the_plates() -> None:
    """Nothing but the hue tells them: the luminance of a patched plate is that of the plate without it."""
    spec = PreprocessSpec(size=64, contrast="none", colour=True)
    for number in PATCHED:
        with_patch, without = (preprocess(plate(number, patched=one), spec) for one in (True, False))
        assert np.abs(with_patch - without)[..., 0].max() < 0.01
        assert np.abs(with_patch - without)[..., 1].max() > 0.2


@pytest.mark.parametrize(
    ("colour", "least", "most"), [(True, 5, 5), pytest.param(False, 0, 1, marks=pytest.mark.slow)]
)
def test_a_patch_of_another_hue_is_found_in_colour_alone(colour: bool, least: int, most: int) -> None:
    """At 5 % false alarms, by head and densities: 5 of 5 in colour, and of a grey head what chance gives."""
    found, alarms = flagged(colour)
    assert least <= found <= most
    assert alarms <= 4
