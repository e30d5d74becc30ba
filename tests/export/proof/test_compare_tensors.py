"""Which tensor of a quantised graph departs first."""

from __future__ import annotations

from collections.abc import Mapping

import flatbuffers
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from sranogan_edge.runtime.tflite_file import FILE_IDENTIFIER, operator_name, unpacked
from sranogan_export.proof.compare_tensors import TENSOR_TOLERANCE, departures, first_departure, partitions
from sranogan_export.rebuild.convert import convert
from sranogan_export.rebuild.taps import Calibrating, FakeQuantised, Plain, Tap

Array = NDArray[np.float32]
SHAPE = (1, 8, 8, 3)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((8, *SHAPE), np.float32)
KERNELS = [RNG.normal(0, 0.3, (3, 3, *ends)).astype(np.float32) for ends in ((3, 6), (6, 7), (7, 4), (4, 5))]


def network(image: tf.Tensor, tap: Tap) -> Mapping[str, tf.Tensor]:
    """Four convolutions in a row."""
    x = tap.activation("image", image)
    for number, kernel in enumerate(KERNELS):
        x = tf.nn.conv2d(x, tap.weights(kernel, per_channel=True), 1, "SAME")
        x = tap.activation(f"layer_{number}", tf.nn.relu(x))
    return {"out": x}


def ranges() -> dict[str, tuple[float, float]]:
    """The ranges of all tensors."""
    seen = Calibrating()
    for image in IMAGES:
        network(tf.constant(image), seen)
    return seen.ranges


def quantised(limits: dict[str, tuple[float, float]]) -> bytes:
    """The network on integers."""
    tap = FakeQuantised(limits)
    return convert(lambda image: network(image, tap), {"image": SHAPE}, "int8")


@pytest.fixture(scope="module")
def exact() -> bytes:
    """Give the network on floats."""
    return convert(lambda image: network(image, Plain()), {"image": SHAPE}, "float32")


@pytest.fixture(scope="module")
def sound() -> bytes:
    """Give the network on integers, as it should be."""
    return quantised(ranges())


def damaged(model: bytes, number: int) -> bytes:
    """``model`` with the kernel of its convolution ``number`` (from 0) turned into its negative."""
    opened = unpacked(model)
    nodes = [
        node
        for node in opened.subgraphs[0].operators
        if operator_name(opened.operatorCodes[node.opcodeIndex]) == "CONV_2D"
    ]
    buffer = opened.buffers[opened.subgraphs[0].tensors[nodes[number].inputs[1]].buffer]
    buffer.data = (-np.asarray(buffer.data, np.uint8).view(np.int8)).view(np.uint8)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(opened.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def test_sound_graph_departs_nowhere(exact: bytes, sound: bytes) -> None:
    """Every operator finds its counterpart, a few percent off at most."""
    found = departures(exact, sound, {"image": IMAGES[0]})
    assert [one.operator for one in found] == ["CONV_2D"] * 4
    assert [one.position for one in found] == [1, 2, 3, 4]
    assert max(one.error for one in found) < 0.05
    assert first_departure(exact, sound, {"image": IMAGES[0]}) is None


@pytest.mark.parametrize("number", range(4))
def test_damaged_kernel_is_named(exact: bytes, sound: bytes, number: int) -> None:
    """Of a kernel that was changed, the convolution is named, though all that follow are off too."""
    found = first_departure(exact, damaged(sound, number), {"image": IMAGES[0]})
    assert found is not None
    assert (found.position, found.operator) == (number + 1, "CONV_2D")
    assert found.shape[-1] == KERNELS[number].shape[-1]
    assert f"operator {number + 1} of 4, CONV_2D" in str(found)


@pytest.mark.parametrize("number", range(4))
def test_clipped_range_is_named(exact: bytes, number: int) -> None:
    """Of a range that was too small, the tensor is named."""
    limits = ranges()
    low, high = limits[f"layer_{number}"]
    found = first_departure(
        exact, quantised({**limits, f"layer_{number}": (low, high / 50)}), {"image": IMAGES[0]}
    )
    assert found is not None
    assert found.position == number + 1
    assert found.error > TENSOR_TOLERANCE


def test_partitions_are_counted(exact: bytes, sound: bytes) -> None:
    """XNNPACK takes convolutions in one piece, and what it leaves in between splits it."""
    assert partitions(exact) == partitions(sound) == 1

    def split(image: tf.Tensor) -> Mapping[str, tf.Tensor]:
        x = tf.nn.conv2d(image, KERNELS[0], 1, "SAME")
        return {"out": tf.nn.conv2d(tf.sign(x), KERNELS[1], 1, "SAME")}

    assert partitions(convert(split, {"image": SHAPE}, "float32")) == 2
