"""What stands in a ``.tflite`` file: its operators, and several graphs joined into one file.

A search has one graph for each budget of steps. Joined, each is a signature of its own, and what they
have in common (the kernels) is stored once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sranogan_edge.runtime.tflite_file import operator_name, packed, schema, unpacked

MOVING_OPERATORS = {"DEQUANTIZE", "QUANTIZE", "RESHAPE", "DELEGATE"}  # these compute nothing
DEFAULT_SIGNATURE = "serving_default"


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


def joined(models: Mapping[str, bytes]) -> bytes:
    """Return one file of graphs with one signature each; ``models`` are single graphs by signature.

    Equal constants are stored once. Equal graphs give equal bytes.
    """
    whole = _Joining()
    for signature, model in models.items():
        whole.add(signature, unpacked(model))
    return packed(whole.model)


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


__all__ = ["DEFAULT_SIGNATURE", "joined", "operator_name", "operators", "signatures", "unpacked"]
