"""Stage 1's two trainings: the DCGAN, then the encoder through the frozen generator."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from keras_sranogan.anogan.augment import augment, jitter
from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.loss import discriminator_loss, encoder_loss, generator_loss, gradient_penalty
from keras_sranogan.anogan.networks import GanParts
from keras_sranogan.backend import random
from keras_sranogan.backend.devices import in_parts
from keras_sranogan.backend.graph import branch, compiled_step, gradients
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.rows import Images
from keras_sranogan.head.anomalies import paste
from keras_sranogan.settings import AnoganSettings, Anomalies, TrainSettings
from keras_sranogan.training.averaging import move_towards
from keras_sranogan.training.batch_norm import BATCHES, recompute
from keras_sranogan.training.held import Held, held
from keras_sranogan.training.stage import Stage, Step, draw_batch, step_seed, update

RESTORED: Anomalies = "mixture"  # anomalies that E learns to look past, whatever the head is taught on


def gan_stage(parts: GanParts, x_low: Images, settings: TrainSettings) -> Stage:
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
    data = held(x_low)
    step = _gan_step(parts, optimisers, data, settings)
    return Stage("gan", anogan.steps, compiled_step(step, *state.values(), data), state)


def _gan_step(
    parts: GanParts,
    optimisers: dict[str, keras.optimizers.Optimizer],
    data: Held,
    settings: TrainSettings,
) -> Step:
    anogan, count = settings.anogan, int(data.shape[0])
    generator, discriminator, encoder = parts.generator, parts.discriminator, parts.encoder

    discriminate = _discriminator_step(discriminator, optimisers["discriminator_optimiser"], anogan)

    def step(number: Tensor) -> dict[str, Tensor]:
        seeds = random.split(step_seed(settings.seed, "gan", number), 7)
        real = jitter(data.take(draw_batch(count, anogan.batch, seeds[0])), seeds[5])
        given = _harmed(real, seeds[6]) if anogan.restores else real
        z = in_parts(random.normal((anogan.batch, anogan.latent_dim), seeds[1]))

        def losses() -> tuple[tuple[Tensor, Tensor], dict[str, Tensor]]:
            rebuilt = generator(encoder(given, training=True), training=True)
            fake = generator(z, training=True)
            loss_d = discriminate(real, ops.stop_gradient(fake), seeds[2:4], number)
            reconstruction = ops.mean(ops.abs(real - rebuilt))
            latent = ops.mean(ops.square(encoder(ops.stop_gradient(fake), training=True) - z))
            fool = generator_loss(discriminator(_seen(fake, seeds[4], anogan), training=False))
            loss_g = fool + anogan.reconstruction_weight * reconstruction
            loss_e = anogan.reconstruction_weight * reconstruction + anogan.latent_weight * latent
            metrics = {"loss_d": loss_d, "fool": fool, "l1": reconstruction, "latent": latent}
            return (loss_g, loss_e), metrics

        (of_g, of_e), metrics = gradients(losses, generator, encoder)
        optimisers["generator_optimiser"].apply(of_g, generator.trainable_variables)
        optimisers["encoder_optimiser"].apply(of_e, encoder.trainable_variables)
        _average(parts, anogan.ema_decay, number)
        return metrics

    return step


def _discriminator_step(
    discriminator: keras.Model, optimiser: keras.optimizers.Optimizer, anogan: AnoganSettings
) -> Callable[[Tensor, Tensor, list[Tensor], Tensor], Tensor]:
    """Return what updates D on (real, fake, their two seeds, step number) and gives its loss."""

    def discriminate(real: Tensor, fake: Tensor, seeds: list[Tensor], number: Tensor) -> Tensor:
        real_seen = _seen(real, seeds[0], anogan)
        fake_seen = _seen(fake, seeds[1], anogan)

        def losses() -> tuple[Tensor, Tensor]:
            pair = ops.concatenate([real_seen, fake_seen], axis=0)
            loss = discriminator_loss(*ops.split(discriminator(pair, training=True), 2))
            penalty = branch(
                number % anogan.r1_every == 0,
                lambda: gradient_penalty(discriminator, real_seen),
                lambda: ops.convert_to_tensor(0.0),
            )
            return loss + 0.5 * anogan.r1_weight * anogan.r1_every * penalty, loss

        return update(optimiser, discriminator, losses)

    return discriminate


def _harmed(images: Tensor, seed: Tensor) -> Tensor:
    """Return ``images``, every other with a self-made anomaly in it: what E shall look past."""
    anomalous, _ = paste(images, seed, RESTORED)
    odd = ops.reshape(ops.arange(images.shape[0]) % 2 == 1, (-1, 1, 1, 1))
    return ops.where(odd, anomalous, images)


def _seen(images: Tensor, seed: Tensor, anogan: AnoganSettings) -> Tensor:
    """What D sees of ``images``."""
    return augment(images, seed) if anogan.augment else images


def _average(parts: GanParts, decay: float, number: Tensor) -> None:
    """Move the running mean of G towards G; the first steps count for more, so that it starts well.

    Its batch normalisation is good enough to look at on the way; :func:`settle_average` ends it.
    """
    done = ops.cast(number, "float32")
    move_towards(parts.averaged, parts.generator, ops.minimum(decay, (1.0 + done) / (10.0 + done)))


def settle_average(averaged: keras.Model, settings: TrainSettings) -> None:
    """Take the batch normalisation of the averaged G again, on latent vectors of the prior.

    A function of its weights and the seed: a training that is resumed here ends the same.
    """
    shape = (settings.anogan.batch, settings.anogan.latent_dim)
    drawn = (step_seed(settings.seed, "gan/settle", k) for k in range(BATCHES))
    recompute(averaged, (random.normal(shape, seed) for seed in drawn))


def encoder_stage(encoder: keras.Model, parts: GanParts, x_low: Images, settings: TrainSettings) -> Stage:
    """Return the encoder's training, izi_f: image to z to image, G and f frozen."""
    anogan, count = settings.anogan, len(x_low)
    data = held(x_low)
    features = feature_extractor(parts.discriminator, anogan.feature_block)
    decay = keras.optimizers.schedules.CosineDecay(anogan.encoder_learning_rate, anogan.encoder_steps)
    optimiser = keras.optimizers.Adam(decay)
    optimiser.build(encoder.trainable_variables)

    def step(number: Tensor) -> dict[str, Tensor]:
        seeds = random.split(step_seed(settings.seed, "encoder", number), 3)
        x = jitter(data.take(draw_batch(count, anogan.batch, seeds[0])), seeds[1])
        given = _harmed(x, seeds[2]) if anogan.restores else x

        def losses() -> tuple[Tensor, dict[str, Tensor]]:
            generated = parts.averaged(encoder(given, training=True), training=False)
            f_x, f_generated = features(x, training=False), features(generated, training=False)
            loss = encoder_loss(x, generated, f_x, f_generated, anogan.encoder_feature_weight)
            return loss, {"loss": loss, "l1": ops.mean(ops.abs(x - generated))}

        return update(optimiser, encoder, losses)

    state = {"encoder": encoder, "optimiser": optimiser}
    read = (parts.averaged, features, data)
    return Stage("encoder", anogan.encoder_steps, compiled_step(step, *state.values(), *read), state)
