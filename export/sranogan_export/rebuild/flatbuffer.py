"""What stands in a ``.tflite`` file: its operators, and several graphs joined into one file.

A search has one graph for each budget of steps. Joined, each is a signature of its own, and what they
have in common (the kernels) is stored once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

FILE_IDENTIFIER = b"TFL3"
ALIGNMENT_BYTES = 16  # of constants, as the schema wants it and kernels rely on
MOVING_OPERATORS = {"DEQUANTIZE", "QUANTIZE", "RESHAPE", "DELEGATE"}  # these compute nothing
DEFAULT_SIGNATURE = "serving_default"
NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def unpacked(model: bytes) -> Any:
    """Return a file's ``ModelT``."""
    return schema.ModelT.InitFromPackedBuf(model, 0)


def signatures(model: bytes) -> dict[str, int]:
    """Return the index of each signature's graph, by name."""
    return {one.signatureKey.decode(): one.subgraphIndex for one in unpacked(model).signatureDefs}


def operators(model: bytes, signature: str | None = None) -> dict[str, dict[str, int]]:
    """Count a graph's operators: ``all`` by name, and ``float32``: those that compute on floats.

    ``signature`` may be left out where the file has one alone.
    """
    opened = unpacked(model)
    found = {one.signatureKey.decode(): one.subgraphIndex for one in opened.signatureDefs}
    graph = opened.subgraphs[found[signature] if signature else 0]
    everything: Counter[str] = Counter()
    floating: Counter[str] = Counter()
    for node in graph.operators:
        name = operator_name(opened.operatorCodes[node.opcodeIndex])
        everything[name] += 1
        types = [graph.tensors[i].type for i in node.outputs]
        if name not in MOVING_OPERATORS and schema.TensorType.FLOAT32 in types:
            floating[name] += 1
    return {"all": dict(everything), "float32": dict(floating)}


def operator_name(code: Any) -> str:
    """Return an ``OperatorCodeT``'s name, such as ``CONV_2D``."""
    if code.customCode is not None:
        return str(code.customCode.decode())
    return NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def joined(models: Mapping[str, bytes]) -> bytes:
    """Return one file of graphs with one signature each; ``models`` are single graphs by signature.

    Equal constants are stored once. Equal graphs give equal bytes.
    """
    whole = _Joining()
    for signature, model in models.items():
        whole.add(signature, unpacked(model))
    return whole.packed()


class _Joining:
    """The file under construction."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.subgraphs, self.model.signatureDefs = [], []
        self.model.operatorCodes, self.model.buffers = [], [schema.BufferT()]
        self._codes: dict[tuple[Any, ...], int] = {}
        self._buffers: dict[bytes, int] = {b"": 0}  # the first buffer is the empty one, by convention

    def add(self, signature: str, model: Any) -> None:
        """Take over a model's only graph."""
        codes = [self._code(code) for code in model.operatorCodes]
        (graph,), (definition,) = model.subgraphs, model.signatureDefs
        for node in graph.operators:
            node.opcodeIndex = codes[node.opcodeIndex]
        for tensor in graph.tensors:
            tensor.buffer = self._buffer(model.buffers[tensor.buffer])
        definition.subgraphIndex = len(self.model.subgraphs)
        definition.signatureKey = graph.name = signature
        self.model.subgraphs.append(graph)
        self.model.signatureDefs.append(definition)
        for entry in model.metadata or []:  # of several, the last graph's stay: the longest search
            entry.buffer = self._buffer(model.buffers[entry.buffer])
        self.model.metadata, self.model.description = model.metadata, model.description

    def packed(self) -> bytes:
        """Return the model as the bytes of a .tflite file."""
        builder = _AlignedBuilder(2**20)
        builder.Finish(self.model.Pack(builder), FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _code(self, code: Any) -> int:
        key = (code.deprecatedBuiltinCode, code.builtinCode, code.customCode, code.version)
        if key not in self._codes:
            self._codes[key] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(code)
        return self._codes[key]

    def _buffer(self, buffer: Any) -> int:
        data = b"" if buffer.data is None else bytes(buffer.data)
        if data not in self._buffers:
            self._buffers[data] = len(self.model.buffers)
            self.model.buffers.append(buffer)
        return self._buffers[data]


class _AlignedBuilder(flatbuffers.Builder):
    """Aligns every vector of bytes; the generated code would align it to one byte."""

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802  # overrides flatbuffers' own
        """Store ``x``."""
        if x.dtype != np.uint8:
            return int(super().CreateNumpyVector(x))
        self.StartVector(1, x.size, ALIGNMENT_BYTES)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        self.vectorNumElems = x.size
        return int(self.EndVector())


__all__ = ["DEFAULT_SIGNATURE", "joined", "operator_name", "operators", "signatures", "unpacked"]
