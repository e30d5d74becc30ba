"""What one run of a graph costs: multiplications counted from its operators, and bytes of weights.

Reads the ``.tflite`` file itself (a flatbuffer), not a runtime's view of it: that view differs by
runtime and by what a delegate took.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from flatbuffers import number_types
from flatbuffers.table import Table

# Places of the fields in TFLite's schema (schema.fbs), by table.
MODEL_CODES, MODEL_SUBGRAPHS, MODEL_BUFFERS, MODEL_SIGNATURES = 1, 2, 4, 7
CODE_OLD, CODE_NEW = 0, 3
SUBGRAPH_TENSORS, SUBGRAPH_OPERATORS = 0, 3
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER = 0, 1, 2
OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS = 0, 1, 2
SIGNATURE_KEY, SIGNATURE_SUBGRAPH = 2, 4
BUFFER_DATA = 0

CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV, BATCH_MATMUL = 3, 4, 9, 67, 126
CALLS = frozenset({118, 119, 129})  # IF, WHILE, CALL_ONCE: they run other subgraphs, how often is not known
TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 7: "int16", 9: "int8"}


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

    None where it cannot be told: the file is no TFLite model, has no such signature, or calls subgraphs in
    loops. Convolutions, matrix products and fully connected layers count; element-wise operators do not.
    """
    try:
        return _cost(_Node(Table(model, struct.unpack_from("<I", model)[0])), signature)
    except (struct.error, IndexError, ValueError, TypeError):  # what reading beyond the file's end raises
        return None


class _Node:
    """One table of a flatbuffer, read by the place of its fields."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def number(self, field: int, flags: type = number_types.Int32Flags) -> int:
        offset = self._table.Offset(4 + 2 * field)
        return int(self._table.Get(flags, self._table.Pos + offset)) if offset else 0

    def numbers(self, field: int) -> tuple[int, ...]:
        offset = self._table.Offset(4 + 2 * field)
        if not offset:
            return ()
        return struct.unpack_from(
            f"<{self._table.VectorLen(offset)}i", self._table.Bytes, self._table.Vector(offset)
        )

    def text(self, field: int) -> str:
        offset = self._table.Offset(4 + 2 * field)
        return self._table.String(self._table.Pos + offset).decode() if offset else ""

    def length(self, field: int) -> int:
        offset = self._table.Offset(4 + 2 * field)
        return int(self._table.VectorLen(offset)) if offset else 0

    def children(self, field: int) -> list[_Node]:
        offset = self._table.Offset(4 + 2 * field)
        first = self._table.Vector(offset) if offset else 0
        places = range(first, first + 4 * self.length(field), 4)
        return [_Node(Table(self._table.Bytes, self._table.Indirect(place))) for place in places]


def _cost(model: _Node, signature: str) -> GraphCost | None:
    subgraph = _subgraph(model, signature)
    codes = [
        max(code.number(CODE_OLD, number_types.Int8Flags), code.number(CODE_NEW))
        for code in model.children(MODEL_CODES)
    ]
    tensors = [_tensor(node) for node in subgraph.children(SUBGRAPH_TENSORS)]
    stored = [buffer.length(BUFFER_DATA) for buffer in model.children(MODEL_BUFFERS)]
    operators = subgraph.children(SUBGRAPH_OPERATORS)
    macs: dict[str, int] = {}
    read: set[int] = set()
    for operator in operators:
        code = codes[operator.number(OPERATOR_CODE, number_types.Uint32Flags)]
        if code in CALLS:
            return None
        inputs = [tensors[i] for i in operator.numbers(OPERATOR_INPUTS) if i >= 0]
        outputs = [tensors[i] for i in operator.numbers(OPERATOR_OUTPUTS)]
        read |= {tensor.buffer for tensor in inputs}
        count, arithmetic = _macs(code, inputs, outputs)
        if count:
            macs[arithmetic] = macs.get(arithmetic, 0) + count
    return GraphCost(macs, sum(stored[buffer] for buffer in read), len(operators))


def _subgraph(model: _Node, signature: str) -> _Node:
    subgraphs = model.children(MODEL_SUBGRAPHS)
    for defined in model.children(MODEL_SIGNATURES):
        if defined.text(SIGNATURE_KEY) == signature:
            return subgraphs[defined.number(SIGNATURE_SUBGRAPH, number_types.Uint32Flags)]
    raise ValueError(f"no signature {signature!r}")


def _tensor(node: _Node) -> _Tensor:
    kind = TYPES.get(node.number(TENSOR_TYPE, number_types.Int8Flags), "other")
    return _Tensor(node.numbers(TENSOR_SHAPE), kind, node.number(TENSOR_BUFFER, number_types.Uint32Flags))


def _macs(code: int, inputs: list[_Tensor], outputs: list[_Tensor]) -> tuple[int, str]:
    """Return how many multiplications one operator makes, and in which arithmetic."""
    if code in (CONV_2D, FULLY_CONNECTED):  # kernel (C_out, ..., C_in): each output sums over the rest
        x, kernel = inputs[0], inputs[1]
        return outputs[0].size * math.prod(kernel.shape[1:]), _arithmetic(x, kernel)
    if code == DEPTHWISE_CONV_2D:  # kernel (1, h, w, C_out)
        x, kernel = inputs[0], inputs[1]
        return outputs[0].size * math.prod(kernel.shape[1:3]), _arithmetic(x, kernel)
    if code == TRANSPOSE_CONV:  # inputs: shape, kernel (C_out, h, w, C_in), x; each value of x is spread
        kernel, x = inputs[1], inputs[2]
        return x.size * math.prod(kernel.shape[:3]), _arithmetic(x, kernel)
    if code == BATCH_MATMUL:  # (..., M, K), or (..., K, M), by (..., K, N)
        x, y = inputs[0], inputs[1]
        return outputs[0].size * (math.prod(x.shape[-2:]) // outputs[0].shape[-2]), _arithmetic(x, y)
    return 0, ""


def _arithmetic(x: _Tensor, kernel: _Tensor) -> str:
    if x.kind == "float32":
        return "dynamic" if kernel.kind in ("int8", "uint8") else "float32"
    return x.kind
