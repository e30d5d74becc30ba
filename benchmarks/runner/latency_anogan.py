"""Plain AnoGAN of a run's own networks in Keras, batch 1, from a random z: two ways to write its search.

``compiled`` is the whole loop as one TensorFlow graph, the fastest that we could make it. ``fit`` is how
AnoGAN is usually written in Keras: z is the one weight of a model whose targets are x and f(x), and
``fit`` takes an epoch a step. It is built and traced once for all images, which such code seldom does.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.evaluation.scorers import ANOGAN_LEARNING_RATE
from keras_sranogan.run import Run
from keras_sranogan.settings import SearchSettings
from sranogan_edge.image.preprocess import downscale, enhance

Images = NDArray[np.float32]
Score = Callable[[Images], float]


class Latent(keras.layers.Layer):
    """z as a weight, ``(1, latent_dim)``, whatever goes in."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.z = self.add_weight(shape=(1, latent_dim), initializer="random_normal", name="z")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return z, a trainable weight, whatever the input is."""
        return self.z + 0.0 * inputs


class FitSearch:
    """The search by ``Model.fit``; called with x ``(1, S, S, 1)`` it returns the paper's loss."""

    def __init__(self, run: Run, settings: SearchSettings) -> None:
        networks, self.steps = run.networks(), settings.steps
        self.latent = Latent(int(networks.generator.input_shape[1]))
        self.features, given = networks.features, keras.Input((1,))
        generated = networks.generator(self.latent(given))
        self.model = keras.Model(given, [generated, self.features(generated)])
        weight = settings.feature_weight
        losses, weights = [_absolute, _absolute], [1.0 - weight, weight]
        self.optimiser = keras.optimizers.Adam(settings.learning_rate)
        self.model.compile(optimizer=self.optimiser, loss=losses, loss_weights=weights)

    def __call__(self, x: Images) -> float:
        """Start anew from a random z, take the steps."""
        self.latent.z.assign(np.random.default_rng(0).normal(size=self.latent.z.shape))
        for variable in self.optimiser.variables[2:]:  # all but the count of steps and the learning rate
            variable.assign(np.zeros(variable.shape))
        targets = [x, self.features(x, training=False).numpy()]
        kept = self.model.fit(np.zeros((1, 1)), targets, batch_size=1, epochs=self.steps, verbose=0)
        return float(kept.history["loss"][-1])


def _absolute(target: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    return keras.ops.sum(keras.ops.abs(target - found))


def plain_anogan(run: Run, steps: int) -> dict[str, Score]:
    """Return both ways; each takes an image ``(S, S, 1)`` as the device's path does."""
    settings = run.settings
    chosen = SearchSettings(
        steps=steps,
        start="random",
        learning_rate=ANOGAN_LEARNING_RATE,
        feature_weight=settings.search.feature_weight,
    )
    networks = run.networks()
    search = LatentSearch(networks.generator, networks.features, networks.encoder, chosen)
    fit = FitSearch(run, chosen)

    def low(plain: Images) -> Images:
        return downscale(enhance(plain, settings.preprocess), settings.search_size)[None]

    return {
        "compiled": lambda plain: float(search(low(plain), batch=1).loss[0]),
        "fit": lambda x: fit(low(x)),
    }
