"""A float32 ONNX graph in half precision, but for the search's optimiser: TensorRT builds what the file says.

TensorRT 11 has no switch that turns a network to fp16: the file must be of it. Adam divides by a root of
means of squares. Squares of gradients vanish in half floats (the smallest is 6e-8), and what is divided by
them is lost with them, so those operators stay float32: the divisions, and all elementwise operators on
single rows that are joined to them. Inputs and outputs stay float32 too.
"""

from __future__ import annotations

import numpy as np
import onnx

__all__ = ["halved", "optimiser"]

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
SENSITIVE = {"Div", "Sqrt", "Reciprocal", "Exp"}
ELEMENTWISE = SENSITIVE | {"Abs", "Add", "Max", "Min", "Mul", "Neg", "Sub", "ReduceMean", "ReduceSum"}
ROW_RANK = 2  # (batch, latent_dim)


def halved(model: bytes) -> bytes:
    """Return a float32 ``.onnx`` file in half precision; see above for what is left."""
    opened = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(model), strict_mode=True)
    graph = _Half(opened.graph)
    graph.rewrite()
    del opened.graph.value_info[:]  # of the types as they were
    onnx.checker.check_model(opened, full_check=True)
    return bytes(opened.SerializeToString(deterministic=True))


def optimiser(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the nodes that stay float32. ``graph`` knows its shapes."""
    ranks = {one.name: len(one.type.tensor_type.shape.dim) for one in (*graph.value_info, *graph.output)}
    rows = [
        node
        for node in graph.node
        if node.op_type in ELEMENTWISE and all(ranks.get(name, 0) <= ROW_RANK for name in node.output)
    ]
    kept = {node.name for node in rows if node.op_type in SENSITIVE}
    grown = bool(kept)
    while grown:
        touched = {name for node in rows if node.name in kept for name in (*node.input, *node.output)}
        touched -= {one.name for one in graph.initializer}
        joined = {node.name for node in rows if touched & {*node.input, *node.output}}
        grown, kept = not joined <= kept, kept | joined
    return kept


class _Half:
    """A graph on its way: every float tensor has one precision, and is cast where the other is wanted."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph, self._kept = graph, optimiser(graph)
        self._constants = {one.name: one for one in graph.initializer if one.data_type == FLOAT}
        computed = (*graph.input, *graph.value_info, *graph.output)
        self._floats = {one.name for one in computed if one.type.tensor_type.elem_type == FLOAT}
        self._wide = {one.name for one in graph.input}
        self._nodes: list[onnx.NodeProto] = []
        self._made: dict[str, onnx.TensorProto] = {}
        self._cast: dict[tuple[str, int], str] = {}

    def rewrite(self) -> None:
        """Replace nodes and constants."""
        outputs = {one.name for one in self._graph.output}
        for node in self._graph.node:
            precision = FLOAT if node.name in self._kept else HALF
            if node.op_type == "Identity" and set(node.output) & outputs:  # an output's own name
                precision = FLOAT
            node.input[:] = [self._as(name, precision) for name in node.input]
            if precision == FLOAT:
                self._wide |= set(node.output)
            self._nodes.append(node)
        others = [one for one in self._graph.initializer if one.name not in self._constants]
        del self._graph.node[:]
        del self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend([*others, *self._made.values()])

    def _as(self, name: str, precision: int) -> str:
        """Return the name of tensor ``name`` in that precision."""
        if name in self._constants:
            return self._constant(name, precision)
        if name not in self._floats or (name in self._wide) == (precision == FLOAT):
            return name
        if (name, precision) not in self._cast:
            made = f"{name}_{'float' if precision == FLOAT else 'half'}"
            self._nodes.append(onnx.helper.make_node("Cast", [name], [made], f"Cast_{made}", to=precision))
            self._cast[name, precision] = made
        return self._cast[name, precision]

    def _constant(self, name: str, precision: int) -> str:
        made = name if precision == FLOAT else f"{name}_half"
        if made not in self._made:
            values = onnx.numpy_helper.to_array(self._constants[name])
            if precision == HALF:
                ends = np.finfo(np.float16)
                values = np.clip(values, ends.min, ends.max).astype(np.float16)
            self._made[made] = onnx.numpy_helper.from_array(np.asarray(values, order="C"), made)
        return made
