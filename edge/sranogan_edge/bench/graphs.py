"""What one run of a graph costs: multiplications counted from its operators, and bytes of weights.

Reads the ``.tflite`` file itself (a flatbuffer), not a runtime's view of it: that view differs by
runtime and by what a delegate took.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CALLS = ("IF", "WHILE", "CALL_ONCE")  # they run other subgraphs, how often is not known
KINDS = ("FLOAT32", "FLOAT16", "INT32", "UINT8", "INT16", "INT8")


@dataclass(frozen=True)
class GraphCost:
    """What one run costs.

    Attributes:
        macs: multiply-accumulates by arithmetic: ``int8``, ``int16``, ``float32``, or ``dynamic`` (float
            activations, rounded on the fly, times int8 weights).
        weight_bytes: constants that the operators read, each counted once.
        operators: how many there are.
    """

    macs: Mapping[str, int]
    weight_bytes: int
    operators: int

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one run, float and integer together."""
        return sum(self.macs.values())


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]
    kind: str
    buffer: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def graph_cost(model: bytes, signature: str = "serving_default") -> GraphCost | None:
    """Count the operators of ``signature`` in a ``.tflite`` file.

    None where it cannot be told: the file is no TFLite model, has no such signature, calls subgraphs in
    loops, or LiteRT is not installed. Convolutions, matrix products and fully connected layers count;
    element-wise operators do not.
    """
    try:
        from sranogan_edge.runtime.tflite_file import unpacked

        return _cost(unpacked(model), signature)
    except ImportError:  # LiteRT, which knows the format, is not here
        return None
    except (struct.error, LookupError, ValueError, TypeError, AttributeError):  # of a damaged file
        return None


def _cost(model: Any, signature: str) -> GraphCost | None:
    from sranogan_edge.runtime.tflite_file import operator_name, schema

    kinds = {getattr(schema.TensorType, kind): kind.lower() for kind in KINDS}
    defined = {one.signatureKey.decode(): one.subgraphIndex for one in model.signatureDefs or ()}
    if signature not in defined:
        return None
    graph = model.subgraphs[defined[signature]]
    codes = [operator_name(code) for code in model.operatorCodes]
    tensors = [
        _Tensor(
            tuple(map(int, one.shape if one.shape is not None else ())),
            kinds.get(one.type, "other"),
            one.buffer,
        )
        for one in graph.tensors
    ]
    macs: dict[str, int] = {}
    read: set[int] = set()
    for operator in graph.operators:
        name = codes[operator.opcodeIndex]
        if name in CALLS:
            return None
        inputs = [tensors[i] for i in operator.inputs if i >= 0]
        read |= {tensor.buffer for tensor in inputs}
        count, arithmetic = _macs(name, inputs, [tensors[i] for i in operator.outputs])
        if count:
            macs[arithmetic] = macs.get(arithmetic, 0) + count
    stored = (model.buffers[buffer].data for buffer in read)
    return GraphCost(macs, sum(len(data) for data in stored if data is not None), len(graph.operators))


def _macs(name: str, inputs: list[_Tensor], outputs: list[_Tensor]) -> tuple[int, str]:
    """Return how many multiplications one operator makes, and in which arithmetic."""
    if name in ("CONV_2D", "FULLY_CONNECTED"):  # kernel (C_out, ..., C_in): each output sums over the rest
        x, kernel = inputs[0], inputs[1]
        return outputs[0].size * math.prod(kernel.shape[1:]), _arithmetic(x, kernel)
    if name == "DEPTHWISE_CONV_2D":  # kernel (1, h, w, C_out)
        x, kernel = inputs[0], inputs[1]
        return outputs[0].size * math.prod(kernel.shape[1:3]), _arithmetic(x, kernel)
    if name == "TRANSPOSE_CONV":  # inputs: shape, kernel (C_out, h, w, C_in), x; each value of x is spread
        kernel, x = inputs[1], inputs[2]
        return x.size * math.prod(kernel.shape[:3]), _arithmetic(x, kernel)
    if name == "BATCH_MATMUL":  # (..., M, K), or (..., K, M), by (..., K, N)
        x, y = inputs[0], inputs[1]
        return outputs[0].size * (math.prod(x.shape[-2:]) // outputs[0].shape[-2]), _arithmetic(x, y)
    return 0, ""


def _arithmetic(x: _Tensor, kernel: _Tensor) -> str:
    if x.kind == "float32":
        return "dynamic" if kernel.kind in ("int8", "uint8") else "float32"
    return x.kind
