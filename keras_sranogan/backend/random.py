"""Random numbers as functions of a seed, which may be computed in the graph itself.

``keras.random`` takes seeds that are known before a graph is made, or generators that count; what a step
draws must depend on the step's number alone, so that a run killed and resumed draws what it would have drawn.
A seed is a tensor ``(2,)`` of integers, int64 on TensorFlow and uint32 on JAX, made by :func:`seed`. The
backends draw different numbers of the same distributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

Tensor = Any  # of the backend in use: Keras has no type for it
Shape = Sequence[Any]

if keras.backend.backend() == "jax":
    import jax

    def seed(base: int, number: Tensor) -> Tensor:
        """Return the seed of ``base``, below 2**32, and of ``number``, which may be traced."""
        return jax.numpy.stack([jax.numpy.uint32(base), jax.numpy.asarray(number).astype("uint32")])

    def split(seed: Tensor, count: int) -> list[Tensor]:
        """Return ``count`` seeds that are independent of one another."""
        return list(jax.random.key_data(jax.random.split(_key(seed), count)))

    def uniform(shape: Shape, seed: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return uniform float32 numbers from ``low`` to ``high``."""
        return jax.random.uniform(_key(seed), tuple(shape), minval=low, maxval=high)

    def integers(shape: Shape, seed: Tensor, low: int, high: int) -> Tensor:
        """Return uniform int32 numbers from ``low`` to below ``high``."""
        return jax.random.randint(_key(seed), tuple(shape), low, high)

    def normal(shape: Shape, seed: Tensor) -> Tensor:
        """Return float32 numbers ~ N(0, 1)."""
        return jax.random.normal(_key(seed), tuple(shape))

    def _key(seed: Tensor) -> Tensor:
        return jax.random.wrap_key_data(jax.numpy.asarray(seed, "uint32"), impl="threefry2x32")

else:
    import tensorflow as tf

    def seed(base: int, number: Tensor) -> Tensor:
        """Return the seed of ``base``, below 2**32, and of ``number``, which may be traced."""
        return tf.stack([tf.constant(base, tf.int64), tf.cast(number, tf.int64)])

    def split(seed: Tensor, count: int) -> list[Tensor]:
        """Return ``count`` seeds that are independent of one another."""
        return list(tf.unstack(tf.random.split(seed, count)))

    def uniform(shape: Shape, seed: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return uniform float32 numbers from ``low`` to ``high``."""
        return tf.random.stateless_uniform(shape, seed, low, high)

    def integers(shape: Shape, seed: Tensor, low: int, high: int) -> Tensor:
        """Return uniform int32 numbers from ``low`` to below ``high``."""
        return tf.random.stateless_uniform(shape, seed, low, high, tf.int32)

    def normal(shape: Shape, seed: Tensor) -> Tensor:
        """Return float32 numbers ~ N(0, 1)."""
        return tf.random.stateless_normal(shape, seed)
