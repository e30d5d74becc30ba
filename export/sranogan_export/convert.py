"""A TensorFlow function to a TFLite graph with named inputs and outputs, in a stated recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, get_args

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import (  # the only way to freeze a function
    convert_variables_to_constants_v2,
)

from sranogan_edge.errors import SettingsError

Recipe = Literal["float32", "float16", "int8"]
RECIPES: tuple[str, ...] = get_args(Recipe)
Inputs = Mapping[str, NDArray[np.float32]]
Samples = Callable[[], Iterator[Inputs]]


def convert(
    function: Callable[..., Mapping[str, tf.Tensor]],
    inputs: Mapping[str, tuple[int, ...]],
    recipe: Recipe,
    representative: Samples,
) -> bytes:
    """Return a ``.tflite`` file with the signature ``serving_default``.

    Args:
        function: called with one float32 tensor per input, by name; returns tensors by name.
        inputs: static shapes, batch 1.
        recipe: ``float32``; ``float16`` (weights stored in half); or ``int8`` (post-training, full
            integer where the operator has an integer kernel; int8 in and out).
        representative: yields real inputs, by name, for the ranges of ``int8``.

    Raises:
        SettingsError: no such recipe.
    """
    if recipe not in RECIPES:
        raise SettingsError(f"the recipe must be one of {', '.join(RECIPES)}; received {recipe!r}")
    with tempfile.TemporaryDirectory() as folder:
        _save_frozen(function, inputs, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if recipe == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if recipe == "int8":
            converter.representative_dataset = lambda: (dict(sample) for sample in representative())
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def convert_fake(function,inputs):
    with tempfile.TemporaryDirectory() as folder:
        _save_frozen(function, inputs, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def _save_frozen(
    function: Callable[..., Mapping[str, tf.Tensor]], inputs: Mapping[str, tuple[int, ...]], folder: str
) -> None:
    """Save ``function`` with its weights as constants (quantisation cannot calibrate variables)."""
    specs = {name: tf.TensorSpec(shape, tf.float32, name=name) for name, shape in inputs.items()}
    traced = tf.function(lambda **tensors: dict(function(**tensors))).get_concrete_function(**specs)
    frozen = convert_variables_to_constants_v2(traced)
    order = [tensor.name.split(":")[0] for tensor in frozen.inputs]
    names = sorted(traced.structured_outputs)  # TensorFlow flattens dictionaries in the order of their keys

    def call(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = frozen(*[tensors[name] for name in order])
        return dict(zip(names, outputs, strict=True))

    module = tf.Module()
    module.call = tf.function(call)
    signature = module.call.get_concrete_function(**specs)
    tf.saved_model.save(module, folder, signatures={"serving_default": signature})
