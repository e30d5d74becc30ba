"""Each operator in ONNX against the same in TFLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.graph import Graph
from sranogan_export.rebuild.convert import Recipe, convert

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from sranogan_edge.runtime.onnx import OnnxGraph  # noqa: E402  # after the look for onnxruntime
from sranogan_export.onnx.write import onnx_graph  # noqa: E402

Array = NDArray[np.float32]
Functions = Mapping[str, Callable[[tf.Tensor], tf.Tensor]]
RNG = np.random.default_rng(0)
SHAPE = (1, 6, 8, 4)
IMAGES = RNG.normal(size=(8, *SHAPE)).astype(np.float32)
KERNEL = RNG.normal(size=(3, 3, 4, 8)).astype(np.float32)
DEEP = RNG.normal(size=(3, 3, 4, 2)).astype(np.float32)
MATRIX = RNG.normal(size=(6 * 8 * 4, 12)).astype(np.float32)
ROW = RNG.normal(size=(1, 1, 8, 4)).astype(np.float32)
CHANNELS = RNG.normal(size=4).astype(np.float32)


def biased(x: tf.Tensor) -> tf.Tensor:
    """A convolution with a bias."""
    return tf.nn.bias_add(tf.nn.conv2d(x, KERNEL, 1, "SAME"), np.arange(8, dtype=np.float32))


def dense(x: tf.Tensor) -> tf.Tensor:
    """A product of everything with a matrix."""
    return tf.matmul(tf.reshape(x, (1, -1)), MATRIX) + np.arange(12, dtype=np.float32)


FUNCTIONS: Functions = {
    "convolution": biased,
    "convolution of stride 2": lambda x: tf.nn.conv2d(x, KERNEL, 2, "SAME"),
    "convolution without padding": lambda x: tf.nn.conv2d(x, KERNEL, 1, "VALID"),
    "convolution with a hole": lambda x: tf.nn.conv2d(x, KERNEL, 1, "SAME", dilations=2),
    "convolution, ReLU": lambda x: tf.nn.relu(biased(x)),
    "convolution, ReLU6": lambda x: tf.nn.relu6(biased(x)),
    "depthwise": lambda x: tf.nn.depthwise_conv2d(x, DEEP, (1, 1, 1, 1), "SAME"),
    "dense": dense,
    "dense and back": lambda x: tf.reshape(tf.nn.relu(dense(x)), (1, 2, 3, 2)) * 0.5,
    "depth to space": lambda x: tf.nn.depth_to_space(x, 2) * 1.5,
    "space to depth": lambda x: tf.nn.space_to_depth(x, 2) * 1.5,
    "bilinear": lambda x: tf.image.resize(x, (12, 16)),
    "bilinear, asymmetric": lambda x: tf.compat.v1.image.resize_bilinear(x, (12, 16)),
    "leaky": lambda x: tf.nn.leaky_relu(x, 0.2),
    "sigmoid": lambda x: tf.sigmoid(x * 2.0),
    "tanh": lambda x: tf.tanh(x * 2.0),
    "row": lambda x: x * ROW - ROW,
    "channels": lambda x: x * CHANNELS + CHANNELS,
    "extremes": lambda x: tf.minimum(tf.maximum(x, -0.5), CHANNELS),
    "joined": lambda x: tf.concat([x, tf.nn.relu(x)], axis=-1),
    "padded": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 0]]) * 2.0,
    "mean": lambda x: tf.reduce_mean(x, axis=(1, 2)),
    "mean that keeps axes": lambda x: x - tf.reduce_mean(x, axis=(1, 2), keepdims=True),
    "sum": lambda x: tf.reduce_sum(x, axis=(1, 2, 3), keepdims=True),
    "one output for each place": lambda x: tf.reduce_mean(x, axis=3),
}
OF_FLOATS: Functions = {
    "sign": lambda x: tf.sign(x) * tf.abs(x) - tf.negative(x),
    "update": lambda x: x / (tf.sqrt(tf.square(x)) + 0.1) + tf.exp(x) * tf.math.rsqrt(tf.square(x) + 0.5),
}


def samples() -> Iterator[Mapping[str, Array]]:
    """Real inputs for the ranges."""
    return ({"image": image} for image in IMAGES)


def both(functions: Functions, recipe: Recipe) -> dict[str, tuple[Array, Array]]:
    """Run all functions, as one graph, on all images: what each gives as TFLite, and as ONNX."""
    outputs = {f"out_{number}": one for number, one in enumerate(functions.values())}
    model = convert(
        lambda image: {out: one(image) for out, one in outputs.items()}, {"image": SHAPE}, recipe, samples
    )
    lite, other = Graph(model, name="test"), OnnxGraph(onnx_graph(model), name="test")
    assert (lite.inputs, lite.outputs) == (other.inputs, other.outputs)
    made = [[run({"image": image}) for image in IMAGES] for run in (lite, other)]
    stacked = [{out: np.stack([one[out] for one in rows]) for out in outputs} for rows in made]
    return {name: (stacked[0][out], stacked[1][out]) for name, out in zip(functions, outputs, strict=True)}


@pytest.fixture(scope="module")
def floats() -> dict[str, tuple[Array, Array]]:
    """Give both results of all functions on floats."""
    return both({**FUNCTIONS, **OF_FLOATS}, "float32")


@pytest.fixture(scope="module")
def integers() -> dict[str, tuple[Array, Array]]:
    """Give both results of those that integers can be put through."""
    return both(FUNCTIONS, "int8")


@pytest.mark.parametrize("name", [*FUNCTIONS, *OF_FLOATS])
def test_float_operators(floats: dict[str, tuple[Array, Array]], name: str) -> None:
    """On floats, ONNX computes what TFLite computes."""
    lite, other = floats[name]
    np.testing.assert_allclose(other, lite, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_integer_operators(integers: dict[str, tuple[Array, Array]], name: str) -> None:
    """Of integers, ONNX gives the same, or a near one where a value lies between two."""
    lite, other = integers[name]
    step = np.ptp(lite) / 255
    assert np.abs(other - lite).max() <= 2.5 * step
    assert np.abs(other - lite).mean() <= 0.25 * step


def test_half_size_weights_become_whole() -> None:
    """From float16 weights comes a graph of float32."""
    model = convert(lambda image: {"out": biased(image)}, {"image": SHAPE}, "float16")
    graph = onnx.load_model_from_string(onnx_graph(model)).graph
    assert {array.data_type for array in graph.initializer} == {onnx.TensorProto.FLOAT}


def test_unknown_operator_is_named() -> None:
    """An operator that is not written is a backend error with its name and the cure."""
    model = convert(lambda image: {"out": tf.cumsum(image, axis=1)}, {"image": SHAPE}, "float32")
    with pytest.raises(BackendError, match=r"operator CUMSUM has no counterpart.*without --onnx"):
        onnx_graph(model)
