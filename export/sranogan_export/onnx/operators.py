"""What each TFLite operator is called in ONNX: one small function for each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sranogan_export.onnx.builder import TO_CHANNELS_FIRST, OnnxBuilder, refused

Write = Callable[[OnnxBuilder, Any], str]  # appends the nodes of an operator, returns its only output
AXES = {0: 0, 1: 2, 2: 3, 3: 1}  # where an axis, channels last, is found channels first
ACTIVATIONS: dict[int, tuple[float, float | None] | None] = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: (0.0, None),
    schema.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    schema.ActivationFunctionType.RELU6: (0.0, 6.0),
}


def write_operator(graph: OnnxBuilder, node: Any, name: str) -> None:
    """Append TFLite operator ``node`` of kind ``name`` to ``graph``; raises BackendError if it is unknown."""
    if name not in OPERATORS:
        raise refused(f"operator {name} has no counterpart here")
    if name == "DEQUANTIZE" and graph.unpack(node.inputs[0], node.outputs[0]):
        return
    value = OPERATORS[name](graph, node)
    fused = getattr(node.builtinOptions, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
    value = _activated(graph, fused, value)
    graph.finish(node.outputs[0], value)


def _activated(graph: OnnxBuilder, fused: int, value: str) -> str:
    if fused not in ACTIVATIONS:
        raise refused(f"fused activation {fused} has no counterpart here")
    limits = ACTIVATIONS[fused]
    if limits is None:
        return value
    return _clipped(graph, value, *limits)


def _clipped(graph: OnnxBuilder, value: str, low: float, high: float | None) -> str:
    if high is None:
        return graph.add("Relu", [value])
    ends = [graph.initializer(f"limit_{end}", np.array(end, np.float32)) for end in (low, high)]
    return graph.add("Clip", [value, *ends])


def _plain(kind: str, said: Callable[[Any], dict[str, Any]] = lambda options: {}) -> Write:
    """An operator on one tensor that goes by another name; ``said``: its attributes, from the options."""
    return lambda graph, node: graph.add(kind, [graph.value(node.inputs[0])], **said(node.builtinOptions))


def _of_several(kind: str) -> Write:
    """An operator on several tensors, computed or constant, element by element."""

    def write(graph: OnnxBuilder, node: Any) -> str:
        rank = len(graph.shape(node.outputs[0]))
        return graph.add(kind, [graph.operand(index, rank) for index in node.inputs])

    return write


def _one_over_root(graph: OnnxBuilder, node: Any) -> str:
    return graph.add("Reciprocal", [graph.add("Sqrt", [graph.value(node.inputs[0])])])


def _same(graph: OnnxBuilder, node: Any) -> str:
    """QUANTIZE and DEQUANTIZE: tensors are floats here already; the output's own rounding follows."""
    return graph.operand(node.inputs[0], len(graph.shape(node.inputs[0])))


def _convolution(graph: OnnxBuilder, node: Any) -> str:
    data, kernel = node.inputs[:2]
    stored = _kernel(graph, kernel)
    return _convolve(graph, node, graph.value(data), stored.transpose(TO_CHANNELS_FIRST), 1)


def _depthwise(graph: OnnxBuilder, node: Any) -> str:
    data, kernel = node.inputs[:2]
    groups = graph.shape(data)[3]
    stored = _kernel(graph, kernel).transpose(3, 0, 1, 2)
    return _convolve(graph, node, graph.value(data), stored, groups)


