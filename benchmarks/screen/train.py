"""A head's training as one program, for any set: no step returns to the host. JAX and optax alone.

``keras_sranogan.head.train`` compiles a step for one set of images. Here images, their number, the steps and
the rate are arguments, so that one program serves all sets; network, anomalies, nuisance and settings are the
product's, optimiser and schedule the same by optax.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
from keras import ops
from numpy.typing import NDArray

from benchmarks.screen.designs import Form
from benchmarks.screen.drawn import Drawn
from keras_sranogan.backend import random
from keras_sranogan.head.anomalies import MARKED, SHARES, paste
from keras_sranogan.head.network import build_head, head_inputs
from keras_sranogan.head.nuisance import nuisance
from keras_sranogan.settings import HeadSettings

Values = list[Any]
Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
MOST_IMAGES = 1024  # of a set: programs are compiled for one number
CHUNK = 200  # images that are looked at together
BATCHES = 64  # that batch normalisation is taken over
SETTLING = 1 << 30  # steps from here on draw the batches of batch normalisation
WARMUP_SHARE, FIRST_RATE_SHARE = 0.25, 25.0


class Weights(NamedTuple):
    """Values of a model's variables, trained and not."""

    trained: Values
    other: Values


class Program:
    """Trains heads of one form."""

    def __init__(self, form: Form) -> None:
        """Build the network; compiling waits for its first use."""
        self.form, settings = form, HeadSettings(width=form.width, anomalies=form.anomalies)
        head = build_head(form.side, settings)
        outputs, features = dict(head.output), head.output["features"]
        if form.kinds:
            pools = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
            whole = keras.layers.Concatenate()([pool()(features) for pool in pools])
            outputs["kinds"] = keras.layers.Dense(len(SHARES[form.anomalies]) + 1)(whole)
        self.head, self.model = head, keras.Model(head.input, outputs)
        self.norms = [one for one in head.layers if isinstance(one, keras.layers.BatchNormalization)]
        self._train = jax.jit(self._training)
        self._settle = jax.jit(self._settling)
        self._look = jax.jit(self._looking)

    def start(self, seed: int, weights: list[Array] | None) -> Weights:
        """Return random weights, or those given (in Keras's order) for the head."""
        keras.utils.set_random_seed(seed * 101 + 5)
        model = keras.models.clone_model(self.model)
        if weights is not None:
            model.set_weights([*weights, *model.get_weights()[len(weights) :]])
        self.model.set_weights(model.get_weights())
        return self._values()

    def _values(self) -> Weights:
        model = self.model
        return Weights(
            [jnp.array(v.value) for v in model.trainable_variables],
            [jnp.array(v.value) for v in model.non_trainable_variables],
        )

    def train(self, start: Weights, data: Drawn, seed: int, steps: int, peak: float) -> Weights:
        """Return the running mean of the weights, batch normalisation taken anew."""
        where = (jnp.asarray(data.images), jnp.asarray(data.first), jnp.asarray(data.count))
        mean = (
            self._train(start, where, np.uint32(seed), np.int32(steps), np.float32(peak)) if steps else start
        )
        return self._settle(mean, where, np.uint32(seed))

    def weights(self, values: Weights) -> list[Array]:
        """Return the head's weights in Keras's order, those that learned sorts left out."""
        for variable, value in zip(self.model.trainable_variables, values.trained, strict=True):
            variable.assign(value)
        for variable, value in zip(self.model.non_trainable_variables, values.other, strict=True):
            variable.assign(value)
        return [np.asarray(one) for one in self.head.get_weights()]

    def look(self, values: Weights, images: Bytes) -> dict[str, Array]:
        """Return what is measured of images: pooled features by part, evidence of the map, late features."""
        found: list[dict[str, Array]] = []
        for begin in range(0, len(images), CHUNK):
            some = images[begin : begin + CHUNK]
            padded = np.concatenate([some, np.zeros((CHUNK - len(some), *some.shape[1:]), np.uint8)])
            said = self._look(values, padded)
            found.append({name: np.asarray(value)[: len(some)] for name, value in said.items()})
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def _batch(self, where: Any, seed: Any, number: Any) -> tuple[Any, Any, Any]:
        """Return normals, anomalous twins, and masks, of one sort of images."""
        images, first, count = where
        seeds = random.split(jnp.stack([seed, number.astype("uint32")]), 4)
        sort = random.integers((), seeds[3], 0, len(first))
        rows = random.integers((self.form.pairs,), seeds[0], 0, 1 << 30) % count[sort] + first[sort]
        normal = nuisance(ops.cast(images[rows], "float32") / 255, seeds[1])
        return (normal, *paste(normal, seeds[2], self.form.anomalies))

    def _loss(self, trained: Values, other: Values, batch: tuple[Any, Any, Any]) -> tuple[Any, Any]:
        normal, anomalous, masks = batch
        seen = head_inputs(ops.concatenate([normal, anomalous]))
        said, other = self.model.stateless_call(trained, other, seen, training=True)
        cell = self.form.side // said["map"].shape[1]
        places = ops.average_pool(ops.cast(masks > MARKED, "float32"), cell, cell, "valid")
        places = ops.concatenate([ops.zeros_like(places), places])
        truth = ops.concatenate([ops.zeros((len(normal), 1)), ops.ones((len(normal), 1))])
        loss = _cross_entropy(truth, said["logit"]) + _cross_entropy(places, said["map"])
        if self.form.kinds:
            loss += optax.softmax_cross_entropy_with_integer_labels(said["kinds"], self._kinds()).mean()
        return loss, other

    def _kinds(self) -> NDArray[np.int32]:
        """Return the sort of each row of a batch: 0 for normals, then as :func:`paste` has them."""
        borders = [round(share * self.form.pairs) for share in np.cumsum((0, *SHARES[self.form.anomalies]))]
        sorts = np.repeat(np.arange(1, len(borders)), np.diff(borders))
        return np.concatenate([np.zeros(self.form.pairs, np.int32), sorts.astype(np.int32)])

    def _training(self, start: Weights, where: Any, seed: Any, steps: Any, peak: Any) -> Weights:
        settings, adam = HeadSettings(), optax.scale_by_adam(eps=1e-7)

        def step(number: Any, state: Any) -> Any:
            trained, other, moments, mean = state
            batch = self._batch(where, seed, number)
            (_, other), gradient = jax.value_and_grad(self._loss, has_aux=True)(trained, other, batch)
            change, moments = adam.update(gradient, moments)
            now = rate(number / steps) * peak
            keep = 1 - now * settings.weight_decay
            trained = [keep * one - now * by for one, by in zip(trained, change, strict=True)]
            slow = settings.ema_decay
            mean = [slow * one + (1 - slow) * now for one, now in zip(mean, trained, strict=True)]
            return trained, other, moments, mean

        state = (start.trained, start.other, adam.init(start.trained), start.trained)
        _, other, _, mean = jax.lax.fori_loop(0, steps, step, state)
        return Weights(mean, other)

    def _settling(self, values: Weights, where: Any, seed: Any) -> Weights:
        usual = [norm.momentum for norm in self.norms]
        for norm in self.norms:
            norm.momentum = 0.0  # moving statistics become the batch's own

        def add(number: Any, total: Values) -> Values:
            batch = self._batch(where, seed, number + SETTLING)
            _, other = self._loss(values.trained, values.other, batch)
            return [one + new.astype(one.dtype) / BATCHES for one, new in zip(total, other, strict=True)]

        zero = [jnp.zeros(one.shape, "float32") for one in values.other]
        other = jax.lax.fori_loop(0, BATCHES, add, zero)
        for norm, momentum in zip(self.norms, usual, strict=True):
            norm.momentum = momentum
        return Weights(values.trained, [o.astype(v.dtype) for o, v in zip(other, values.other, strict=True)])

    def _looking(self, values: Weights, images: Any) -> dict[str, Any]:
        x = head_inputs(ops.cast(images, "float32") / 255)
        said, _ = self.model.stateless_call(values.trained, values.other, x, training=False)
        found = {name: _pooled(said[key]) for name, key in FEATURES.items()}
        evidence = jnp.log(jnp.logaddexp(0.0, said["map"]).mean(axis=(1, 2, 3)) + 1e-3)
        return {
            **found,
            "map": evidence[:, None],
            "at_late": said["features"],
            "at_middle": _half(said["middle"]),
        }


