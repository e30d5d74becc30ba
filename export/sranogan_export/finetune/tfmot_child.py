"""A process of its own, on tf_keras: fine-tunes planned networks by tensorflow-model-optimization.

``python -m sranogan_export.finetune.tfmot_child FOLDER`` reads ``FOLDER/tasks.json`` and ``FOLDER/NAME.npz``,
writes ``FOLDER/NAME.learned.npz``, and prints each name as it is done. It imports nothing of this project:
the packages here use Keras 3, and one process cannot hold both.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

os.environ["TF_USE_LEGACY_KERAS"] = "1"
LEAKY_SLOPE = 0.2
TINY = 1e-6


def _tf_keras() -> Any:
    return import_module("tf_keras")


def main(folder: Path) -> None:
    """Work off the tasks."""
    import tensorflow as tf

    tf_keras = _tf_keras()

    tf.config.experimental.enable_op_determinism()
    for task in json.loads((folder / "tasks.json").read_text()):
        tf_keras.backend.clear_session()
        tf_keras.utils.set_random_seed(task["seed"])
        with np.load(folder / f"{task['name']}.npz") as arrays:
            learned = fine_tuned(task, dict(arrays))
        np.savez(folder / f"{task['name']}.learned.npz", **learned)
        print(task["name"], flush=True)


def fine_tuned(task: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    """Return kernels and biases after distillation of the float network into its quantised self."""
    import tensorflow as tf

    tf_keras, tfmot = _tf_keras(), import_module("tensorflow_model_optimization")

    quantisation = tfmot.quantization.keras
    layers = _layers()

    def annotate(layer: Any) -> Any:
        config = _nothing(quantisation)() if type(layer).__name__ in layers else None
        return quantisation.quantize_annotate_layer(layer, config)

    plain = _model(task, arrays, layers, lambda layer: layer)
    expected = plain.predict(arrays["lessons"], batch_size=task["batch"], verbose=0)
    expected = expected if isinstance(expected, list) else [expected]
    with quantisation.quantize_scope({**layers, "Nothing": _nothing(quantisation)}):
        annotated = _model(task, arrays, layers, annotate)
        model = quantisation.quantize_apply(annotated)
    _set_ranges(model, _ranges(plain, arrays["lessons"][: task["batch"]]))
    rate = tf_keras.optimizers.schedules.CosineDecay(task["learning_rate"], task["steps"])
    model.compile(tf_keras.optimizers.Adam(rate, clipnorm=1.0), loss=[_relative(one) for one in expected])
    data = tf.data.Dataset.from_tensor_slices((arrays["lessons"], tuple(expected)))
    data = data.shuffle(len(arrays["lessons"]), seed=task["seed"]).repeat().batch(task["batch"])
    model.fit(data, steps_per_epoch=task["steps"], epochs=1, verbose=0)
    return _weights(model, task)


def _ranges(plain: Any, lessons: Any) -> dict[str, tuple[float, float]]:
    """Return the range of each layer's output, by the layer's name; the input's is named ``input``."""
    tf_keras = _tf_keras()
    names = [layer.name for layer in plain.layers[1:]]
    everything = tf_keras.Model(plain.inputs, [plain.get_layer(name).output for name in names])
    found = dict(zip(names, everything.predict(lessons, verbose=0), strict=True)) | {"input": lessons}
    return {name: (min(float(one.min()), 0.0), max(float(one.max()), TINY)) for name, one in found.items()}


def _set_ranges(model: Any, ranges: dict[str, tuple[float, float]]) -> None:
    """Start from measured ranges: tfmot's running means begin at -6..6 and move by a thousandth a step."""
    for layer in model.layers[1:]:
        low, high = ranges[layer.name.removeprefix("quant_")] if "step_" in layer.name else ranges["input"]
        for variable in layer.weights:
            name = variable.name.split("/")[-1].split(":")[0]
            if name.endswith(("_min", "_max")) and not name.startswith("kernel"):
                variable.assign(low if name.endswith("_min") else high)


