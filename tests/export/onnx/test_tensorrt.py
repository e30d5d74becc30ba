"""What TensorRT takes: every graph of a symmetric bundle, and none with a planted fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.bundle.bundle import Bundle, onnx_names, read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import BackendError, SettingsError
from sranogan_edge.runtime.tflite_file import unpacked
from sranogan_export.recipe import ExportOptions

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from sranogan_export.onnx.tensorrt import TENSORRT, check_tensorrt, violations  # noqa: E402  # after the look
from sranogan_export.onnx.write import onnx_graphs  # noqa: E402

helper, FLOAT, INT8 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT8
ARRAYS = {"scale": np.array(0.1, np.float32), "zero": np.array(0, np.int8)}


@pytest.fixture(scope="session")
def symmetric(bundle_of: Callable[..., Path]) -> Bundle:
    """Export the tiny run with zero points of 0, in two budgets, with ONNX, once."""
    return read_bundle(bundle_of("symmetric", engine="none", symmetric=True, budgets=(0,), onnx=True))


def file(nodes: list[Any], arrays: dict[str, Any], shape: Any = (1, 4, 4, 2)) -> bytes:
    """An ONNX file that makes ``y`` of ``x``."""
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in {**ARRAYS, **arrays}.items()]
    ports = [
        helper.make_tensor_value_info("x", FLOAT, shape),
        helper.make_tensor_value_info("y", FLOAT, None),
    ]
    graph = helper.make_graph(nodes, "test", ports[:1], ports[1:], tensors)
    made: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    return made


def node(kind: str, *inputs: str, out: str = "y", **attributes: Any) -> Any:
    """A node that is named after what it makes."""
    return helper.make_node(kind, list(inputs), [out], out, **attributes)


def rounded(value: str, out: str, zero: str = "zero") -> list[Any]:
    """A pair of roundings."""
    return [
        node("QuantizeLinear", value, "scale", zero, out=f"{out}_q"),
        node("DequantizeLinear", f"{out}_q", "scale", zero, out=out),
    ]


KERNEL = np.ones((3, 2, 1, 1), np.float32)
INT8_KERNEL = {
    "k": np.ones((3, 2, 1, 1), np.int8),
    "k_scale": np.ones(3, np.float32),
    "k_zero": np.zeros(3, np.int8),
}
FAULTS: dict[str, tuple[bytes, str]] = {
    "a zero point": (
        file(rounded("x", "y", "off"), {"off": np.array(-128, np.int8)}),
        "y_q: its zero point is -128",
    ),
    "one zero point of several": (
        file(
            [node("DequantizeLinear", "k", "k_scale", "k_zero", out="w", axis=0), node("Conv", "x", "w")],
            {**INT8_KERNEL, "k_zero": np.array([0, 0, 1], np.int8)},
            (1, 2, 4, 4),
        ),
        "w: its zero point is 1",
    ),
    "a bias of int32": (
        file(
            [node("DequantizeLinear", "b", "scale", out="f"), node("Conv", "x", "k", "f")],
            {"b": np.ones(3, np.int32), "k": KERNEL},
            (1, 2, 4, 4),
        ),
        "f: DequantizeLinear of INT32",
    ),
    "unsigned integers": (
        file(rounded("x", "y", "unsigned"), {"unsigned": np.array(0, np.uint8)}),
        "y_q: rounds to UINT8",
    ),
    "unsigned integers unsaid": (
        file([node("QuantizeLinear", "x", "scale", out="q"), node("DequantizeLinear", "q", "scale")], {}),
        "q: rounds to UINT8",
    ),
    "a scale of 0": (
        file(
            [
                *rounded("x", "r"),
                node("QuantizeLinear", "r", "none", "zero", out="q"),
                node("DequantizeLinear", "q", "none", "zero"),
            ],
            {"none": np.array(0, np.float32)},
        ),
        "q: its scale is no constant above 0",
    ),
    "an unknown operator": (file([node("Det", "x")], {}, (1, 2, 4, 4)), "y: operator Det is not among"),
    "shapes that do not fit": (file([node("Det", "x")], {}), "its shapes cannot be told"),
    "a type that an operator lacks": (
        file(
            [
                node("Cast", "x", out="i", to=onnx.TensorProto.INT32),
                node("Abs", "i", out="a"),
                node("Sigmoid", "d", out="s"),
                node("Cast", "s", to=FLOAT),
            ],
            {"d": np.ones(2, np.float64)},
        ),
        "s: Sigmoid of DOUBLE",
    ),
    "a side that is not fixed": (
        file([node("Relu", "x")], {}, ("n", 4, 4, 2)),
        "the shape of x is not fixed",
    ),
    "a kernel with one scale": (
        file(
            [node("DequantizeLinear", "k", "scale", "zero", out="w"), node("Conv", "x", "w")],
            {"k": INT8_KERNEL["k"]},
            (1, 2, 4, 4),
        ),
        "y: its kernel has not one scale for each channel",
    ),
    "a rounding between what fuses": (
        file(
            [node("Conv", "x", "k", out="c"), *rounded("c", "r"), node("LeakyRelu", "r")],
            {"k": KERNEL},
            (1, 2, 4, 4),
        ),
        "r_q and r keep operators apart",
    ),
    "cubic": (
        file(
            [node("Resize", "x", "", "", "sizes", mode="cubic")], {"sizes": np.array([1, 4, 8, 4], np.int64)}
        ),
        "y: mode cubic",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    """Each thing that TensorRT refuses is found, with the node's name and what is wrong with it."""
    model, words = FAULTS[fault]
    assert any(words in found for found in violations(model)), violations(model)
    with pytest.raises(BackendError, match=rf"TensorRT {TENSORRT} would refuse graph 'g': .*--symmetric"):
        check_tensorrt({"fine": file([node("Relu", "x")], {}), "g": model})


