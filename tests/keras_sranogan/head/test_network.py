"""The head as a network: its input in training and on a device, its outputs, and its int8 graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.head.network import build_head, head_inputs
from keras_sranogan.settings import HeadSettings
from sranogan_edge.runtime.graph import Graph
from sranogan_edge.scoring.head import CHANNELS, head_input
from sranogan_export.rebuild.convert import convert, operators

Images = NDArray[np.float32]
NARROW = HeadSettings(width=4)


def textured(count: int, side: int) -> Images:
    """``(count, side, side, 1)`` in [0, 1], with contrast at every scale, some of it clipped, some weak."""
    rng = np.random.default_rng(side)
    rows, columns = np.mgrid[0:side, 0:side] / side
    waves = np.sin(9 * rows)[None] * np.cos(rng.uniform(3, 20, (count, 1, 1)) * columns)
    noise = rng.normal(size=(count, side, side))
    strength, grain = np.geomspace(0.05, 0.6, count)[:, None, None], rng.uniform(0, 0.1, (count, 1, 1))
    return np.clip(0.4 + strength * waves + grain * noise, 0, 1).astype(np.float32)[..., None]


def said_by(head: keras.Model, seen: Images) -> dict[str, Images]:
    """The outputs of the head in inference, as arrays."""
    return {name: np.asarray(value) for name, value in head(seen, training=False).items()}


@pytest.fixture(scope="module")
def head() -> keras.Model:
    """A narrow head whose normalisation has seen some images."""
    keras.utils.set_random_seed(0)
    model = build_head(32, NARROW)
    for _ in range(40):
        model(head_inputs(tf.constant(textured(16, 32))), training=True)
    return model


@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_training_sees_what_the_device_sees(side: int) -> None:
    """The graph's input equals the device's NumPy and OpenCV, on textured, flat and clipped images."""
    flat = np.stack([np.full((side, side, 1), level, np.float32) for level in (0.0, 0.5)])
    images = np.concatenate([textured(8, side), flat])
    expected = np.stack([head_input(image, side) for image in images])
    found = np.asarray(head_inputs(tf.constant(images)))
    assert found.shape == (10, side, side, CHANNELS)
    np.testing.assert_allclose(found[:8], expected[:8], atol=1e-4)
    np.testing.assert_allclose(found[8:], expected[8:], atol=0.01)  # rounding of zero, over the floor


@pytest.mark.parametrize("gain", [0.7, 1.0, 1.4])
def test_exposure_hardly_changes_the_input(gain: float) -> None:
    """In training too, another gain and offset leave the head's input as it was, but for the noise floor."""
    images = textured(8, 32)[4:] * 0.6
    plain = np.asarray(head_inputs(tf.constant(images)))
    exposed = np.asarray(head_inputs(tf.constant(gain * images + 0.1)))
    assert np.abs(exposed - plain).mean() < 0.25 * np.abs(plain).mean()


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_shapes(side: int, dtype: str) -> None:
    """Features, map and logit have the documented shapes, in float32 whatever it computes in."""
    said = build_head(side, NARROW, dtype)(np.zeros((3, side, side, CHANNELS), np.float32), training=False)
    shapes, half = {name: tuple(value.shape) for name, value in said.items()}, min(side, 64) // 2
    assert shapes == {
        "early": (3, half, half, NARROW.width),
        "middle": (3, half // 2, half // 2, 2 * NARROW.width),
        "features": (3, half // 4, half // 4, 3 * NARROW.width),
        "map": (3, half // 2, half // 2, 1),
        "logit": (3, 1),
    }
    assert {str(value.dtype) for value in said.values()} == {"<dtype: 'float32'>"}


def test_saved_head_is_the_same(head: keras.Model, tmp_path: Path) -> None:
    """A head loaded from its ``.keras`` file, or given its weights, answers the same to the bit."""
    head.save(tmp_path / "head.keras")
    loaded = keras.saving.load_model(tmp_path / "head.keras")
    fresh = build_head(32, NARROW)
    fresh.set_weights(loaded.get_weights())
    seen = np.asarray(head_inputs(tf.constant(textured(2, 32))))
    expected = said_by(head, seen)
    for model in (loaded, fresh):
        for name, found in said_by(model, seen).items():
            np.testing.assert_array_equal(found, expected[name], err_msg=name)


def test_int8_graph_is_of_integers_and_agrees(head: keras.Model) -> None:
    """The exported head has no operator on floats, and says what Keras says to a small part of its range."""
    seen = np.stack([head_input(image, 32) for image in textured(32, 32)])

    def answer(image: tf.Tensor) -> Mapping[str, tf.Tensor]:
        said = head(image, training=False)
        return {"features": said["features"], "map": said["map"]}

    def samples() -> Iterator[Mapping[str, Images]]:
        return ({"image": one[None]} for one in seen)

    model = convert(answer, {"image": (1, 32, 32, CHANNELS)}, "int8", samples)
    counts = operators(model)
    assert counts["float32"] == {}
    assert counts["all"]["CONV_2D"] >= 8
    graph = Graph(model, name="head")
    expected = said_by(head, seen)
    for name in ("features", "map"):
        found = np.concatenate([graph({"image": one[None]})[name] for one in seen])
        apart, reach = np.abs(found - expected[name]), np.ptp(expected[name])
        assert apart.mean() < 0.02 * reach, name
        assert np.corrcoef(found.ravel(), expected[name].ravel())[0, 1] > 0.98, name