FEATURES = {"early": "early", "middle": "middle", "late": "features"}


def _pooled(features: Any) -> Any:
    """As ``scoring.head.pooled``, of a batch."""
    batch, tall, wide, channels = features.shape
    return features.reshape(batch, 2, tall // 2, 2, wide // 2, channels).mean(axis=(2, 4)).reshape(batch, -1)


def _half(features: Any) -> Any:
    return ops.average_pool(features, 2, 2, "valid")


def _cross_entropy(truth: Any, logits: Any) -> Any:
    return optax.sigmoid_binary_cross_entropy(logits, truth).mean()


def rate(done: Any) -> Any:
    """Return the share of the highest rate: one cycle, as ``head.train.OneCycle``, from 0 to 1."""
    up = (1 - jnp.cos(jnp.pi * jnp.clip(done / WARMUP_SHARE, 0, 1))) / 2
    down = (1 + jnp.cos(jnp.pi * jnp.clip((done - WARMUP_SHARE) / (1 - WARMUP_SHARE), 0, 1))) / 2
    least = 1 / FIRST_RATE_SHARE
    return jnp.where(done < WARMUP_SHARE, least + (1 - least) * up, down)


def padded(images: Bytes) -> Drawn:
    """Return a set as one sort of images, its array of the length that programs are compiled for."""
    whole = np.zeros((max(MOST_IMAGES, len(images)), *images.shape[1:]), np.uint8)
    whole[: len(images)] = images
    return Drawn(whole, np.zeros(1, np.int32), np.array([len(images)], np.int32))
