"""Multiplications are counted from a .tflite file's operators, by arithmetic and by signature."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.bench.conv import Chain, conv_chain
from sranogan_edge.bench.graphs import graph_cost
from sranogan_edge.bundle.bundle import GRAPHS, read_bundle, signature
from sranogan_edge.runtime.tflite_file import packed, unpacked

tf: Any = pytest.importorskip("tensorflow", reason="TensorFlow makes the graphs that are counted")


def converted(function: Callable[..., Any], *shapes: tuple[int, ...], optimise: bool = False) -> bytes:
    """Convert a function of tensors of ``shapes``."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    module = tf.Module()
    module.call = tf.function(lambda *x: {"y": function(*x)})
    traced = module.call.get_concrete_function(*specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], module)
    if optimise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def weights(*shape: int) -> Any:
    """Return numbers that the converter cannot fold away."""
    return tf.constant(np.random.default_rng(0).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize(
    ("function", "shapes", "macs"),
    [
        (lambda x: tf.nn.conv2d(x, weights(3, 3, 4, 8), 2, "SAME"), [(1, 10, 12, 4)], 5 * 6 * 8 * 9 * 4),
        (lambda x: tf.nn.conv2d(x, weights(1, 3, 4, 8), 1, "VALID"), [(1, 9, 9, 4)], 9 * 7 * 8 * 3 * 4),
        (
            lambda x: tf.nn.depthwise_conv2d(x, weights(3, 5, 4, 2), [1, 1, 1, 1], "SAME"),
            [(1, 6, 7, 4)],
            6 * 7 * 8 * 15,
        ),
        (
            lambda x: tf.nn.conv2d_transpose(x, weights(4, 4, 6, 3), (1, 12, 10, 6), 2, "SAME"),
            [(1, 6, 5, 3)],
            6 * 5 * 3 * 16 * 6,
        ),
        (lambda x: x @ weights(16, 5), [(1, 16)], 16 * 5),
        (lambda a, b: tf.matmul(a, b), [(2, 3, 7), (2, 7, 5)], 2 * 3 * 5 * 7),
        (lambda a, b: tf.matmul(a, b, adjoint_a=True), [(2, 7, 3), (2, 7, 5)], 2 * 3 * 5 * 7),
        (lambda a, b: tf.nn.relu(a * b) + a, [(1, 4), (1, 4)], 0),
    ],
)
def test_known_operators(function: Callable[..., Any], shapes: list[tuple[int, ...]], macs: int) -> None:
    """Every kind of product has the count that its definition gives; element-wise operators have none."""
    cost = graph_cost(converted(function, *shapes))
    assert cost is not None
    assert cost.total_macs == macs
    assert cost.macs == ({"float32": macs} if macs else {})
    assert cost.operators > 0


def test_weights_are_counted_once() -> None:
    """A kernel that two convolutions share is read into the cache once."""
    kernel = weights(3, 3, 4, 4)

    def twice(x: Any) -> Any:
        return tf.nn.conv2d(tf.nn.conv2d(x, kernel, 1, "SAME"), kernel, 1, "SAME")

    cost = graph_cost(converted(twice, (1, 8, 8, 4)))
    assert cost is not None
    kernel_bytes, biases = 3 * 3 * 4 * 4 * 4, 2 * 4 * 4
    assert kernel_bytes <= cost.weight_bytes <= kernel_bytes + biases


def test_weights_alone_in_int8_are_dynamic() -> None:
    """Float activations with int8 weights are neither float32 nor int8."""
    cost = graph_cost(converted(lambda x: x @ weights(64, 64), (1, 64), optimise=True))
    assert cost is not None
    assert cost.macs == {"dynamic": 64 * 64}


@pytest.mark.parametrize("arithmetic", ["int8", "float32"])
def test_a_chain_counts_what_it_says(arithmetic: Any) -> None:
    """The chain of convolutions that peaks are measured with has as many multiplications as it claims."""
    chain = Chain(side=5, channels=6, kernel=3, depth=2)
    cost = graph_cost(conv_chain(chain, arithmetic))
    assert cost is not None
    assert cost.macs == {arithmetic: chain.macs}
    assert chain.macs == 25 * 9 * (4 * 6 + 2 * 6 * 6 + 6 * 4)
    assert cost.operators == 4


def test_loops_cannot_be_counted() -> None:
    """A graph that calls subgraphs, how often is not known, has no count instead of a wrong one."""

    def loop(x: Any) -> Any:
        return tf.while_loop(lambda z: tf.reduce_sum(z) < 9, lambda z: (z + z @ weights(4, 4),), (x,))[0]

    assert graph_cost(converted(loop, (1, 4))) is None


def test_what_is_no_graph_has_no_count() -> None:
    """Rubbish, a cut file, and a signature that is not there are None, not an error."""
    whole = conv_chain(Chain(4, 4, 1, 1), "int8")
    assert graph_cost(whole) is not None
    assert graph_cost(whole, "steps_8") is None
    for bad in (b"", b"\0" * 64, b"\xff" * 64, whole[:40], whole[: len(whole) // 2]):
        assert graph_cost(bad) is None


def test_a_damaged_graph_is_no_error() -> None:
    """Whatever bytes are cut off or changed, there is a count or none."""
    whole = conv_chain(Chain(4, 4, 1, 1), "int8")
    rng = np.random.default_rng(0)
    nameless = unpacked(whole)
    nameless.signatureDefs[0].signatureKey = None
    damaged = [packed(nameless), *(whole[:length] for length in range(0, len(whole), 16))]
    for _ in range(1000):
        changed = np.frombuffer(whole, np.uint8).copy()
        changed[rng.integers(0, len(whole), rng.integers(1, 4))] = rng.integers(0, 256)
        damaged.append(changed.tobytes())
    found = [graph_cost(one) for one in damaged]
    assert 0 < found.count(None) < len(found)


def test_without_litert_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device with the older runtime alone has a bench without counts, not an error."""
    whole = conv_chain(Chain(4, 4, 1, 1), "int8")
    monkeypatch.delitem(sys.modules, "sranogan_edge.runtime.tflite_file")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    assert graph_cost(whole) is None


def test_a_bundle_counts_by_budget(tiny_bundle: Path) -> None:
    """Every graph of a bundle can be counted; more steps cost more."""
    bundle = read_bundle(tiny_bundle)
    totals = []
    for steps in sorted(bundle.budgets):
        costs = [graph_cost(bundle.graphs[name], signature(name, steps)) for name in GRAPHS]
        assert all(cost is not None and cost.total_macs > 0 and cost.weight_bytes > 0 for cost in costs)
        totals.append(costs[0].total_macs if costs[0] else 0)
    assert totals == sorted(set(totals))
