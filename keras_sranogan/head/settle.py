"""After the head's training: batch normalisation of the averaged weights, by batches as in training."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.head.anomalies import paste
from keras_sranogan.head.network import head_inputs
from keras_sranogan.head.nuisance import nuisance
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.batch_norm import BATCHES, recompute
from keras_sranogan.training.stage import draw_batch, step_seed


def settle(averaged: keras.Model, images: NDArray[np.float32], settings: TrainSettings) -> None:
    """Take means and variances of ``averaged`` again, on normals ``(N, side, side, 1)`` as in training."""
    recompute(averaged, _batches(tf.constant(images), settings))


def _batches(data: tf.Tensor, settings: TrainSettings) -> Iterator[tf.Tensor]:
    own = settings.head
    for number in range(BATCHES):
        drawn = step_seed(settings.seed, "head/settle", tf.constant(number, tf.int64))
        seeds = tf.unstack(tf.random.split(drawn, 3))
        normal = nuisance(tf.gather(data, draw_batch(int(data.shape[0]), own.pairs, seeds[0])), seeds[1])
        anomalous, _ = paste(normal, seeds[2], own.anomalies)
        yield head_inputs(tf.concat([normal, anomalous], axis=0))