def _relative(expected: Any) -> Any:
    import tensorflow as tf

    variance = float(np.var(expected)) + TINY
    return lambda wanted, found: tf.reduce_mean(tf.square(wanted - found)) / variance


def _layers() -> dict[str, Any]:
    import tensorflow as tf

    base: Any = _tf_keras().layers.Layer

    class SpaceToDepth(base):
        def call(self, x: Any) -> Any:
            return tf.nn.space_to_depth(x, 2)

    class DepthToSpace(base):
        def call(self, x: Any) -> Any:
            return tf.nn.depth_to_space(x, 2)

    return {"SpaceToDepth": SpaceToDepth, "DepthToSpace": DepthToSpace}


def _nothing(quantisation: Any) -> Any:
    """Return the class of a configuration that quantises nothing: rearranging rounds no number."""

    class Nothing(quantisation.QuantizeConfig):
        def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
            return []

        def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
            return []

        def set_quantize_weights(self, layer: Any, quantize_weights: Any) -> None:
            pass

        def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
            pass

        def get_output_quantizers(self, layer: Any) -> list[Any]:
            return []

        def get_config(self) -> dict[str, Any]:
            return {}

    return Nothing


def _model(task: dict[str, Any], arrays: dict[str, Any], custom: dict[str, Any], wrap: Any) -> Any:
    """Build a plan; ``wrap`` is given each layer."""
    tf_keras = _tf_keras()
    inputs = tf_keras.Input(arrays["lessons"].shape[1:])
    results, filled = [inputs], []
    for number, step in enumerate(task["steps_planned"][1:], start=1):
        layer = _layer(step, arrays, custom, f"step_{number}")
        taken = [results[number] for number in step["of"]]
        results.append(wrap(layer)(taken if len(taken) > 1 else taken[0]))
        if "weights" in step:
            filled.append((layer, step["weights"]))
    for layer, number in filled:
        layer.set_weights([arrays[f"kernel_{number}"], arrays[f"bias_{number}"]])
    return tf_keras.Model(inputs, [results[number] for number in task["outputs"]])


def _layer(step: dict[str, Any], arrays: dict[str, Any], custom: dict[str, Any], name: str) -> Any:
    layers = _tf_keras().layers
    if step["op"] == "convolve":
        (height, width, _, channels) = arrays[f"kernel_{step['weights']}"].shape
        size, stride, activation = (height, width), step["stride"], step["activation"]
        return layers.Conv2D(channels, size, stride, "same", activation=activation, name=name)
    if step["op"] == "multiply":
        units = arrays[f"kernel_{step['weights']}"].shape[1]
        return layers.Dense(units, activation=step["activation"], name=name)
    if step["op"] == "reshape":
        return layers.Reshape(step["shape"], name=name)
    if step["op"] == "sigmoid":
        return layers.Activation("sigmoid", name=name)
    if step["op"] == "leaky_relu":
        return layers.LeakyReLU(LEAKY_SLOPE, name=name)
    simple = {
        "space_to_depth": custom["SpaceToDepth"],
        "depth_to_space": custom["DepthToSpace"],
        "flatten": layers.Flatten,
        "add": layers.Add,
        "relu": layers.ReLU,
    }
    return simple[step["op"]](name=name)


def _weights(model: Any, task: dict[str, Any]) -> dict[str, Any]:
    """Return ``kernel_N`` and ``bias_N`` of a quantised model's wrapped layers."""
    found = {}
    for number, step in enumerate(task["steps_planned"]):
        if "weights" not in step:
            continue
        for variable in model.get_layer(f"quant_step_{number}").trainable_weights:
            kind = variable.name.split("/")[-1].split(":")[0]
            found[f"{kind}_{step['weights']}"] = variable.numpy()
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
