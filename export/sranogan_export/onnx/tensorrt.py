"""What TensorRT takes, checked on the file: its parser runs on the device alone, and refuses there.

The table is that of onnx-tensorrt's ``docs/operators.md`` for the version below, cut down to what the
graphs are written in. Where it goes on from there is TensorRT's own affair: no engine is built here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

from sranogan_edge.errors import BackendError
from sranogan_export.onnx.placement import DEQUANTIZE, QUANTIZE, parted

__all__ = ["TENSORRT", "check_tensorrt", "violations"]

TENSORRT = "10.15"  # the version of the table
OPSETS = range(9, 25)
FLOATS, INDICES = frozenset({"FLOAT", "FLOAT16", "BFLOAT16"}), frozenset({"INT32", "INT64"})
NUMBERS = FLOATS | INDICES
ANY = NUMBERS | {"BOOL"}
OPERATORS: dict[str, frozenset[str]] = {  # the types that their first input may have
    **dict.fromkeys(("Abs", "Add", "DepthToSpace", "Div", "Max", "Min", "Mul", "Neg", "Pad"), NUMBERS),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "Relu", "Sign", "SpaceToDepth", "Sub"), NUMBERS),
    **dict.fromkeys(("Clip", "Conv", "Exp", "Gemm", "LeakyRelu", "Reciprocal"), FLOATS),
    **dict.fromkeys(("Resize", "Sigmoid", "Sqrt", "Tanh", QUANTIZE), FLOATS),
    **dict.fromkeys(("Concat", "Identity", "Reshape", "Transpose"), ANY),
    "Cast": ANY | {"UINT8"},
    DEQUANTIZE: frozenset({"INT8"}),
}
RESIZES = {
    "mode": {"nearest", "linear"},
    "coordinate_transformation_mode": {
        *("half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners")
    },
    "nearest_mode": {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"},
}


def check_tensorrt(models: dict[str, bytes]) -> None:
    """Raise BackendError where TensorRT would refuse one of ``models``, by name."""
    for name, model in models.items():
        found = violations(model)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise BackendError(
                f"TensorRT {TENSORRT} would refuse graph {name!r}: {found[0]}{more}. Export int8 with "
                "--symmetric, or another recipe: --float32 or --float16."
            )


def violations(model: bytes) -> list[str]:
    """Return all that TensorRT would refuse in an ``.onnx`` file, in words; empty where it takes it."""
    opened = onnx.load_model_from_string(model)
    try:
        opened = onnx.shape_inference.infer_shapes(opened, check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        return [f"its shapes cannot be told: {' '.join(str(error).split())}"]
    return [*_opsets(opened), *_shapes(opened.graph), *_operators(opened.graph), *_roundings(opened.graph)]


def _opsets(model: onnx.ModelProto) -> Iterator[str]:
    for one in model.opset_import:
        if one.domain or one.version not in OPSETS:
            yield f"operators of {one.domain or 'opset'} {one.version}"


def _shapes(graph: onnx.GraphProto) -> Iterator[str]:
    known = {one.name: one for one in (*graph.input, *graph.value_info, *graph.output)}
    for node in graph.node:
        for name in node.output:
            if name not in known:
                yield f"the shape of {name} is not known"
    for one in known.values():
        sides = one.type.tensor_type.shape.dim
        if not all(side.HasField("dim_value") and side.dim_value > 0 for side in sides):
            yield f"the shape of {one.name} is not fixed"


def _types(graph: onnx.GraphProto) -> dict[str, str]:
    """Return the type of each tensor, by name."""
    computed = (*graph.input, *graph.value_info, *graph.output)
    numbers = {one.name: one.type.tensor_type.elem_type for one in computed}
    numbers |= {one.name: one.data_type for one in graph.initializer}
    return {name: onnx.TensorProto.DataType.Name(number) for name, number in numbers.items()}


def _operators(graph: onnx.GraphProto) -> Iterator[str]:
    types = _types(graph)
    for node in graph.node:
        allowed = OPERATORS.get(node.op_type)
        if allowed is None:
            yield f"{node.name}: operator {node.op_type} is not among those that are known to be taken"
        elif types.get(node.input[0]) not in allowed:
            yield f"{node.name}: {node.op_type} of {types.get(node.input[0])}"
        for attribute in node.attribute if node.op_type == "Resize" else ():
            said = onnx.helper.get_attribute_value(attribute)
            if attribute.name in RESIZES and said.decode() not in RESIZES[attribute.name]:
                yield f"{node.name}: {attribute.name} {said.decode()}"


def _roundings(graph: onnx.GraphProto) -> Iterator[str]:
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in (QUANTIZE, DEQUANTIZE):
            yield from _rounding(node, constants)
        kernel = made.get(node.input[1]) if node.op_type == "Conv" else None
        if kernel is not None and kernel.op_type == DEQUANTIZE:
            scale, stored = constants.get(kernel.input[1]), constants.get(kernel.input[0])
            if scale is None or stored is None or scale.size != len(stored):
                yield f"{node.name}: its kernel has not one scale for each channel"
    for quantize, dequantize in parted(graph):
        yield f"{quantize.name} and {dequantize.name} keep operators apart that would fuse"


def _rounding(node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> Iterator[str]:
    scale = constants.get(node.input[1])
    if scale is None or not (np.isfinite(scale).all() and (scale > 0).all()):
        yield f"{node.name}: its scale is no constant above 0"
    if len(node.input) < 3 or not node.input[2]:
        yield from [f"{node.name}: rounds to UINT8"] if node.op_type == QUANTIZE else []
        return
    zero = constants.get(node.input[2])
    if zero is None:
        yield f"{node.name}: its zero point is computed"
    elif zero.any():
        yield f"{node.name}: its zero point is {zero[zero != 0].ravel()[0]}"
    elif zero.dtype != np.int8:
        yield f"{node.name}: rounds to {zero.dtype.name.upper()}"
