"""The learned search's training: R through K steps of the search, everything else frozen."""

from __future__ import annotations

import keras
from keras import ops

from keras_sranogan.anogan.augment import jitter
from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.loss import search_loss
from keras_sranogan.anogan.networks import GanParts
from keras_sranogan.backend import random
from keras_sranogan.backend.graph import compiled_step
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.rows import Images
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.held import held
from keras_sranogan.training.stage import Stage, draw_batch, step_seed, update


def corrector_stage(corrector: keras.Model, parts: GanParts, x_low: Images, settings: TrainSettings) -> Stage:
    """Return R's training on normals ``x_low`` ``(N, S, S, 1)``; G, f and E are frozen.

    The loss is the paper's search loss, a pixel, after each of the K steps; step k weighs k.
    """
    chosen, count = settings.corrector, len(x_low)
    data, weight = held(x_low), settings.search.feature_weight
    features = feature_extractor(parts.discriminator, settings.anogan.feature_block)
    rate = keras.optimizers.schedules.CosineDecay(chosen.learning_rate, chosen.steps)
    optimiser = keras.optimizers.Adam(rate)
    optimiser.build(corrector.trainable_variables)
    trunk, to_step = corrector.get_layer("trunk"), corrector.get_layer("step")
    share = 2.0 / (chosen.search_steps * (chosen.search_steps + 1))
    pixels = x_low.shape[1] * x_low.shape[2]

    def pixel_loss(x: Tensor, generated: Tensor, f_x: Tensor) -> Tensor:
        f_generated = features(generated, training=False)
        return ops.mean(search_loss(x, generated, f_x, f_generated, weight)) / pixels

    def step(number: Tensor) -> dict[str, Tensor]:
        seeds = random.split(step_seed(settings.seed, "corrector", number), 2)
        x = jitter(data.take(draw_batch(count, chosen.batch, seeds[0])), seeds[1])
        f_x = features(x, training=False)
        begun = parts.encoder(x, training=False)
        at_start = parts.averaged(begun, training=False)

        def along_the_search() -> tuple[Tensor, Tensor]:
            z, generated, total = begun, at_start, ops.convert_to_tensor(0.0)
            t_x = trunk(x, training=True)
            for k in range(1, chosen.search_steps + 1):
                z += to_step(t_x - trunk(generated, training=True))
                generated = parts.averaged(z, training=False)
                loss = pixel_loss(x, generated, f_x)
                total += share * k * loss
            return total, loss

        start = pixel_loss(x, at_start, f_x)
        return {"start": start, "end": update(optimiser, corrector, along_the_search)}

    state = {"corrector": corrector, "optimiser": optimiser}
    read = (parts.averaged, parts.encoder, features, data)
    return Stage("corrector", chosen.steps, compiled_step(step, *state.values(), *read), state)
