"""Small ONNX files."""

from __future__ import annotations

import pytest


def sum_and_difference() -> bytes:
    """A graph with two inputs and two outputs ``(1, 2, 3)``; skips where onnx is not installed."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Sub", ["a", "b"], ["difference"]),
    ]
    taken, given = (
        [helper.make_tensor_value_info(name, kind, (1, 2, 3)) for name in names]
        for names in (("a", "b"), ("difference", "sum"))
    )
    graph = helper.make_graph(nodes, "test", taken, given)
    opset = [helper.make_opsetid("", 17)]
    model: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return model
