"""An encoder that is taught to look past anomalies."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_sranogan.anogan.networks import build_gan
from keras_sranogan.anogan.train_gan import _harmed, encoder_stage, gan_stage
from keras_sranogan.backend import random
from keras_sranogan.presets import preset
from keras_sranogan.settings import TrainSettings


def _settings(*, restores: bool) -> TrainSettings:
    chosen = preset("demo", size=64)
    small = replace(chosen.anogan, base_width=8, max_width=16, latent_dim=8, batch=4, restores=restores)
    return replace(chosen, anogan=small)


@pytest.fixture(scope="module")
def x_low() -> np.ndarray:
    """Six images with a body in them."""
    rows, columns = np.mgrid[-1:1:32j, -1:1:32j]
    body = 0.6 * np.exp(-(rows**2 + columns**2))[None, ..., None]
    return (body + np.random.default_rng(0).random((6, 32, 32, 1)) * 0.2).astype(np.float32)


def test_every_other_image_is_harmed(x_low: np.ndarray) -> None:
    """The others are shown as they are, so that E rebuilds normals as well as before."""
    found = np.asarray(_harmed(keras.ops.convert_to_tensor(x_low), random.seed(3, 0)))
    changed = np.abs(found - x_low).max(axis=(1, 2, 3)) > 0.01
    assert not changed[::2].any()
    assert changed[1::2].all()


@pytest.mark.parametrize("stage", ["gan", "encoder"])
def test_it_is_another_training(x_low: np.ndarray, stage: str) -> None:
    """From the same weights and the same draws, E's first step is another one where it restores."""
    moved = []
    for restores in (False, True, True):
        settings = _settings(restores=restores)
        keras.utils.set_random_seed(0)
        parts = build_gan(settings)
        made = (
            gan_stage(parts, x_low, settings)
            if stage == "gan"
            else encoder_stage(parts.encoder, parts, x_low, settings)
        )
        made.step(0)
        moved.append(np.concatenate([weights.ravel() for weights in parts.encoder.get_weights()]))
    assert not np.array_equal(moved[0], moved[1])
    np.testing.assert_array_equal(moved[1], moved[2])
