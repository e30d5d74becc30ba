"""TensorFlow's side of :mod:`keras_sranogan.backend.graph`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import keras
import tensorflow as tf

T = TypeVar("T")


def out_of_memory(error: Exception) -> bool:
    """Whether it says that memory, of the card or the machine, was too small."""
    return isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError))


def compute_capabilities() -> list[tuple[int, ...]]:
    """Return CUDA's compute capability of each card that is used."""
    cards = tf.config.list_physical_devices("GPU")
    found = [tf.config.experimental.get_device_details(card).get("compute_capability") for card in cards]
    return [one for one in found if one]


def compiled(function: Callable[..., Any], *holders: Any) -> Callable[..., Any]:
    """Return ``function`` as a graph; ``holders`` are for JAX, which has to be told of all variables."""
    graph = tf.function(function, autograph=False, reduce_retracing=True)

    def run(*arguments: Any) -> Any:
        return graph(*(tf.constant(one, tf.int64) if isinstance(one, int) else one for one in arguments))

    return run


def compiled_step(function: Callable[..., Any], *holders: Any) -> Callable[..., Any]:
    """Return a step of training as a graph."""
    return compiled(function, *holders)


def as_one(function: Callable[..., Any], *holders: Any) -> Callable[..., Any]:
    """Return ``function`` as it is: single operations start quickly here."""
    return function


def inference(model: keras.Model) -> Callable[[Any], Any]:
    """Return ``model`` in inference mode."""
    return lambda x: model(x, training=False)


def gradients(
    compute: Callable[[], tuple[Sequence[Any], T]], *models: keras.Model
) -> tuple[list[list[Any]], T]:
    """Return the gradient of one loss a model by its trainable variables, and what else was computed.

    ``compute`` returns the losses, in the order of ``models``, and anything. A variable that is assigned to
    on the way counts as a number from then on: what it was before has no share in the gradient.
    """
    with ExitStack() as stack:
        tapes = [stack.enter_context(tf.GradientTape()) for _ in models]
        losses, rest = compute()
    each = zip(tapes, losses, models, strict=True)
    return [tape.gradient(loss, model.trainable_variables) for tape, loss, model in each], rest


def from_host(read: Callable[[Any], Any], rows: Any, shape: tuple[int, ...]) -> Any:
    """Return what ``read`` makes of the array ``rows`` ``(n,)`` on the host: ``(n, *shape)`` float32."""
    return tf.ensure_shape(tf.numpy_function(read, [rows], tf.float32), (*rows.shape, *shape))


def slope(function: Callable[[Any], Any], x: Any) -> Any:
    """Return the gradient of the scalar ``function(x)`` by ``x``, of its shape."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x)


def branch(condition: Any, if_so: Callable[[], T], otherwise: Callable[[], T]) -> T:
    """Run one of two functions of the same results; both may assign to variables."""
    return tf.cond(condition, if_so, otherwise)
