"""Training of the detection head: normals against the same normals with an anomaly pasted in."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_sranogan.backend import random
from keras_sranogan.backend.graph import as_one, compiled_step
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.rows import Images, each
from keras_sranogan.head.anomalies import MARKED, paste
from keras_sranogan.head.network import head_inputs
from keras_sranogan.head.nuisance import nuisance
from keras_sranogan.head.settle import settle
from keras_sranogan.head.start import new_heads
from keras_sranogan.html import pictures
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.averaging import move_towards
from keras_sranogan.training.held import Held, held
from keras_sranogan.training.stage import Stage, Step, draw_batch, step_seed, update
from keras_sranogan.training.workshop import SHOWN, Training
from sranogan_edge.image.preprocess import downscale

WARMUP_SHARE = 0.25
FIRST_RATE_SHARE = 0.04


def head_stage(head: keras.Model, averaged: keras.Model, images: Images, settings: TrainSettings) -> Stage:
    """Return the head's training on normals ``(N, side, side, C)`` float32 in [0, 1], not enhanced.

    ``averaged``, of the same form, becomes the running mean of ``head``'s weights, which is what is used.
    """
    own = settings.head
    optimiser = keras.optimizers.AdamW(OneCycle(own.learning_rate, own.steps), weight_decay=own.weight_decay)
    optimiser.build(head.trainable_variables)
    state = {"head": head, "averaged": averaged, "optimiser": optimiser}
    data = held(images)
    step = _head_step(head, averaged, optimiser, data, settings)
    return Stage("head", own.steps, compiled_step(step, *state.values(), data), state)


def _head_step(
    head: keras.Model,
    averaged: keras.Model,
    optimiser: keras.optimizers.Optimizer,
    data: Held,
    settings: TrainSettings,
) -> Step:
    own, count = settings.head, int(data.shape[0])
    cell = data.shape[1] // head.output["map"].shape[1]

    def step(number: Tensor) -> dict[str, Tensor]:
        seeds = random.split(step_seed(settings.seed, "head", number), 3)
        normal = nuisance(data.take(draw_batch(count, own.pairs, seeds[0])), seeds[1])
        anomalous, masks = paste(normal, seeds[2], own.anomalies)
        places = ops.average_pool(ops.cast(masks > MARKED, "float32"), cell, cell, "valid")
        places = ops.concatenate([ops.zeros_like(places), places], axis=0)
        seen = head_inputs(ops.concatenate([normal, anomalous], axis=0))
        truth = ops.concatenate([ops.zeros((own.pairs, 1)), ops.ones((own.pairs, 1))], axis=0)

        def losses() -> tuple[Tensor, dict[str, Tensor]]:
            said = head(seen, training=True)
            found, located = _cross_entropy(truth, said["logit"]), _cross_entropy(places, said["map"])
            return found + located, {"image": found, "place": located}

        metrics = update(optimiser, head, losses)
        move_towards(averaged, head, own.ema_decay)
        return metrics

    return step


def _cross_entropy(truth: Tensor, logits: Tensor) -> Tensor:
    return ops.mean(ops.binary_crossentropy(truth, logits, from_logits=True))


@keras.saving.register_keras_serializable(package="keras_sranogan")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Up to ``peak`` and down to zero along cosines (Smith and Topin 2018)."""

    def __init__(self, peak: float, steps: int) -> None:
        """Take the highest rate and the number of steps."""
        self.peak, self.steps = peak, steps

    def __call__(self, step: Tensor) -> Tensor:
        """Return the rate at ``step``."""
        done = ops.cast(step, "float32") / self.steps
        rise = FIRST_RATE_SHARE + (1 - FIRST_RATE_SHARE) * _half_cosine(done / WARMUP_SHARE)
        fall = 1 - _half_cosine((done - WARMUP_SHARE) / (1 - WARMUP_SHARE))
        return self.peak * ops.where(done < WARMUP_SHARE, rise, fall)

    def get_config(self) -> dict[str, float]:
        """Return what this schedule is made from, for Keras to save."""
        return {"peak": self.peak, "steps": self.steps}


def _half_cosine(share: Tensor) -> Tensor:
    """From 0 at 0 to 1 at 1."""
    return (1 - ops.cos(np.pi * ops.clip(share, 0.0, 1.0))) / 2


def train_head(work: Training) -> None:
    """Train the head on anomalies that are pasted into normals."""
    side, settings = work.settings.head_side, work.settings.head
    images = each(work.fit.x, lambda image: downscale(image, side))
    work.seeded(5)
    head, averaged = new_heads(side, settings, work.dtype, images.shape[-1])

    def shown(normal: Tensor) -> dict[str, Tensor]:
        seeds = random.split(random.seed(work.settings.seed, 0), 2)
        normal = nuisance(ops.convert_to_tensor(normal), seeds[0])
        anomalous, masks = paste(normal, seeds[1], settings.anomalies)
        return {"normal": normal, "with an anomaly": anomalous, "where": masks}

    def show(folder: Path) -> None:
        columns = as_one(shown)(images[:SHOWN])
        pictures.save_columns(folder / "anomalies.png", {k: np.asarray(v) for k, v in columns.items()})

    work.steps(head_stage(head, averaged, images, work.settings).shown(show))
    settle(averaged, images, work.settings)
    work.save("head", averaged, averaged)