def _convolve(graph: OnnxBuilder, node: Any, data: str, kernel: Any, groups: int) -> str:
    options = node.builtinOptions
    strides = [options.strideH, options.strideW]
    dilations = [options.dilationHFactor, options.dilationWFactor]
    sides, ends = graph.shape(node.inputs[0])[1:3], graph.shape(node.outputs[0])[1:3]
    pads = [0, 0]
    if options.padding == schema.Padding.SAME:
        reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel.shape[2:], strict=True)]
        axes = zip(ends, strides, reach, sides, strict=True)
        pads = [max(0, (end - 1) * stride + r - side) for end, stride, r, side in axes]
    before = [pad // 2 for pad in pads]
    inputs = [data, graph.weights(node.inputs[1], kernel, "kernel"), *_bias(graph, node)]
    return graph.add(
        "Conv",
        inputs,
        strides=strides,
        dilations=dilations,
        group=groups,
        pads=[*before, *(pad - first for pad, first in zip(pads, before, strict=True))],
    )


def _kernel(graph: OnnxBuilder, index: int) -> Any:
    stored = graph.constant(index)
    if stored is None:
        raise refused("a kernel is computed, not constant")
    return stored


def _bias(graph: OnnxBuilder, node: Any) -> list[str]:
    if len(node.inputs) < 3 or node.inputs[2] < 0:
        return []
    return [graph.weights(node.inputs[2], _kernel(graph, node.inputs[2]), "bias")]


def _product(graph: OnnxBuilder, node: Any) -> str:
    data, kernel = node.inputs[:2]
    stored, value = _kernel(graph, kernel), graph.channels_last(data)
    if len(graph.shape(data)) != 2:
        value = graph.add("Reshape", [value, graph.integers([-1, stored.shape[1]])])
    inputs = [value, graph.weights(kernel, stored, "matrix"), *_bias(graph, node)]
    made = graph.add("Gemm", inputs, transB=1)
    return _from_channels_last(graph, made, graph.shape(node.outputs[0]), known=2)


def _from_channels_last(graph: OnnxBuilder, value: str, shape: tuple[int, ...], known: int = -1) -> str:
    if len(shape) != known:
        value = graph.add("Reshape", [value, graph.integers(list(shape))])
    return graph.add("Transpose", [value], perm=TO_CHANNELS_FIRST) if len(shape) == 4 else value


def _resized(kind: str) -> Write:
    def write(graph: OnnxBuilder, node: Any) -> str:
        options, (batch, height, width, channels) = node.builtinOptions, graph.shape(node.outputs[0])
        where = "asymmetric"
        if options.alignCorners or options.halfPixelCenters:
            where = "align_corners" if options.alignCorners else "half_pixel"
        sizes = graph.integers([batch, channels, height, width])
        inputs, how = [graph.value(node.inputs[0]), "", "", sizes], {"mode": kind, "nearest_mode": "floor"}
        return graph.add("Resize", inputs, coordinate_transformation_mode=where, **how)

    return write


def _joined(graph: OnnxBuilder, node: Any) -> str:
    rank = len(graph.shape(node.outputs[0]))
    axis = int(node.builtinOptions.axis) % rank
    values = [graph.operand(index, rank) for index in node.inputs]
    return graph.add("Concat", values, axis=AXES[axis] if rank == 4 else axis)


def _padded(graph: OnnxBuilder, node: Any) -> str:
    widths = _kernel(graph, node.inputs[1]).tolist()
    if len(widths) == 4:
        widths = [widths[axis] for axis in TO_CHANNELS_FIRST]
    ends = [int(pair[end]) for end in (0, 1) for pair in widths]
    return graph.add("Pad", [graph.value(node.inputs[0]), graph.integers(ends)])


def _reduced(kind: str) -> Write:
    """MEAN and SUM; ONNX has the axes of the one as an attribute, of the other as an input."""

    def write(graph: OnnxBuilder, node: Any) -> str:
        rank, keep = len(graph.shape(node.inputs[0])), bool(node.builtinOptions.keepDims)
        axes = [int(axis) % rank for axis in np.ravel(_kernel(graph, node.inputs[1]))]
        value = graph.value(node.inputs[0]) if keep else graph.channels_last(node.inputs[0])
        if keep and rank == 4:
            axes = [AXES[axis] for axis in axes]
        if kind == "ReduceSum":
            return graph.add(kind, [value, graph.integers(axes)], keepdims=int(keep))
        return graph.add(kind, [value], axes=axes, keepdims=int(keep))

    return write


OPERATORS: dict[str, Write] = {
    "ABS": _plain("Abs"),
    "ADD": _of_several("Add"),
    "CONCATENATION": _joined,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEPTH_TO_SPACE": _plain("DepthToSpace", lambda said: {"blocksize": int(said.blockSize), "mode": "DCR"}),
    "DEQUANTIZE": _same,
    "DIV": _of_several("Div"),
    "EXP": _plain("Exp"),
    "FULLY_CONNECTED": _product,
    "LEAKY_RELU": _plain("LeakyRelu", lambda said: {"alpha": float(said.alpha)}),
    "LOGISTIC": _plain("Sigmoid"),
    "MAXIMUM": _of_several("Max"),
    "MEAN": _reduced("ReduceMean"),
    "MINIMUM": _of_several("Min"),
    "MUL": _of_several("Mul"),
    "NEG": _plain("Neg"),
    "PAD": _padded,
    "QUANTIZE": _same,
    "RELU": _plain("Relu"),
    "RELU6": lambda graph, node: _clipped(graph, graph.value(node.inputs[0]), 0.0, 6.0),
    "RESHAPE": lambda graph, node: _from_channels_last(
        graph, graph.channels_last(node.inputs[0]), graph.shape(node.outputs[0])
    ),
    "RESIZE_BILINEAR": _resized("linear"),
    "RESIZE_NEAREST_NEIGHBOR": _resized("nearest"),
    "RSQRT": _one_over_root,
    "SIGN": _plain("Sign"),
    "SPACE_TO_DEPTH": _plain("SpaceToDepth", lambda said: {"blocksize": int(said.blockSize)}),
    "SQRT": _plain("Sqrt"),
    "SQUARE": lambda graph, node: graph.add("Mul", [graph.value(node.inputs[0])] * 2),
    "SUB": _of_several("Sub"),
    "SUM": _reduced("ReduceSum"),
    "TANH": _plain("Tanh"),
}

__all__ = ["OPERATORS", "write_operator"]
