"""Where the roundings stand: a QuantizeLinear and its DequantizeLinear keep operators apart that would fuse.

TensorRT computes a convolution or a product and the activation behind it as one, and puts the rounding of
the result into it; a pair between the two would end the first in int8 and begin the second anew. TFLite
has such pairs where an activation is an operator of its own. It also rounds a sigmoid twice, since its own
integer kernel knows one scale alone. Both pairs are left out here: the numbers become more exact by them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import onnx

__all__ = ["ACTIVATIONS", "LINEAR", "merge_roundings", "pairs", "parted"]

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
LINEAR = ("Conv", "Gemm")
ACTIVATIONS = ("Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh")  # what fuses with what is linear


class _Graph:
    """Who makes and who takes each tensor."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.makers = {name: node for node in graph.node for name in node.output}
        self.takers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.takers[name].append(node)


def pairs(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Yield each QuantizeLinear with the DequantizeLinear behind it."""
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        before = makers.get(node.input[0]) if node.op_type == DEQUANTIZE else None
        if before is not None and before.op_type == QUANTIZE:
            yield before, node


def parted(graph: onnx.GraphProto) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Return the pairs that stand between operators which TensorRT would fuse."""
    whole, found = _Graph(graph), []
    for quantize, dequantize in pairs(graph):
        maker, takers = whole.makers.get(quantize.input[0]), whole.takers[dequantize.output[0]]
        alone = len(takers) == 1 and len(whole.takers[quantize.input[0]]) == 1
        if maker is None or not alone or len(whole.takers[quantize.output[0]]) > 1:
            continue
        if maker.op_type in LINEAR and takers[0].op_type in ACTIVATIONS:
            found.append((quantize, dequantize))
    return found


def merge_roundings(graph: onnx.GraphProto) -> None:
    """Take the needless pairs out of ``graph``."""
    for quantize, dequantize in [*parted(graph), *_twice(graph)]:
        for node in graph.node:
            for place, name in enumerate(node.input):
                if name == dequantize.output[0]:
                    node.input[place] = quantize.input[0]
        graph.node.remove(quantize)
        graph.node.remove(dequantize)
    used = {name for node in graph.node for name in node.input}
    for tensor in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(tensor)


def _twice(graph: onnx.GraphProto) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Return the pairs that round a sigmoid, where it is rounded anew behind each of them."""
    whole, found = _Graph(graph), []
    for quantize, dequantize in pairs(graph):
        maker, takers = whole.makers.get(quantize.input[0]), whole.takers[dequantize.output[0]]
        anew = bool(takers) and all(taker.op_type == QUANTIZE for taker in takers)
        if (
            maker is not None
            and maker.op_type == "Sigmoid"
            and anew
            and len(whole.takers[quantize.output[0]]) == 1
        ):
            found.append((quantize, dequantize))
    return found
