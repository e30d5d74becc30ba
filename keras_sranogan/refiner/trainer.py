"""Stage 2's training: make c(g(x)) as near to the normal image as two layers can."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.settings import TrainSettings
from keras_sranogan.training import Stage, draw_batch, step_seed, update


def refiner_stage(
    refiner: keras.Model, generated: NDArray[np.float32], x_low: NDArray[np.float32], settings: TrainSettings
) -> Stage:
    """Return the training of c on pairs (g(x), x at low resolution), both ``(N, S, S, 1)`` in [0, 1].

    The loss is the mean absolute error, the same distance that the search minimises.
    """
    inputs, targets = tf.constant(generated), tf.constant(x_low)
    rate = keras.optimizers.schedules.CosineDecay(settings.refiner.learning_rate, settings.refiner.steps)
    optimiser = keras.optimizers.Adam(rate)
    optimiser.build(refiner.trainable_variables)

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = draw_batch(len(generated), settings.refiner.batch, step_seed(settings.seed, "refiner", number))
        with tf.GradientTape() as tape:
            refined = refiner(tf.gather(inputs, rows), training=True)
            loss = tf.reduce_mean(tf.abs(tf.gather(targets, rows) - refined))
        update(optimiser, tape, loss, refiner)
        return {"l1": loss}

    return Stage("refiner", settings.refiner.steps, step, {"refiner": refiner, "optimiser": optimiser})
