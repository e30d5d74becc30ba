"""What a search graph has reconstructed after each of its steps, taken from inside the exported graph."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.runtime.graph import Graph
from sranogan_edge.runtime.tflite_file import FILE_IDENTIFIER, operator_name, unpacked
from sranogan_export.rebuild.flatbuffer import joined, signatures

Images = NDArray[np.float32]
OUTPUT = "generated"


def step_images(model: bytes, signature: str, steps: int, x_low: Images) -> dict[int, Images] | None:
    """Return ``(N, S, S, 1)`` after 0, 1, ... ``steps`` steps; None where the graph shows its end alone.

    Args:
        model: the search's TFLite file.
        signature: the graph of ``steps`` steps.
        steps: how many it takes.
        x_low: ``(N, S, S, 1)``, what to search for.
    """
    opened = with_images(model, signature, steps)
    if opened is None:
        return None
    graph = Graph(opened, name="search", signature=signature)
    made = [graph({"x": x[None]}) for x in x_low]
    names = [*(f"after_{k}" for k in range(steps)), OUTPUT]
    return {k: np.concatenate([one[name] for one in made]) for k, name in enumerate(names)}


def with_images(model: bytes, signature: str, steps: int) -> bytes | None:
    """Return the graph with the outputs ``after_0``, ``after_1``, ... besides its own.

    Every step begins with G(z), whose last operator is a sigmoid of an image's size. None where there are
    not as many of them as the steps need.
    """
    opened = unpacked(model)
    index = signatures(model)[signature]
    graph = opened.subgraphs[index]
    (definition,) = [one for one in opened.signatureDefs if one.subgraphIndex == index]
    (end,) = [port.tensorIndex for port in definition.outputs if port.name.decode() == OUTPUT]
    images = _images(opened, graph, tuple(graph.tensors[end].shape))
    if len(images) != steps + 1:
        return None
    for number, tensor in enumerate(images[:-1]):
        port = type(definition.outputs[0])()
        port.name, port.tensorIndex = f"after_{number}".encode(), tensor
        definition.outputs.append(port)
    graph.outputs = np.array([*graph.outputs, *images[:-1]], np.int32)
    opened.subgraphs, opened.signatureDefs, definition.subgraphIndex = [graph], [definition], 0
    builder = flatbuffers.Builder(len(model))
    builder.Finish(opened.Pack(builder), FILE_IDENTIFIER)
    return joined({signature: bytes(builder.Output())})


def _images(opened: Any, graph: Any, shape: tuple[int, ...]) -> list[int]:
    nodes = [
        node
        for node in graph.operators
        if operator_name(opened.operatorCodes[node.opcodeIndex]) == "LOGISTIC"
        and tuple(graph.tensors[node.outputs[0]].shape) == shape
    ]
    return [int(node.outputs[0]) for node in nodes]


__all__ = ["step_images", "with_images"]
