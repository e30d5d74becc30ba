"""Batch normalisation of averaged weights: stale as it was averaged, right when it is taken again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.anogan.networks import GanParts, build_gan
from keras_sranogan.anogan.train_gan import gan_stage, settle_average
from keras_sranogan.head.network import build_head, head_inputs
from keras_sranogan.head.settle import settle
from keras_sranogan.settings import AnoganSettings, HeadSettings, TrainSettings
from keras_sranogan.training.batch_norm import recompute
from sranogan_edge.image.preprocess import PreprocessSpec

Array = NDArray[np.float32]
ANOGAN = AnoganSettings(
    latent_dim=8, base_width=4, max_width=16, batch=16, ema_decay=0.97, learning_rate=2e-3
)
HEAD = HeadSettings(width=8, pairs=8)
SETTINGS = TrainSettings(
    seed=2, precision="float32", preprocess=PreprocessSpec(size=32), anogan=ANOGAN, head=HEAD
)
STEPS = 40


def normals(side: int) -> Array:
    """``(32, side, side, 1)``: a blob, of a place and a brightness of its own."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:side, 0:side] / side
    centres, heights = rng.uniform(0.3, 0.7, (2, 32, 1, 1)), rng.uniform(0.4, 0.9, (32, 1, 1))
    blobs = heights * np.exp(-((rows - centres[0]) ** 2 + (columns - centres[1]) ** 2) / 0.05)
    return blobs[..., None].astype(np.float32)


class Spreads(NamedTuple):
    """Of 1,024 prior samples, per pixel: by the moving statistics, and as in training."""

    moving: float
    batch: float


def spreads(generator: keras.Model) -> Spreads:
    """Measure a generator, and leave it as it was."""
    z = np.random.default_rng(1).normal(size=(1024, ANOGAN.latent_dim)).astype(np.float32)
    weights = generator.get_weights()
    found = [np.asarray(generator(z, training=training)).std(axis=0).mean() for training in (False, True)]
    generator.set_weights(weights)
    return Spreads(*map(float, found))


@pytest.fixture
def parts(trained: GanParts) -> Iterator[GanParts]:
    """Give it as it was trained, whatever another test did to its average."""
    weights = trained.averaged.get_weights()
    yield trained
    trained.averaged.set_weights(weights)


@pytest.fixture(scope="module")
def trained() -> GanParts:
    """A GAN of a few steps, in which G moves fast and its average lags behind."""
    keras.utils.set_random_seed(5)
    made = build_gan(SETTINGS)
    stage = gan_stage(made, normals(SETTINGS.search_size), SETTINGS)
    for number in range(STEPS):
        stage.step(number)
    return made


def test_prior_samples_have_the_spread_that_the_weights_give(parts: GanParts) -> None:
    """As averaged, prior samples differ from those of training; taken again, they are the same."""
    stale = spreads(parts.averaged)
    settle_average(parts.averaged, SETTINGS)
    settled = spreads(parts.averaged)
    assert settled.batch == pytest.approx(stale.batch, rel=1e-5)  # the weights are the same
    assert abs(stale.moving / stale.batch - 1) > 0.05
    assert settled.moving == pytest.approx(settled.batch, rel=0.01)


def test_weights_that_turned_on_the_way() -> None:
    """The average of two generators has its own spread, and not that of their average statistics."""
    each = []
    for seed in (8, 9):
        keras.utils.set_random_seed(seed)
        made = build_gan(SETTINGS)
        settle_average(made.averaged, SETTINGS)
        each.append(made.averaged.get_weights())
    made.averaged.set_weights([(one + other) / 2 for one, other in zip(*each, strict=True)])
    stale = spreads(made.averaged)
    settle_average(made.averaged, SETTINGS)
    settled = spreads(made.averaged)
    assert stale.moving < 0.7 * stale.batch
    assert settled.moving == pytest.approx(settled.batch, rel=0.01)


def test_what_was_there_before_leaves_no_trace(parts: GanParts) -> None:
    """Killed and resumed after the last step, whatever was recomputed: the same to the bit."""
    found = []
    for value in (0.1, 7.0):
        for norm in parts.averaged.layers:
            if isinstance(norm, keras.layers.BatchNormalization):
                norm.moving_mean.assign(tf.fill(norm.moving_mean.shape, value))
                norm.moving_variance.assign(tf.fill(norm.moving_variance.shape, value))
        settle_average(parts.averaged, SETTINGS)
        found.append(parts.averaged.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_stay_and_so_does_the_momentum(parts: GanParts) -> None:
    """Only means and variances are set; a network can be trained on as before."""
    trained = [one.numpy() for one in parts.averaged.trainable_variables]
    momenta = [one.momentum for one in parts.averaged.layers if hasattr(one, "momentum")]
    settle_average(parts.averaged, replace(SETTINGS, seed=3))
    for one, other in zip(trained, parts.averaged.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other.numpy())
    assert [one.momentum for one in parts.averaged.layers if hasattr(one, "momentum")] == momenta


def test_statistics_are_the_mean_over_the_batches() -> None:
    """Of two batches, means and variances are the mean of both, as NumPy has them."""
    x = keras.Input((3,))
    network = keras.Model(x, keras.layers.BatchNormalization()(x))
    batches = np.random.default_rng(7).normal(2, 3, (2, 50, 3)).astype(np.float32)
    recompute(network, map(tf.constant, batches))
    mean, variance = network.layers[1].moving_mean, network.layers[1].moving_variance
    np.testing.assert_allclose(mean, batches.mean(axis=(0, 1)), rtol=1e-4)
    np.testing.assert_allclose(variance, batches.var(axis=1).mean(axis=0), rtol=1e-4)


@pytest.mark.slow
def test_the_head_is_settled_too() -> None:
    """With means and variances of another network, the head's features are off; taken again, they are not."""
    keras.utils.set_random_seed(6)
    images, head = normals(16), build_head(16, HEAD)
    seen = head_inputs(tf.constant(images))
    settle(head, images, SETTINGS)
    first = head(seen, training=False)["features"].numpy()
    for norm in head.layers:
        if isinstance(norm, keras.layers.BatchNormalization):
            norm.moving_mean.assign(norm.moving_mean + 1)
    assert np.abs(head(seen, training=False)["features"].numpy() - first).max() > 0.1
    settle(head, images, SETTINGS)
    np.testing.assert_array_equal(head(seen, training=False)["features"].numpy(), first)