def test_what_is_right_passes() -> None:
    """Signed roundings around 0, a kernel with a scale for each channel and static shapes are taken."""
    nodes = [
        *rounded("x", "r"),
        node("DequantizeLinear", "k", "k_scale", "k_zero", out="w", axis=0),
        node("Conv", "r", "w", out="c"),
        node("Relu", "c", out="a"),
        *rounded("a", "y"),
    ]
    assert violations(file(nodes, INT8_KERNEL, (1, 2, 4, 4))) == []


def test_every_graph_of_a_symmetric_bundle_is_taken(symmetric: Bundle) -> None:
    """Of each budget, the graphs as written have nothing that TensorRT refuses; the manifest says so."""
    assert set(symmetric.onnx) == set(onnx_names(symmetric.budgets))
    assert len(symmetric.budgets) == 2
    assert [violations(symmetric.onnx[name]) for name in onnx_names(symmetric.budgets)] == [[]] * 5
    assert symmetric.details["tensorrt"] == {"version": TENSORRT, "refused": {}}
    assert symmetric.details["quantisation"]["symmetric"] is True
    assert "int8 with zero points of 0" in symmetric.model_card


@pytest.mark.parametrize("steps", [0, 3])
def test_a_symmetric_bundle_proves_itself(symmetric: Bundle, steps: int) -> None:
    """Of each budget TFLite and ONNX Runtime reproduce the golden scores."""
    for backend in ("xnnpack", "onnx"):
        assert open_detector(symmetric, backend=backend, steps=steps).backend.name == backend


def test_symmetric_tflite_has_zero_points_of_0(symmetric: Bundle) -> None:
    """What is computed has zero points of 0, but for a sigmoid, whose integer kernel knows one alone."""
    for name, model in symmetric.graphs.items():
        opened = unpacked(model)
        for graph in opened.subgraphs:
            made = {index: one for one in graph.operators for index in one.outputs}
            for index, tensor in enumerate(graph.tensors):
                zeros = tensor.quantization.zeroPoint if tensor.quantization else None
                if index not in made or zeros is None or not np.any(zeros):
                    continue
                code = opened.operatorCodes[made[index].opcodeIndex]
                assert code.builtinCode == 14, f"{name}: {tensor.name}"  # LOGISTIC


def test_other_int8_says_that_it_is_refused(tiny_bundle: Path) -> None:
    """An int8 bundle with zero points as they come is written all the same, and would be refused."""
    bundle = read_bundle(tiny_bundle)
    for name, model in onnx_graphs(bundle.graphs, bundle.budgets).items():
        assert any("its zero point is -128" in found for found in violations(model)), name
        assert not any("INT32" in found or "apart" in found for found in violations(model)), name


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic"])
def test_symmetric_is_of_int8_alone(recipe: Any) -> None:
    """Asked for with a recipe that has no zero points, it is a usage error."""
    with pytest.raises(SettingsError, match=rf"--symmetric .*{recipe} has none"):
        ExportOptions(recipe=recipe, symmetric=True)
