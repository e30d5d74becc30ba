from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sranogan.anogan.loss import (
    discriminator_loss,
    encoder_loss,
    generator_loss,
    gradient_penalty,
    search_loss,
)

RNG = np.random.default_rng(0)
X, MADE = RNG.random((2, 3, 8, 8, 1), np.float32)
F_X, F_MADE = RNG.normal(size=(2, 3, 4, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_search_loss_is_the_papers(weight: float) -> None:
    """One value an image: (1 - lambda) * sum|x - G(z)| + lambda * sum|f(x) - f(G(z))|."""
    expected = [
        (1 - weight) * np.abs(X[i] - MADE[i]).sum() + weight * np.abs(F_X[i] - F_MADE[i]).sum()
        for i in range(3)
    ]
    np.testing.assert_allclose(search_loss(X, MADE, F_X, F_MADE, weight), expected, rtol=1e-5)


def test_encoder_loss_is_izi_f() -> None:
    """The mean squared error of images, and kappa times that of features."""
    expected = ((X - MADE) ** 2).mean() + 0.7 * ((F_X - F_MADE) ** 2).mean()
    np.testing.assert_allclose(encoder_loss(X, MADE, F_X, F_MADE, 0.7), expected, rtol=1e-5)


def test_gradient_penalty_of_a_linear_discriminator() -> None:
    """For D(x) = w x the gradient is w at every image, so the penalty is |w|^2."""
    linear = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    weights = linear.get_weights()[0]
    np.testing.assert_allclose(gradient_penalty(linear, tf.constant(X)), (weights**2).sum(), rtol=1e-5)


def test_adversarial_losses() -> None:
    """An undecided D costs 2 log 2, a right one nothing; fooling D costs the generator nothing."""
    undecided, sure = tf.zeros((4, 1)), tf.fill((4, 1), 30.0)
    np.testing.assert_allclose(discriminator_loss(undecided, undecided), 2 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(discriminator_loss(sure, -sure), 0, atol=1e-6)
    np.testing.assert_allclose(generator_loss(sure), 0, atol=1e-6)
    np.testing.assert_allclose(generator_loss(-sure), 30, rtol=1e-6)
