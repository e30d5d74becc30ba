"""Stage 1's two trainings: the DCGAN, then the encoder through the frozen generator."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.anogan.augment import augment, jitter
from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.loss import discriminator_loss, encoder_loss, generator_loss, gradient_penalty
from keras_sranogan.anogan.networks import GanParts
from keras_sranogan.settings import AnoganSettings, TrainSettings
from keras_sranogan.training.batch_norm import BATCHES, recompute
from keras_sranogan.training.stage import Stage, Step, draw_batch, step_seed, update


def gan_stage(parts: GanParts, x_low: NDArray[np.float32], settings: TrainSettings) -> Stage:
    """Return the DCGAN's training on normals ``x_low`` ``(N, S, S, 1)`` float32 in [0, 1]."""
    anogan = settings.anogan
    optimisers = {
        "generator_optimiser": keras.optimizers.Adam(anogan.learning_rate, beta_1=anogan.beta_1),
        "discriminator_optimiser": keras.optimizers.Adam(anogan.learning_rate, beta_1=anogan.beta_1),
    }
    optimisers["generator_optimiser"].build(parts.generator.trainable_variables)
    optimisers["encoder_optimiser"] = keras.optimizers.Adam(anogan.encoder_learning_rate)
    optimisers["discriminator_optimiser"].build(parts.discriminator.trainable_variables)
    optimisers["encoder_optimiser"].build(parts.encoder.trainable_variables)
    state = {
        "generator": parts.generator,
        "encoder": parts.encoder,
        "averaged": parts.averaged,
        "discriminator": parts.discriminator,
        **optimisers,
    }
    step = _gan_step(parts, optimisers, tf.constant(x_low), settings)
    return Stage("gan", anogan.steps, step, state)


def _gan_step(
    parts: GanParts,
    optimisers: dict[str, keras.optimizers.Optimizer],
    data: tf.Tensor,
    settings: TrainSettings,
) -> Step:
    anogan, count = settings.anogan, int(data.shape[0])
    generator, discriminator, encoder = parts.generator, parts.discriminator, parts.encoder

    discriminate = _discriminator_step(discriminator, optimisers["discriminator_optimiser"], anogan)

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> dict[str, tf.Tensor]:
        seeds = tf.unstack(tf.random.split(step_seed(settings.seed, "gan", number), 6))
        real = jitter(tf.gather(data, draw_batch(count, anogan.batch, seeds[0])), seeds[5])
        z = tf.random.stateless_normal((anogan.batch, anogan.latent_dim), seeds[1])
        with tf.GradientTape() as tape_g, tf.GradientTape() as tape_e:
            rebuilt = generator(encoder(real, training=True), training=True)
            fake = generator(z, training=True)
            with tape_g.stop_recording(), tape_e.stop_recording():
                loss_d = discriminate(real, fake, seeds[2:4], number)
            reconstruction = tf.reduce_mean(tf.abs(real - rebuilt))
            latent = tf.reduce_mean(tf.square(encoder(tf.stop_gradient(fake), training=True) - z))
            fool = generator_loss(discriminator(_seen(fake, seeds[4], anogan), training=False))
            loss_g = fool + anogan.reconstruction_weight * reconstruction
            loss_e = anogan.reconstruction_weight * reconstruction + anogan.latent_weight * latent
        update(optimisers["generator_optimiser"], tape_g, loss_g, generator)
        update(optimisers["encoder_optimiser"], tape_e, loss_e, encoder)
        _average(parts, anogan.ema_decay, number)
        return {"loss_d": loss_d, "fool": fool, "l1": reconstruction, "latent": latent}

    return step


def _discriminator_step(
    discriminator: keras.Model, optimiser: keras.optimizers.Optimizer, anogan: AnoganSettings
) -> Callable[[tf.Tensor, tf.Tensor, list[tf.Tensor], tf.Tensor], tf.Tensor]:
    """Return what updates D on (real, fake, their two seeds, step number) and gives its loss."""

    def discriminate(
        real: tf.Tensor, fake: tf.Tensor, seeds: list[tf.Tensor], number: tf.Tensor
    ) -> tf.Tensor:
        real_seen = _seen(real, seeds[0], anogan)
        with tf.GradientTape() as tape:
            pair = tf.concat([real_seen, _seen(fake, seeds[1], anogan)], axis=0)
            loss = discriminator_loss(*tf.split(discriminator(pair, training=True), 2))
            penalty = tf.cond(
                number % anogan.r1_every == 0,
                lambda: gradient_penalty(discriminator, real_seen),
                lambda: tf.constant(0.0),
            )
            total = loss + 0.5 * anogan.r1_weight * anogan.r1_every * penalty
        update(optimiser, tape, total, discriminator)
        return loss

    return discriminate


def _seen(images: tf.Tensor, seed: tf.Tensor, anogan: AnoganSettings) -> tf.Tensor:
    """What D sees of ``images``."""
    return augment(images, seed) if anogan.augment else images


def _average(parts: GanParts, decay: float, number: tf.Tensor) -> None:
    """Move the running mean of G towards G; the first steps count for more, so that it starts well.

    Its batch normalisation is good enough to look at on the way; :func:`settle_average` ends it.
    """
    warm = tf.minimum(decay, (1.0 + tf.cast(number, tf.float32)) / (10.0 + tf.cast(number, tf.float32)))
    for mean, now in zip(parts.averaged.variables, parts.generator.variables, strict=True):
        mean.assign(mean * warm + tf.cast(now, mean.dtype) * (1.0 - warm))


def settle_average(averaged: keras.Model, settings: TrainSettings) -> None:
    """Take the batch normalisation of the averaged G again, on latent vectors of the prior.

    A function of its weights and the seed: a training that is resumed here ends the same.
    """
    shape = (settings.anogan.batch, settings.anogan.latent_dim)
    drawn = (step_seed(settings.seed, "gan/settle", tf.constant(k, tf.int64)) for k in range(BATCHES))
    recompute(averaged, (tf.random.stateless_normal(shape, seed) for seed in drawn))


def encoder_stage(
    encoder: keras.Model, parts: GanParts, x_low: NDArray[np.float32], settings: TrainSettings
) -> Stage:
    """Return the encoder's training, izi_f: image to z to image, G and f frozen."""
    anogan, count = settings.anogan, len(x_low)
    data = tf.constant(x_low)
    features = feature_extractor(parts.discriminator, anogan.feature_block)
    decay = keras.optimizers.schedules.CosineDecay(anogan.encoder_learning_rate, anogan.encoder_steps)
    optimiser = keras.optimizers.Adam(decay)
    optimiser.build(encoder.trainable_variables)

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> dict[str, tf.Tensor]:
        seeds = tf.unstack(tf.random.split(step_seed(settings.seed, "encoder", number), 3))
        x = tf.gather(data, draw_batch(count, anogan.batch, seeds[0]))
        x = jitter(x, seeds[1])
        with tf.GradientTape() as tape:
            generated = parts.averaged(encoder(x, training=True), training=False)
            f_x, f_generated = features(x, training=False), features(generated, training=False)
            loss = encoder_loss(x, generated, f_x, f_generated, anogan.encoder_feature_weight)
        update(optimiser, tape, loss, encoder)
        return {"loss": loss, "l1": tf.reduce_mean(tf.abs(x - generated))}

    return Stage("encoder", anogan.encoder_steps, step, {"encoder": encoder, "optimiser": optimiser})
