"""Recipes, and which of a graph's operators compute on integers."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from sranogan_edge.bundle.bundle import GRAPHS, read_bundle
from sranogan_edge.errors import SettingsError
from sranogan_edge.runtime.graph import Graph
from sranogan_export.rebuild.convert import RECIPES, Recipe, convert, operators
from sranogan_export.write_bundle import counted

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(3, 3, 2, 5)).astype(np.float32)
IMAGES = RNG.random((8, 1, 6, 6, 2), np.float32)
STEPS = 3  # of the tiny run's search


def convolve(image: tf.Tensor) -> Mapping[str, tf.Tensor]:
    """Two named outputs of one convolution; their names are not in the order of the computation."""
    z = tf.nn.relu(tf.nn.conv2d(image, KERNEL, 1, "SAME"))
    return {"z": z, "a": tf.reduce_mean(z, axis=(1, 2))}


def samples() -> Iterator[Mapping[str, NDArray[np.float32]]]:
    """Real inputs for the ranges."""
    return ({"image": image} for image in IMAGES)


def io_types(model: bytes) -> set[type]:
    """The data types of a graph's inputs and outputs."""
    interpreter = Interpreter(model_content=model)
    return {d["dtype"] for d in (*interpreter.get_input_details(), *interpreter.get_output_details())}


@pytest.mark.parametrize(
    ("recipe", "within"), [("float32", 1e-5), ("float16", 1e-2), ("dynamic", 0.1), ("int8", 0.15)]
)
def test_converted_function_computes_the_same(recipe: Recipe, within: float) -> None:
    """Each recipe gives the function's outputs under their names, as exactly as its numbers can."""
    graph = Graph(convert(convolve, {"image": (1, 6, 6, 2)}, recipe, samples), name="test")
    expected = convolve(tf.constant(IMAGES[0]))
    found = graph({"image": IMAGES[0]})
    assert set(found) == {"z", "a"}
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], atol=within)


def test_recipe_that_does_not_exist() -> None:
    """An unknown recipe is refused with the names of those there are."""
    with pytest.raises(SettingsError, match=r"float32, float16, dynamic, int8; received 'int4'"):
        convert(convolve, {"image": (1, 6, 6, 2)}, "int4")  # type: ignore[arg-type]  # the point


def test_names_do_not_depend_on_what_was_built_before() -> None:
    """Keras numbers its layers through the whole process, yet equal networks give equal files."""
    from tensorflow import keras

    def build() -> bytes:
        inputs = keras.Input((6, 6, 2))
        outputs = keras.layers.Conv2D(3, 3, kernel_initializer="ones")(keras.layers.ReLU()(inputs))
        model = keras.Model(inputs, outputs)
        return convert(lambda image: {"out": model(image)}, {"image": (1, 6, 6, 2)}, "float32")

    assert build() == build()


def test_order_does_not_depend_on_names() -> None:
    """Branches side by side are in one order, though conv2d_100 comes before conv2d_99 in the alphabet."""
    from tensorflow import keras

    from keras_sranogan.head.network import build_head
    from keras_sranogan.settings import HeadSettings

    def build(first: int) -> bytes:
        keras.backend.clear_session()  # Keras counts from one again
        for _ in range(first):
            keras.layers.Conv2D(1, 1)
        head = build_head(16, HeadSettings(width=4))
        head.set_weights([np.full(value.shape, 0.1, np.float32) for value in head.get_weights()])
        return convert(lambda image: dict(head(image, training=False)), {"image": (1, 16, 16, 2)}, "float32")

    assert build(0) == build(93)


@pytest.mark.parametrize("recipe", RECIPES)
def test_types_at_the_borders(export_tiny: Callable[[str], Path], recipe: str) -> None:
    """An int8 bundle's graphs take and give int8; the others take and give float32."""
    graphs = read_bundle(export_tiny(recipe)).graphs
    expected = np.int8 if recipe == "int8" else np.float32
    assert {name: io_types(model) for name, model in graphs.items()} == {name: {expected} for name in GRAPHS}


def test_operators_tells_float_from_integer() -> None:
    """A float graph's convolution counts as float32; the int8 graph of the same function has none such."""
    exact = operators(convert(convolve, {"image": (1, 6, 6, 2)}, "float32"))
    rounded = operators(convert(convolve, {"image": (1, 6, 6, 2)}, "int8", samples))
    assert exact["float32"]["CONV_2D"] == exact["all"]["CONV_2D"] == rounded["all"]["CONV_2D"] == 1
    assert rounded["float32"] == {}


@pytest.mark.parametrize("name", ["reconstruct", "features", "head"])
def test_int8_networks_compute_on_integers_alone(tiny_bundle: Path, name: str) -> None:
    """Refiner, super-resolution, discriminator features and head have no operator on float32 at all."""
    counts = operators(read_bundle(tiny_bundle).graphs[name])
    assert counts["all"]["CONV_2D"] >= 2
    assert counts["float32"] == {}


def test_int8_search_convolves_on_integers(tiny_bundle: Path) -> None:
    """The int8 search has all its convolutions, forward and backward, on integers."""
    counts = operators(read_bundle(tiny_bundle).graphs["search"], f"steps_{STEPS}")
    assert counts["all"]["CONV_2D"] > 5 * STEPS
    assert "CONV_2D" not in counts["float32"]


def test_latent_update_stays_float(tiny_bundle: Path) -> None:
    """Adam's step on z, one root and one division a step, is not rounded, and the manifest lists it."""
    with zipfile.ZipFile(tiny_bundle) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    islands = manifest["float_islands"]["search_steps_3"]
    assert (islands["SQRT"], islands["DIV"]) == (STEPS, STEPS)
    bundle = read_bundle(tiny_bundle)
    assert manifest["operators"] == counted(bundle.graphs, bundle.budgets)


@pytest.mark.parametrize("recipe", RECIPES)
def test_floats_of_int8_are_those_of_the_manifest(export_tiny: Callable[[str], Path], recipe: str) -> None:
    """An int8 graph has no operator on floats but the islands listed; other recipes list none."""
    bundle = read_bundle(export_tiny(recipe))
    found = {name: one["float32"] for name, one in counted(bundle.graphs, bundle.budgets).items()}
    if recipe == "int8":
        assert bundle.details["float_islands"] == {name: one for name, one in found.items() if one}
        assert set(bundle.details["float_islands"]) == {f"search_steps_{STEPS}"}
        assert not set(found[f"search_steps_{STEPS}"]) & {
            "CONV_2D",
            "LOGISTIC",
            "LEAKY_RELU",
            "DEPTH_TO_SPACE",
        }
    else:
        assert bundle.details["float_islands"] == {}
        assert all(found.values())


def test_graphs_need_no_select_operators(tiny_bundle: Path) -> None:
    """Every operator is a TFLite builtin: a device needs no TensorFlow and no custom kernel."""
    for model in read_bundle(tiny_bundle).graphs.values():
        assert not re.findall(rb"Flex[A-Z]\w+", model)
