"""Reconstructions of other kinds than the search's, trained on normals as one program each.

G(E(x)) of the product's form with few latent variables; and the same taught to restore: a normal with a
self-made anomaly goes in, the normal is wanted out.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
from keras import ops
from numpy.typing import NDArray

from benchmarks.screen.designs import Kind
from benchmarks.screen.train import CHUNK, MOST_IMAGES, Weights, rate
from keras_sranogan.anogan.augment import jitter
from keras_sranogan.anogan.encoder import build_encoder
from keras_sranogan.anogan.generator import build_generator
from keras_sranogan.backend import random
from keras_sranogan.head.anomalies import paste
from keras_sranogan.settings import AnoganSettings

Array = NDArray[np.float32]
SIDE, BATCH, PEAK = 64, 32, 2e-3


class Rebuilder:
    """Trains one kind on any set."""

    def __init__(self, kind: Kind) -> None:
        """Build the networks."""
        self.kind, settings = kind, AnoganSettings(latent_dim=kind.latents)
        encoder, generator = build_encoder(SIDE, settings), build_generator(SIDE, settings)
        self.model = keras.Model(encoder.input, generator(encoder.output))
        self._train, self._rebuild = jax.jit(self._training), jax.jit(self._rebuilding)

    def __call__(self, fit: Array, images: Array, seed: int, scale: float) -> Array:
        """Train on normals ``(N, 64, 64, 1)`` in [0, 1]; return ``images``, of that form, rebuilt."""
        whole = np.zeros((max(MOST_IMAGES, len(fit)), *fit.shape[1:]), np.float32)
        whole[: len(fit)] = fit
        keras.utils.set_random_seed(seed * 101 + 7)
        fresh = keras.models.clone_model(self.model)
        start = Weights(
            [jnp.array(v.value) for v in fresh.trainable_variables],
            [jnp.array(v.value) for v in fresh.non_trainable_variables],
        )
        steps = int(self.kind.steps * scale)
        values = self._train(start, whole, np.int32(len(fit)), np.uint32(seed), np.int32(steps))
        rows = []
        for begin in range(0, len(images), CHUNK):
            some = images[begin : begin + CHUNK]
            padded = np.concatenate([some, np.zeros((CHUNK - len(some), *some.shape[1:]), np.float32)])
            rows.append(np.asarray(self._rebuild(values, padded))[: len(some)])
        return np.concatenate(rows)

    def _training(self, start: Weights, data: Any, count: Any, seed: Any, steps: Any) -> Weights:
        adam = optax.scale_by_adam(eps=1e-7)

        def loss(trained: Any, other: Any, shown: Any, wanted: Any) -> tuple[Any, Any]:
            made, other = self.model.stateless_call(trained, other, shown, training=True)
            return jnp.abs(made - wanted).mean(), other

        def step(number: Any, state: Any) -> Any:
            trained, other, moments = state
            seeds = random.split(jnp.stack([seed, number.astype("uint32")]), 3)
            rows = random.integers((BATCH,), seeds[0], 0, 1 << 30) % count
            wanted = jitter(data[rows], seeds[1])
            shown = paste(wanted, seeds[2], "mixture")[0] if self.kind.restores else wanted
            (_, other), slope = jax.value_and_grad(loss, has_aux=True)(trained, other, shown, wanted)
            change, moments = adam.update(slope, moments)
            now = rate(number / steps) * PEAK
            return [one - now * by for one, by in zip(trained, change, strict=True)], other, moments

        state = (start.trained, start.other, adam.init(start.trained))
        return Weights(*jax.lax.fori_loop(0, steps, step, state)[:2])

    def _rebuilding(self, values: Weights, images: Any) -> Any:
        made, _ = self.model.stateless_call(*values, ops.convert_to_tensor(images), training=False)
        return made
