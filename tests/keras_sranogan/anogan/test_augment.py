from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from keras_sranogan.anogan.augment import BRIGHTNESS, CONTRAST, augment, jitter

IMAGES = tf.constant(np.random.default_rng(0).random((4, 32, 32, 1), np.float32))
SEED, OTHER = tf.constant((1, 2), tf.int64), tf.constant((1, 3), tf.int64)
Distortion = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@pytest.mark.parametrize("distort", [augment, jitter])
def test_is_a_function_of_the_seed(distort: Distortion) -> None:
    """The shape stays, the same seed gives the same images, another one gives others."""
    found = np.asarray(distort(IMAGES, SEED))
    assert found.shape == IMAGES.shape
    np.testing.assert_array_equal(found, distort(IMAGES, SEED))
    assert np.abs(found - distort(IMAGES, OTHER)).max() > 0.01


@pytest.mark.parametrize("distort", [augment, jitter])
def test_every_image_is_distorted_in_its_own_way(distort: Distortion) -> None:
    """Four times the same image gives four different ones."""
    found = np.asarray(distort(tf.repeat(IMAGES[:1], 4, axis=0), SEED))
    for i in range(3):
        assert np.abs(found[i] - found[i + 1]).max() > 0.01


def test_ranges() -> None:
    """The pose jitter stays in [0, 1]; brightness and contrast leave it by no more than their limits."""
    extremes = tf.cast(IMAGES > 0.5, tf.float32)
    for step in range(20):
        seed = tf.constant((0, step), tf.int64)
        posed, seen = np.asarray(jitter(extremes, seed)), np.asarray(augment(extremes, seed))
        assert posed.min() >= 0
        assert posed.max() <= 1
        reach = BRIGHTNESS + (CONTRAST[1] - 1) * (1 + BRIGHTNESS)
        assert seen.min() >= -reach
        assert seen.max() <= 1 + reach


def test_jitter_keeps_the_picture() -> None:
    """A jittered smooth picture is still that picture: it moves by a few per cent of its side at most."""
    ramp = np.linspace(0, 1, 32, dtype=np.float32)
    picture = tf.constant(np.tile(ramp, (4, 32, 1))[..., None])
    assert np.abs(np.asarray(jitter(picture, SEED)) - picture).max() < 0.25
