"""After the head's training: batch normalisation of the averaged weights, by batches as in training."""

from __future__ import annotations

from collections.abc import Iterator

import keras
from keras import ops

from keras_sranogan.backend import random
from keras_sranogan.backend.graph import as_one
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.rows import Images
from keras_sranogan.head.anomalies import paste
from keras_sranogan.head.network import head_inputs
from keras_sranogan.head.nuisance import nuisance
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.batch_norm import BATCHES, recompute
from keras_sranogan.training.held import Held, held
from keras_sranogan.training.stage import draw_batch, step_seed


def settle(averaged: keras.Model, images: Images, settings: TrainSettings) -> None:
    """Take means and variances of ``averaged`` again, on normals ``(N, side, side, C)`` as in training."""
    recompute(averaged, _batches(held(images), settings))


def _batches(data: Held, settings: TrainSettings) -> Iterator[Tensor]:
    own = settings.head

    def draw(number: Tensor) -> Tensor:
        seeds = random.split(step_seed(settings.seed, "head/settle", number), 3)
        rows = draw_batch(int(data.shape[0]), own.pairs, seeds[0])
        normal = nuisance(data.take(rows), seeds[1])
        anomalous, _ = paste(normal, seeds[2], own.anomalies)
        return head_inputs(ops.concatenate([normal, anomalous], axis=0))

    return map(as_one(draw, data), range(min(BATCHES, own.steps)))  # no more than it was trained on
