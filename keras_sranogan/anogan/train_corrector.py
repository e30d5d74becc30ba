"""The learned search's training: R through K steps of the search, everything else frozen."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.anogan.augment import jitter
from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.loss import search_loss
from keras_sranogan.anogan.networks import GanParts
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.stage import Stage, draw_batch, step_seed, update


def corrector_stage(
    corrector: keras.Model, parts: GanParts, x_low: NDArray[np.float32], settings: TrainSettings
) -> Stage:
    """Return R's training on normals ``x_low`` ``(N, S, S, 1)``; G, f and E are frozen.

    The loss is the paper's search loss, a pixel, after each of the K steps; step k weighs k.
    """
    chosen, count = settings.corrector, len(x_low)
    data, weight = tf.constant(x_low), settings.search.feature_weight
    features = feature_extractor(parts.discriminator, settings.anogan.feature_block)
    rate = keras.optimizers.schedules.CosineDecay(chosen.learning_rate, chosen.steps)
    optimiser = keras.optimizers.Adam(rate)
    optimiser.build(corrector.trainable_variables)
    trunk, to_step = corrector.get_layer("trunk"), corrector.get_layer("step")
    share = 2.0 / (chosen.search_steps * (chosen.search_steps + 1))
    pixels = x_low.shape[1] * x_low.shape[2]

    def pixel_loss(x: tf.Tensor, generated: tf.Tensor, f_x: tf.Tensor) -> tf.Tensor:
        f_generated = features(generated, training=False)
        return tf.reduce_mean(search_loss(x, generated, f_x, f_generated, weight)) / pixels

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> dict[str, tf.Tensor]:
        seeds = tf.unstack(tf.random.split(step_seed(settings.seed, "corrector", number), 2))
        x = jitter(tf.gather(data, draw_batch(count, chosen.batch, seeds[0])), seeds[1])
        f_x = features(x, training=False)
        z = parts.encoder(x, training=False)
        generated = parts.averaged(z, training=False)
        start, total = pixel_loss(x, generated, f_x), tf.constant(0.0)
        with tf.GradientTape() as tape:
            t_x = trunk(x, training=True)
            for k in range(1, chosen.search_steps + 1):
                z += to_step(t_x - trunk(generated, training=True))
                generated = parts.averaged(z, training=False)
                loss = pixel_loss(x, generated, f_x)
                total += share * k * loss
        update(optimiser, tape, total, corrector)
        return {"start": start, "end": loss}

    return Stage("corrector", chosen.steps, step, {"corrector": corrector, "optimiser": optimiser})
