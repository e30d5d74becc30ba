"""Training of the detection head: normals against the same normals with an anomaly pasted in."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.detector.reconstruct import downscale_all
from keras_sranogan.head.anomalies import MARKED, paste
from keras_sranogan.head.network import head_inputs
from keras_sranogan.head.nuisance import nuisance
from keras_sranogan.head.settle import settle
from keras_sranogan.head.start import new_heads
from keras_sranogan.html import pictures
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.stage import Stage, Step, draw_batch, step_seed, update
from keras_sranogan.training.workshop import SHOWN, Training

WARMUP_SHARE = 0.25
FIRST_RATE_SHARE = 0.04


def head_stage(
    head: keras.Model, averaged: keras.Model, images: NDArray[np.float32], settings: TrainSettings
) -> Stage:
    """Return the head's training on normals ``(N, side, side, 1)`` float32 in [0, 1], not enhanced.

    ``averaged``, of the same form, becomes the running mean of ``head``'s weights, which is what is used.
    """
    own = settings.head
    optimiser = keras.optimizers.AdamW(OneCycle(own.learning_rate, own.steps), weight_decay=own.weight_decay)
    optimiser.build(head.trainable_variables)
    state = {"head": head, "averaged": averaged, "optimiser": optimiser}
    return Stage(
        "head", own.steps, _head_step(head, averaged, optimiser, tf.constant(images), settings), state
    )


def _head_step(
    head: keras.Model,
    averaged: keras.Model,
    optimiser: keras.optimizers.Optimizer,
    data: tf.Tensor,
    settings: TrainSettings,
) -> Step:
    own, count = settings.head, int(data.shape[0])
    cell = data.shape[1] // head.output["map"].shape[1]
    truth = tf.concat([tf.zeros((own.pairs, 1)), tf.ones((own.pairs, 1))], axis=0)

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> dict[str, tf.Tensor]:
        seeds = tf.unstack(tf.random.split(step_seed(settings.seed, "head", number), 3))
        normal = nuisance(tf.gather(data, draw_batch(count, own.pairs, seeds[0])), seeds[1])
        anomalous, masks = paste(normal, seeds[2], own.anomalies)
        places = tf.nn.avg_pool2d(tf.cast(masks > MARKED, tf.float32), cell, cell, "VALID")
        places = tf.concat([tf.zeros_like(places), places], axis=0)
        seen = head_inputs(tf.concat([normal, anomalous], axis=0))
        with tf.GradientTape() as tape:
            said = head(seen, training=True)
            found, located = _cross_entropy(truth, said["logit"]), _cross_entropy(places, said["map"])
            loss = found + located
        update(optimiser, tape, loss, head)
        for mean, now in zip(averaged.variables, head.variables, strict=True):
            mean.assign(mean * own.ema_decay + tf.cast(now, mean.dtype) * (1.0 - own.ema_decay))
        return {"image": found, "place": located}

    return step


def _cross_entropy(truth: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits))


@keras.saving.register_keras_serializable(package="keras_sranogan")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Up to ``peak`` and down to zero along cosines (Smith and Topin 2018)."""

    def __init__(self, peak: float, steps: int) -> None:
        """Take the highest rate and the number of steps."""
        self.peak, self.steps = peak, steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Return the rate at ``step``."""
        done = tf.cast(step, tf.float32) / self.steps
        rise = FIRST_RATE_SHARE + (1 - FIRST_RATE_SHARE) * _half_cosine(done / WARMUP_SHARE)
        fall = 1 - _half_cosine((done - WARMUP_SHARE) / (1 - WARMUP_SHARE))
        return self.peak * tf.where(done < WARMUP_SHARE, rise, fall)

    def get_config(self) -> dict[str, float]:
        """Return what this schedule is made from, for Keras to save."""
        return {"peak": self.peak, "steps": self.steps}


def _half_cosine(share: tf.Tensor) -> tf.Tensor:
    """From 0 at 0 to 1 at 1."""
    return (1 - tf.cos(np.pi * tf.clip_by_value(share, 0.0, 1.0))) / 2


def train_head(work: Training) -> None:
    """Train the head on anomalies that are pasted into normals."""
    side, settings = work.settings.head_side, work.settings.head
    images = downscale_all(work.fit.x, side)
    work.seeded(5)
    head, averaged = new_heads(side, settings, work.dtype)

    def show(folder: Path) -> None:
        seeds = tf.unstack(tf.random.split(tf.constant([work.settings.seed, 0], tf.int64), 2))
        normal = nuisance(tf.constant(images[:SHOWN]), seeds[0])
        anomalous, masks = paste(normal, seeds[1], settings.anomalies)
        columns = {"normal": normal, "with an anomaly": anomalous, "where": masks}
        pictures.save_columns(folder / "anomalies.png", {k: v.numpy() for k, v in columns.items()})

    work.steps(head_stage(head, averaged, images, work.settings).shown(show))
    settle(averaged, images, work.settings)
    work.save("head", averaged, averaged)
