"""All networks, from tiny arguments."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from keras_sranogan.anogan.discriminator import build_discriminator, feature_extractor
from keras_sranogan.anogan.encoder import build_encoder
from keras_sranogan.anogan.generator import build_generator, widths
from keras_sranogan.refiner.network import build_refiner
from keras_sranogan.settings import AnoganSettings, RefinerSettings, SrganSettings
from keras_sranogan.srgan.generator import build_super_resolver

ANOGAN = AnoganSettings(latent_dim=6, base_width=2, max_width=8)
REFINER = RefinerSettings(filters=3)
SRGAN = SrganSettings(filters=4, blocks=2)


def images(count: int, size: int) -> np.ndarray:
    """Random images in [0, 1]."""
    return np.random.default_rng(size).random((count, size, size, 1), np.float32)


def disturbed(model: keras.Model) -> keras.Model:
    """The model with weights that no initialiser gives, so that a lost one shows."""
    rng = np.random.default_rng(1)
    model.set_weights([value + rng.uniform(0.01, 0.1, value.shape) for value in model.get_weights()])
    return model


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_shapes_and_ranges(size: int, dtype: str) -> None:
    """Every network maps the documented shape to the documented shape and range, in float32 at both ends."""
    z = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    x = images(3, size)
    made = {
        "generator": (build_generator(size, ANOGAN, dtype)(z), (3, size, size, 1)),
        "refiner": (build_refiner(size, REFINER, dtype)(x), (3, size, size, 1)),
        "resolver": (build_super_resolver(size, SRGAN, dtype)(x), (3, 2 * size, 2 * size, 1)),
    }
    for name, (image, shape) in made.items():
        assert (tuple(image.shape), image.dtype) == (shape, "float32"), name
        assert np.min(image) >= 0, name
        assert np.max(image) <= 1, name
    for output, expected in (
        (build_encoder(size, ANOGAN, dtype)(x), (3, 6)),
        (build_discriminator(size, 2, 8, dtype=dtype)(x), (3, 1)),
    ):
        assert (tuple(output.shape), output.dtype) == (expected, "float32")
        assert np.isfinite(output).all()


def test_widths_double_up_to_the_limit() -> None:
    """The generator starts at 4 pixels with the widest level, and the widths halve up to full size."""
    assert widths(64, ANOGAN) == [8, 8, 8, 4, 2]


@pytest.mark.parametrize(("block", "shape"), [(1, (2, 16, 16, 2)), (2, (2, 8, 8, 4)), (3, (2, 4, 4, 8))])
def test_features_are_the_block_of_d(block: int, shape: tuple[int, ...]) -> None:
    """F is the named block of D, shares its weights, and takes one image batch without a warning."""
    discriminator = build_discriminator(32, 2, 8)
    features = feature_extractor(discriminator, block)
    x = images(2, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = np.asarray(features(x, training=False))
    assert before.shape == shape
    first = discriminator.get_layer("down_1").weights[0]
    first.assign(first * -2.0)
    assert np.abs(np.asarray(features(x, training=False)) - before).max() > 0


def test_refiner_has_two_layers_and_starts_as_identity() -> None:
    """C is exactly two convolutions, as the paper's, and leaves images alone before it is trained."""
    refiner = build_refiner(16, REFINER)
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in refiner.layers) == 2
    np.testing.assert_array_equal(refiner(images(2, 16)), images(2, 16))


def test_super_resolution_starts_as_bilinear() -> None:
    """Before it is trained SR enlarges bilinearly, as OpenCV does."""
    x = images(2, 16)
    expected = [cv2.resize(image[..., 0], (32, 32), interpolation=cv2.INTER_LINEAR) for image in x]
    np.testing.assert_allclose(build_super_resolver(16, SRGAN)(x)[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["generator", "encoder", "discriminator", "spectral", "refiner", "resolver"])
def test_saved_network_is_the_same(name: str, tmp_path: Path) -> None:
    """A network loaded from its ``.keras`` file gives the same output to the bit."""
    build = {
        "generator": lambda: build_generator(16, ANOGAN),
        "encoder": lambda: build_encoder(16, ANOGAN),
        "discriminator": lambda: build_discriminator(16, 2, 8, spectral=False),
        "spectral": lambda: build_discriminator(16, 2, 8, spectral=True),
        "refiner": lambda: build_refiner(16, REFINER),
        "resolver": lambda: build_super_resolver(16, SRGAN),
    }
    model = disturbed(build[name]())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.ones((2, 6), np.float32) if name == "generator" else images(2, 16)
    np.testing.assert_array_equal(loaded(x, training=False), model(x, training=False))
    fresh = build[name]()
    fresh.set_weights(loaded.get_weights())  # the way that a run loads it: the order of weights is the same
    np.testing.assert_array_equal(fresh(x, training=False), model(x, training=False))
