"""The bundle's graphs as ONNX, for runtimes that do not read TFLite (TensorRT, ONNX Runtime).

Each graph is written from its finished TFLite graph, operator by operator, so that both hold the same
numbers: an int8 graph keeps its integers and scales. Inputs and outputs keep their names, types
(float32), shapes (batch 1, channels last). A search has one file for each budget of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sranogan_edge.bundle.bundle import GRAPHS, signature
from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.runtime.tflite_file import operator_name, unpacked
from sranogan_export.rebuild.flatbuffer import signatures

if TYPE_CHECKING:
    from sranogan_export.rebuild.convert import Recipe

RECIPES_WITH_ONNX: tuple[Recipe, ...] = ("float32", "float16", "int8")


def check_onnx(recipe: Recipe) -> None:
    """Raise SettingsError, before any work, unless this recipe's graphs can be written as ONNX here."""
    if recipe not in RECIPES_WITH_ONNX:
        raise SettingsError(
            f"--onnx writes {', '.join(RECIPES_WITH_ONNX)}; received {recipe}, whose products of floats with "
            "integers have no counterpart in ONNX. Export another recipe: --float32 --onnx."
        )
    with needs_extra("onnx", "--onnx", folder="export"):
        import onnx  # noqa: F401  # whether it is there


def onnx_graphs(
    models: Mapping[str, bytes], budgets: Iterable[int], *, half: bool = False
) -> dict[str, bytes]:
    """Return all graphs as ONNX, by the names of :func:`sranogan_edge.bundle.bundle.onnx_names`.

    Args:
        models: TFLite, by the names of :data:`sranogan_edge.bundle.bundle.GRAPHS`.
        budgets: of steps, each a signature of the search.
        half: whether float graphs are written in half precision (:mod:`sranogan_export.onnx.half`).

    Raises:
        BackendError: a graph has an operator that cannot be written.
    """
    searches = {f"search_steps_{k}": ("search", signature("search", k)) for k in sorted(budgets)}
    others = {name: (name, signature(name, 0)) for name in GRAPHS if name != "search"}
    made = {
        name: onnx_graph(models[graph], called, name=name)
        for name, (graph, called) in {**searches, **others}.items()
    }
    if not half:
        return made
    from sranogan_export.onnx.half import halved

    return {name: halved(model) for name, model in made.items()}


def onnx_graph(model: bytes, called: str = "serving_default", *, name: str = "graph") -> bytes:
    """Return the graph that TFLite file ``model`` runs for signature ``called``, as ONNX.

    Raises:
        BackendError: it has an operator that cannot be written.
    """
    from sranogan_export.onnx.builder import OnnxBuilder
    from sranogan_export.onnx.operators import write_operator

    opened = unpacked(model)
    index = signatures(model)[called]
    (definition,) = [one for one in opened.signatureDefs if one.signatureKey.decode() == called]
    graph = OnnxBuilder(opened, index)
    inputs = {port.name.decode(): port.tensorIndex for port in definition.inputs}
    outputs = {port.name.decode(): port.tensorIndex for port in definition.outputs}
    for port, tensor in inputs.items():
        graph.begin(tensor, port)
    for node in opened.subgraphs[index].operators:
        write_operator(graph, node, operator_name(opened.operatorCodes[node.opcodeIndex]))
    return graph.model(name, inputs, outputs)


__all__ = ["RECIPES_WITH_ONNX", "check_onnx", "onnx_graph", "onnx_graphs"]
