"""Graphs joined into one file: a signature each, and what they share stored once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from sranogan_edge.runtime.graph import Graph
from sranogan_edge.runtime.tflite_file import unpacked
from sranogan_export.rebuild.convert import convert
from sranogan_export.rebuild.flatbuffer import joined, operators, signatures

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
X = np.random.default_rng(1).random((1, 5, 5, 8), np.float32)
SHAPES = {"x": X.shape}


def once(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
    """One convolution."""
    return {"y": tf.nn.conv2d(x, KERNEL, 1, "SAME")}


def twice(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
    """The same convolution two times, and an operator of its own."""
    return {"y": tf.sigmoid(tf.nn.conv2d(once(x)["y"], KERNEL, 1, "SAME"))}


def test_signatures_compute_what_they_did_alone() -> None:
    """Each signature of a joined file gives what its function gives."""
    model = convert({"steps_1": once, "steps_2": twice}, SHAPES, "float32")
    assert signatures(model) == {"steps_1": 0, "steps_2": 1}
    for signature, function in (("steps_1", once), ("steps_2", twice)):
        found = Graph(model, name="test", signature=signature)({"x": X})["y"]
        np.testing.assert_allclose(found, function(tf.constant(X))["y"], rtol=1e-4, atol=1e-5)


def test_equal_weights_are_stored_once() -> None:
    """The kernel that both graphs use is one buffer, so the second graph costs less than its weights."""
    single = convert({"steps_1": once}, SHAPES, "float32")
    model = convert({"steps_1": once, "steps_2": twice}, SHAPES, "float32")
    large = [
        one for one in unpacked(model).buffers if one.data is not None and len(one.data) == KERNEL.nbytes
    ]
    assert len(large) == 1
    assert len(model) < len(single) + KERNEL.nbytes


def test_joining_is_reproducible() -> None:
    """Equal graphs give equal bytes, aligned as kernels want them."""
    models = {"a": convert({"a": once}, SHAPES, "float32"), "b": convert({"b": twice}, SHAPES, "float32")}
    model = joined(models)
    assert model == joined(models)
    start = model.find(KERNEL.transpose(3, 0, 1, 2).tobytes())  # TFLite has the output channels first
    assert start > 0
    assert start % 16 == 0


def test_operators_of_each_signature() -> None:
    """Operators are counted graph by graph."""
    model = convert({"steps_1": once, "steps_2": twice}, SHAPES, "float32")
    assert operators(model, "steps_1")["all"] == {"CONV_2D": 1}
    assert operators(model, "steps_2")["all"] == {"CONV_2D": 2, "LOGISTIC": 1}
