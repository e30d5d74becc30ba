"""Stage 3's training: content loss alone first, then the adversary joins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.stage import searched
from keras_sranogan.backend.graph import branch, compiled_step
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.rows import Images
from keras_sranogan.detector.reconstruct import downscale_all, predict, predicted
from keras_sranogan.html import pictures
from keras_sranogan.networks import build_judge
from keras_sranogan.refiner.network import build_refiner
from keras_sranogan.refiner.train import INPUTS
from keras_sranogan.run import IMAGES
from keras_sranogan.settings import SrganSettings, TrainSettings
from keras_sranogan.srgan.generator import build_super_resolver
from keras_sranogan.srgan.loss import adversarial_loss, content_loss, discriminator_loss, feature_loss
from keras_sranogan.training.held import Held, held
from keras_sranogan.training.stage import Stage, Step, draw_batch, step_seed, update
from keras_sranogan.training.workshop import Training

REFINED = f"{IMAGES}/refined.npy"  # c(g(x)) of the normals
Optimisers = dict[str, keras.optimizers.Optimizer]
Update = Callable[[Tensor, Tensor], tuple[Tensor, ...]]  # on (low, real): content, fool, loss of D


def srgan_stage(
    resolver: keras.Model,
    discriminator: keras.Model,
    refined: Images,
    x: Images,
    settings: TrainSettings,
) -> Stage:
    """Return the training of SR on pairs (c(g(x)) ``(N, S, S, 1)``, x ``(N, 2S, 2S, 1)``), both in [0, 1]."""
    srgan = settings.srgan
    rate = keras.optimizers.schedules.CosineDecay(srgan.learning_rate, srgan.steps, alpha=0.05)
    optimisers = {
        "generator_optimiser": keras.optimizers.Adam(rate),
        "discriminator_optimiser": keras.optimizers.Adam(srgan.learning_rate / 2, beta_1=0.5),
    }
    optimisers["generator_optimiser"].build(resolver.trainable_variables)
    optimisers["discriminator_optimiser"].build(discriminator.trainable_variables)
    state = {"resolver": resolver, "discriminator": discriminator, **optimisers}
    inputs, targets = held(refined), held(x)
    step = _step(resolver, discriminator, optimisers, inputs, targets, settings)
    return Stage("srgan", srgan.steps, compiled_step(step, *state.values(), inputs, targets), state)


def _step(
    resolver: keras.Model,
    discriminator: keras.Model,
    optimisers: Optimisers,
    inputs: Held,
    targets: Held,
    settings: TrainSettings,
) -> Step:
    srgan, count = settings.srgan, int(inputs.shape[0])
    warmup = int(srgan.steps * srgan.warmup_share)
    content_only = _content_step(resolver, optimisers)
    adversarial = _adversarial_step(resolver, discriminator, optimisers, srgan)

    def step(number: Tensor) -> dict[str, Tensor]:
        rows = draw_batch(count, srgan.batch, step_seed(settings.seed, "srgan", number))
        low, real = inputs.take(rows), targets.take(rows)
        content, fool, loss_d = branch(
            number < warmup, lambda: content_only(low, real), lambda: adversarial(low, real)
        )
        return {"l1": content, "adversarial": fool, "loss_d": loss_d}

    return step


def _content_step(resolver: keras.Model, optimisers: Optimisers) -> Update:
    """Return what updates SR by content alone."""

    def content_only(low: Tensor, real: Tensor) -> tuple[Tensor, ...]:
        def losses() -> tuple[Tensor, Tensor]:
            content = content_loss(real, resolver(low, training=True))
            return content, content

        content = update(optimisers["generator_optimiser"], resolver, losses)
        return content, ops.convert_to_tensor(0.0), ops.convert_to_tensor(0.0)

    return content_only


def _adversarial_step(
    resolver: keras.Model, discriminator: keras.Model, optimisers: Optimisers, srgan: SrganSettings
) -> Update:
    """Return what updates D, then SR by content, the adversary and the distance of D's features."""
    features = feature_extractor(discriminator, srgan.feature_block)

    def adversarial(low: Tensor, real: Tensor) -> tuple[Tensor, ...]:
        def losses() -> tuple[Tensor, tuple[Tensor, ...]]:
            made = resolver(low, training=True)
            loss_d = discriminate(real, ops.stop_gradient(made))
            content = content_loss(real, made)
            fool = adversarial_loss(discriminator(made, training=False))
            match = feature_loss(features(real, training=False), features(made, training=False))
            loss = content + srgan.adversarial_weight * fool + srgan.feature_weight * match
            return loss, (content, fool, loss_d)

        return update(optimisers["generator_optimiser"], resolver, losses)

    def discriminate(real: Tensor, made: Tensor) -> Tensor:
        def losses() -> tuple[Tensor, Tensor]:
            pair = ops.concatenate([real, made], axis=0)
            loss = discriminator_loss(*ops.split(discriminator(pair, training=True), 2))
            return loss, loss

        return update(optimisers["discriminator_optimiser"], discriminator, losses)

    return adversarial


def train_srgan(work: Training) -> None:
    """Train the super-resolution on the refined images."""
    refiner = build_refiner(work.settings.search_size, work.settings.refiner)
    work.run.load_into(refiner, "refiner")
    generated = work.again(INPUTS)
    refined = work.kept(REFINED, len(generated), predicted(refiner, generated))
    low = downscale_all(work.shown, work.settings.search_size)
    c_shown = predict(refiner, np.concatenate(list(searched(work, low, "pictures"))))
    work.seeded(4)
    resolver = build_super_resolver(work.settings.search_size, work.settings.srgan, work.dtype)
    judge = build_judge(work.settings, work.dtype)

    def show(folder: Path) -> None:
        columns = {"c(g(x))": c_shown, "SR(c(g(x)))": predict(resolver, c_shown), "x": work.shown}
        pictures.save_columns(folder / "reconstructions.png", columns)

    work.steps(srgan_stage(resolver, judge, refined, work.x, work.settings).shown(show))
    work.save("resolver", resolver, build_super_resolver(work.settings.search_size, work.settings.srgan))
    work.save("judge", judge, build_judge(work.settings))
