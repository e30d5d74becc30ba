"""Where a quantised graph departs from its float self: both are run on one input, and compared in order.

The two graphs come of one function. The converter adds roundings to the quantised one and fuses a few
operators, but keeps their order: the two lists of operators are aligned as two texts are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from sranogan_edge.runtime.one_signature import only_signature
from sranogan_edge.runtime.ports import read_port

Array = NDArray[np.float32]
ROUNDINGS = {"QUANTIZE", "DEQUANTIZE", "DELEGATE"}
# Measured on the chest model, 8 steps, int8 without fine-tuning: forward tensors are off by 0.01 to 0.07.
# Gradients begin at 0.1 to 0.4 and grow, a little with every operator, to 1 in the last steps, where their
# signs are chance; the search ends well all the same. So a tensor departs where the error begins, not
# wherever it is large.
TENSOR_TOLERANCE = 0.6
INPUT_TOLERANCE = 0.3
DEAF = 1e-6  # a spread below which a tensor carries nothing


@dataclass(frozen=True)
class Departure:
    """How far one tensor of a quantised graph is from the same of the float graph.

    Attributes:
        position: of its operator in the quantised graph, from 1, roundings not counted.
        of: how many operators that graph has.
        operator: the kind, such as ``CONV_2D``.
        tensor: its name in the quantised graph.
        shape: of the tensor.
        error: mean absolute difference, as a share of the float tensor's standard deviation or mean
            absolute value, whichever is less.
        before: the largest error of the tensors that it was computed from.
    """

    position: int
    of: int
    operator: str
    tensor: str
    shape: tuple[int, ...]
    error: float
    before: float

    @property
    def departs(self) -> bool:
        """Whether the error is past the tolerance, and began here."""
        return not self.error <= TENSOR_TOLERANCE and self.before <= INPUT_TOLERANCE

    def __str__(self) -> str:
        size = "x".join(map(str, self.shape))
        return (
            f"operator {self.position} of {self.of}, {self.operator}, tensor {self.tensor!r} ({size}), off "
            f"by {self.error:.2f} of its spread (what it is computed from: {self.before:.2f})"
        )


@dataclass(frozen=True, eq=False)
class _Step:
    position: int
    operator: str
    tensor: str
    values: Array
    sources: tuple[int, ...]  # positions of the operators that made its inputs
    numbers: tuple[str, ...]  # constants of one element among its inputs

    @property
    def key(self) -> tuple[object, ...]:
        return self.operator, self.values.shape, self.numbers, len(self.sources)


def departures(
    exact: bytes, quantised: bytes, inputs: Mapping[str, Array], signature: str = "serving_default"
) -> list[Departure]:
    """Return how far each tensor is off, in the order of computation, of those that both graphs have."""
    first, second = (list(_run(model, inputs, signature)) for model in (exact, quantised))
    matcher = SequenceMatcher(
        None, [step.key for step in first], [step.key for step in second], autojunk=False
    )
    signed = {source for step in first if step.operator == "SIGN" for source in step.sources}
    pairs: dict[int, int] = {}
    errors: dict[int, float] = {}
    found = []
    for start, other, size in matcher.get_matching_blocks():
        for a, b in zip(first[start : start + size], second[other : other + size], strict=True):
            if _of_other_inputs(a, b, pairs):
                continue
            pairs[a.position] = b.position
            if a.position in signed:  # of its value only the sign counts: on integers it saturates at once
                continue
            before = max((errors[source] for source in b.sources if source in errors), default=0.0)
            departure = _departure(a, b, len(second), before)
            errors[b.position] = departure.error
            found.append(departure)
    return found


def first_departure(
    exact: bytes, quantised: bytes, inputs: Mapping[str, Array], signature: str = "serving_default"
) -> Departure | None:
    """Return the first tensor that departs, or None."""
    return next((one for one in departures(exact, quantised, inputs, signature) if one.departs), None)


def partitions(model: bytes, signature: str = "serving_default") -> int:
    """Return into how many pieces the CPU's accelerator, XNNPACK, takes a graph; what it leaves is slower."""
    interpreter = Interpreter(model_content=only_signature(model, signature))
    interpreter.allocate_tensors()
    return sum(node["op_name"] == "DELEGATE" for node in interpreter._get_ops_details())


def _of_other_inputs(exact: _Step, found: _Step, pairs: Mapping[int, int]) -> bool:
    """Tell two operators of one kind and size apart: one works on what the other does not."""
    known = {pairs[source] for source in exact.sources if source in pairs}
    others = {source for source in found.sources if source in pairs.values()}
    return known != others


def _departure(exact: _Step, found: _Step, of: int, before: float) -> Departure:
    spread = min(float(exact.values.std()), float(np.abs(exact.values).mean()))
    apart = float(np.abs(exact.values - found.values).mean())
    error = apart / spread if spread > DEAF else apart
    return Departure(found.position, of, found.operator, found.tensor, found.values.shape, error, before)


def _run(model: bytes, inputs: Mapping[str, Array], signature: str) -> Iterator[_Step]:
    """Run a graph without XNNPACK, which would hide tensors, and yield what every operator gave."""
    interpreter = Interpreter(
        model_content=only_signature(model, signature),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    for name, details in interpreter.get_signature_runner(signature).get_input_details().items():
        taken = read_port(name, details)
        interpreter.set_tensor(taken.index, taken.quantise(inputs[name].reshape(taken.shape)))
    interpreter.invoke()
    tensors: dict[int, dict[str, Any]] = {d["index"]: d for d in interpreter.get_tensor_details()}
    position, made = 0, dict[int, int]()  # which operator made a tensor; roundings pass that on
    for node in interpreter._get_ops_details():
        sources = tuple(made[int(i)] for i in node["inputs"] if int(i) in made)
        if node["op_name"] in ROUNDINGS:
            made.update((int(i), source) for i in node["outputs"] for source in sources)
            continue
        position += 1
        made.update((int(i), position) for i in node["outputs"])
        details = tensors[int(node["outputs"][0])]
        values = read_port(details["name"], details).dequantise(interpreter.get_tensor(details["index"]))
        stored = (tensors.get(int(i)) for i in node["inputs"] if int(i) not in made)
        numbers = tuple(_number(interpreter, one) for one in stored if one and np.prod(one["shape"]) == 1)
        yield _Step(
            position, node["op_name"], details["name"], np.asarray(values, np.float32), sources, numbers
        )


def _number(interpreter: Any, details: dict[str, Any]) -> str:
    value = read_port(details["name"], details).dequantise(interpreter.get_tensor(details["index"]))
    return f"{float(np.ravel(value)[0]):.2g}"


__all__ = ["TENSOR_TOLERANCE", "Departure", "departures", "first_departure", "partitions"]
