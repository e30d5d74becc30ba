"""ONNX in half precision: what is halved, what is not, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.bundle.bundle import read_bundle, signature
from sranogan_edge.runtime.graph import open_graph

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from sranogan_export.onnx.half import halved, optimiser  # noqa: E402  # after the look for onnx
from sranogan_export.onnx.tensorrt import violations  # noqa: E402
from sranogan_export.onnx.write import onnx_graph, onnx_graphs  # noqa: E402

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def types(model: bytes) -> tuple[Any, dict[str, int]]:
    """The graph, and the type of each tensor."""
    graph = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(model), strict_mode=True).graph
    found = {
        one.name: one.type.tensor_type.elem_type for one in (*graph.input, *graph.value_info, *graph.output)
    }
    return graph, found | {one.name: one.data_type for one in graph.initializer}


def test_all_but_the_optimiser_is_halved(export_tiny: Callable[[str], Path]) -> None:
    """Convolutions and products are of half floats; what divides stays float32, as do inputs and outputs."""
    bundle = read_bundle(export_tiny("float32"))
    model = onnx_graph(bundle.graphs["search"], signature("search", bundle.steps))
    graph, kinds = types(halved(model))
    of = {
        kind: {kinds[one.input[0]] for one in graph.node if one.op_type == kind}
        for kind in ("Conv", "Gemm", "Sub")
    }
    assert of["Conv"] == of["Gemm"] == {HALF}
    assert {kinds[one.output[0]] for one in graph.node if one.op_type in ("Div", "Sqrt")} == {FLOAT}
    assert {kinds[one.name] for one in (*graph.input, *graph.output)} == {FLOAT}
    plain, _ = types(model)
    kept = [one.op_type for one in plain.node if one.name in optimiser(plain)]
    assert kept.count("Div") == kept.count("Sqrt") == bundle.steps
    assert kept.count("Mul") >= 4 * bundle.steps  # both means: their decay, the gradient's share, its square
    assert not {"Conv", "Gemm", "Reshape", "Transpose"} & set(kept)
    assert len(halved(model)) < 0.6 * len(model)


def test_graphs_without_an_optimiser_have_no_float_inside(export_tiny: Callable[[str], Path]) -> None:
    """Of the other graphs only the borders are cast, and TensorRT takes all of them."""
    bundle = read_bundle(export_tiny("float32"))
    for name, model in onnx_graphs(bundle.graphs, bundle.budgets, half=True).items():
        assert violations(model) == []
        if name.startswith("search"):
            continue
        graph, _ = types(model)
        assert sum(one.op_type == "Cast" for one in graph.node) == len(graph.input) + len(graph.output)


def test_squares_of_small_gradients_survive() -> None:
    """A step of Adam on gradients whose squares vanish in half floats is the step that float32 takes."""
    helper = onnx.helper
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["g"], "g"),
        helper.make_node("Mul", ["g", "g"], ["square"], "square"),
        helper.make_node("Sqrt", ["square"], ["root"], "root"),
        helper.make_node("Add", ["root", "epsilon"], ["shifted"], "shifted"),
        helper.make_node("Div", ["g", "shifted"], ["step"], "step"),
        helper.make_node("Identity", ["step"], ["y"], "y"),
    ]
    arrays = {"w": np.eye(4, dtype=np.float32), "epsilon": np.array(1e-7, np.float32)}
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    ports = [helper.make_tensor_value_info(name, FLOAT, (1, 4)) for name in "xy"]
    graph = helper.make_graph(nodes, "step", ports[:1], ports[1:], tensors)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    x = np.array([[1e-4, -1e-4, 2e-5, 0.5]], np.float32)
    found = open_graph(halved(model), name="step", backend="onnx")({"x": x})["y"]
    np.testing.assert_allclose(found, np.sign(x), atol=0.01)


def test_a_half_bundle_proves_itself(bundle_of: Callable[..., Path]) -> None:
    """--float16 --onnx writes half floats, which reproduce the golden scores on ONNX Runtime."""
    from sranogan_edge.detector.open import open_detector

    bundle = read_bundle(bundle_of("half", recipe="float16", engine="none", onnx=True))
    _, kinds = types(bundle.onnx["head"])
    assert HALF in kinds.values()
    assert bundle.details["tensorrt"]["refused"] == {}
    assert open_detector(bundle, backend="onnx").backend.name == "onnx"
