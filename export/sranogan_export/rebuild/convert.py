"""A TensorFlow function to a TFLite graph with named inputs and outputs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import (  # the only way to freeze a function
    convert_variables_to_constants_v2,
)

from sranogan_export.rebuild.flatbuffer import DEFAULT_SIGNATURE, joined, operators
from sranogan_export.recipe import RECIPES, Recipe, check_recipe

Function = Callable[..., Mapping[str, tf.Tensor]]
Shapes = Mapping[str, tuple[int, ...]]
Samples = Callable[[], Iterator[Mapping[str, NDArray[np.float32]]]]


def convert(
    functions: Function | Mapping[str, Function],
    inputs: Shapes,
    recipe: Recipe,
    representative: Samples | None = None,
) -> bytes:
    """Return a ``.tflite`` file.

    Args:
        functions: called with one float32 tensor per input, by name; returns tensors by name. One alone is
            the signature ``serving_default``; of several, each is the signature it is named by, and equal
            constants are stored once.
        inputs: static shapes, batch 1.
        recipe: ``float32``; ``float16`` (weights stored in half); ``dynamic`` (weights stored in 8 bits,
            activations float32, rounded inside the large products alone); or ``int8`` (int8 in and out).
        representative: yields real inputs, by name: ``int8`` takes every range from them. Without it,
            ``int8`` quantises what the functions pass through fake quantisation, and no more.

    Raises:
        SettingsError: no such recipe.
    """
    check_recipe(recipe)
    named = functions if isinstance(functions, Mapping) else {DEFAULT_SIGNATURE: functions}
    models = {name: _convert(name, one, inputs, recipe, representative) for name, one in named.items()}
    return joined(models) if len(models) > 1 else next(iter(models.values()))


def _convert(
    name: str, function: Function, inputs: Shapes, recipe: Recipe, representative: Samples | None
) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        _save_frozen(name, function, inputs, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if recipe == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if recipe == "int8":
            converter.inference_input_type = converter.inference_output_type = tf.int8
            if representative is not None:
                converter.representative_dataset = lambda: (dict(sample) for sample in representative())
        return bytes(converter.convert())


def _save_frozen(name: str, function: Function, inputs: Shapes, folder: str) -> None:
    """Save ``function`` as a signature, its weights as constants (variables cannot be calibrated)."""
    specs = {name: tf.TensorSpec(shape, tf.float32, name=name) for name, shape in inputs.items()}
    plain = tf.function(
        lambda **tensors: dict(function(**tensors)), autograph=False
    )  # AutoGraph takes seconds
    traced = plain.get_concrete_function(**specs)
    frozen, order = _renumbered(convert_variables_to_constants_v2(traced))
    names = sorted(traced.structured_outputs)  # TensorFlow flattens a dictionary in the order of its keys

    def call(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, frozen(*[tensors[name] for name in order]), strict=True))

    module = tf.Module()
    module.call = tf.function(call, autograph=False)
    signature = module.call.get_concrete_function(**specs)
    tf.saved_model.save(module, folder, signatures={name: signature})


def _renumbered(frozen: Any) -> tuple[Any, list[str]]:
    """Return a frozen function with the nodes' names counted anew, and the names of its inputs in order.

    Keras counts layers through the whole process, TensorFlow keeps the names and TFLite stores them:
    counted from 1 in each graph, in an order that no name decides, equal networks give equal files.
    """
    numbers: dict[str, dict[str, int]] = {}

    def renumber(part: str) -> str:
        plain = re.sub(r"(_\d+)+$", "", part)
        same = numbers.setdefault(plain, {})
        return f"{plain}_{same.setdefault(part, len(same) + 1)}"

    def rename(name: str) -> str:
        node, colon, output = name.lstrip("^").partition(":")
        renamed = node if node in inputs else "/".join(map(renumber, node.split("/")))
        return ("^" if name.startswith("^") else "") + renamed + colon + output

    inputs = [tensor.name.split(":")[0] for tensor in frozen.inputs]
    outputs = [rename(tensor.name) for tensor in frozen.outputs]
    graph = _in_order(frozen.graph.as_graph_def(), [tensor.op.name for tensor in frozen.outputs])
    for node in graph.node:
        node.name = rename(node.name)
        node.input[:] = [rename(name) for name in node.input]
    imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    return imported.prune([f"{name}:0" for name in inputs], outputs), inputs


def _in_order(graph: Any, outputs: list[str]) -> Any:
    """Return ``graph``, its nodes depth first from ``outputs``; TensorFlow has them in alphabetic order."""
    nodes, ordered = {node.name: node for node in graph.node}, dict[str, Any]()
    waiting = [(name, False) for name in reversed([*outputs, *nodes])]
    while waiting:
        name, has_inputs = waiting.pop()
        if has_inputs:
            ordered[name] = nodes[name]
        elif name not in ordered:
            given = [before.partition(":")[0] for before in nodes[name].input if before[0] != "^"]
            waiting += [(name, True), *((before, False) for before in reversed(given))]
    return type(graph)(node=ordered.values(), library=graph.library, versions=graph.versions)


__all__ = ["RECIPES", "Recipe", "check_recipe", "convert", "operators"]
