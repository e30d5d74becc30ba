"""The head in colour: what it sees, where it starts, what it is taught; and that a grey head is as it was."""

from __future__ import annotations

from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.head.anomalies import HUES_SHARE, MARKED, SHARES, paste
from keras_sranogan.head.network import head_inputs
from keras_sranogan.head.nuisance import nuisance
from keras_sranogan.head.start import new_heads
from keras_sranogan.settings import Anomalies, HeadSettings
from sranogan_edge.scoring.head import CHANNELS, head_input

Images = NDArray[np.float32]
KINDS = get_args(Anomalies)


def seed(number: int) -> tf.Tensor:
    """One seed of the stateless generators."""
    return tf.constant((7, number), tf.int64)


def normals(count: int = 10, side: int = 64) -> Images:
    """Luminance ``(count, side, side, 1)``: waves and some grain."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:side, 0:side] / side
    waves = 0.5 + 0.28 * np.sin(9 * rows + 1) * np.cos(7 * columns) + 0.02 * rng.normal(size=(side, side))
    gains = rng.uniform(0.7, 1.0, (count, 1, 1))
    return (np.clip(waves, 0.2, 0.9) * gains).astype(np.float32)[..., None]


def coloured(count: int = 10, side: int = 64) -> Images:
    """The same with opponents ``(count, side, side, 3)``, another tint each, and some grain."""
    rng = np.random.default_rng(1)
    tints = rng.uniform(0.35, 0.65, (count, 1, 1, 2)) + rng.normal(0, 0.01, (count, side, side, 2))
    return np.concatenate([normals(count, side), tints.astype(np.float32)], axis=-1)


@pytest.mark.parametrize("side", [32, 128])
def test_training_sees_what_the_device_sees(side: int) -> None:
    """In colour too, the graph's input equals the device's; its first two channels are those of the grey."""
    images = coloured(6, side)
    expected = np.stack([head_input(image, side) for image in images])
    found = np.asarray(head_inputs(tf.constant(images)))
    assert found.shape == (6, side, side, 3 * CHANNELS)
    np.testing.assert_allclose(found, expected, atol=5e-4)  # rounding of little contrast, over the floor
    grey = np.stack([head_input(image[..., :1], side) for image in images])
    np.testing.assert_array_equal(expected[..., :CHANNELS], grey)


def test_faint_tints_are_not_amplified() -> None:
    """Of an image all but grey the opponents' noise stays below what a visible hue is."""
    x = normals(1)[0]
    noise = np.random.default_rng(2).normal(0.5, 0.002, (*x.shape[:2], 2)).astype(np.float32)
    seen = head_input(np.concatenate([x, noise], axis=-1), 64)
    assert np.abs(seen[..., CHANNELS:]).max() < 0.5
    neutral = head_input(np.concatenate([x, np.full_like(noise, 0.5)], axis=-1), 64)
    assert (neutral[..., CHANNELS:] == 0).all()


def test_a_colour_head_starts_as_the_grey_one() -> None:
    """From drawn weights both say the same of an image, whatever its colours: these have no weight yet."""
    x = coloured(2, 96)
    grey, _ = new_heads(96, HeadSettings(), "float32")
    head, averaged = new_heads(96, HeadSettings(), "float32", channels=3)
    expected = grey(np.stack([head_input(one[..., :1], 96) for one in x]), training=False)
    for model in (head, averaged):
        found = model(np.stack([head_input(one, 96) for one in x]), training=False)
        for name in ("features", "map"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-4, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_some_anomalies_are_of_hue_alone(kind: Anomalies) -> None:
    """Their share leaves the luminance as it was, to the bit, and moves the opponents where it is marked."""
    images = coloured()
    hues = round(HUES_SHARE * len(images))
    for number in range(3):
        changed, masks = (np.asarray(one) for one in paste(tf.constant(images), seed(number), kind))
        assert changed.shape == images.shape
        assert masks.shape == (*images.shape[:3], 1)
        assert changed.min() >= 0
        assert changed.max() <= 1
        luminance = np.abs(changed - images)[..., 0].max(axis=(1, 2))
        assert (luminance[-hues:] == 0).all()
        assert (luminance[:-hues] > 0).all()
        moved = np.abs(changed - images)[-hues:, ..., 1:].max(axis=-1)
        marked = masks[-hues:, ..., 0] > MARKED
        assert marked.any(axis=(1, 2)).all()
        assert marked.mean() < 0.8
        assert moved[marked].mean() > 10 * moved[~marked].mean()


def test_what_is_of_another_image_has_its_colours() -> None:
    """A patch of a green image in a red one is green there, and every anomaly lies inside its mask."""
    images = coloured()
    images[::2, ..., 1], images[1::2, ..., 1] = 0.75, 0.25
    first = round((1 - HUES_SHARE) * sum(SHARES["defects"][:3]) * len(images))
    last = round((1 - HUES_SHARE) * sum(SHARES["defects"][:4]) * len(images))
    changed, masks = (np.asarray(one) for one in paste(tf.constant(images), seed(1), "defects"))
    assert last > first
    for number in range(first, last):
        inside = masks[number, ..., 0] > 0.9
        assert np.abs(changed[number, inside, 1] - images[number, inside, 1]).mean() > 0.2
    apart = np.abs(changed - images).max(axis=-1)
    assert apart[masks[..., 0] < 0.005].mean() < 0.005


def test_other_takes_keep_the_luminance_of_the_grey() -> None:
    """In colour an image is moved and exposed as without it; its hue moves a little, and stays in range."""
    images = coloured()
    grey = np.asarray(nuisance(tf.constant(images[..., :1]), seed(3)))
    found = np.asarray(nuisance(tf.constant(images), seed(3)))
    np.testing.assert_allclose(found[..., :1], grey, atol=1e-5)
    assert found.min() >= 0
    assert found.max() <= 1
    shift = (found - images)[..., 1:].mean(axis=(1, 2))
    assert 0.003 < np.abs(shift).max() < 0.12


GREY_LITERALS: dict[Anomalies, tuple[list[float], float]] = {
    "opacities": ([0.5456963, 0.5138691, 0.5993172], 0.43375573),
    "defects": ([0.54917306, 0.49727017, 0.58786786], 0.4234421),
    "spots": ([0.54995424, 0.36503217, 0.57429814], 0.4251537),
    "mixture": ([0.56658596, 0.49720347, 0.58785325], 0.42373654),
}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends draw other numbers")
@pytest.mark.parametrize("kind", GREY_LITERALS)
def test_grey_anomalies_are_those_they_were(kind: Anomalies) -> None:
    """What a seed pasted into grey images before there was colour, it pastes today."""
    changed = np.asarray(paste(tf.constant(normals(12)), seed(1), kind)[0])
    places, mean = GREY_LITERALS[kind]
    np.testing.assert_allclose(changed[[0, 5, 11], 20, 30, 0], places, atol=2e-6)
    assert changed.mean(dtype=np.float64) == pytest.approx(mean, abs=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends draw other numbers")
def test_grey_takes_and_inputs_are_those_they_were() -> None:
    """What a seed makes of grey images, and what a head sees of them, is as before there was colour."""
    x = tf.constant(normals(12))
    taken = np.asarray(nuisance(x, seed(1)))
    np.testing.assert_allclose(taken[[0, 5, 11], 20, 30, 0], [0.6490227, 0.49218485, 0.75817907], atol=2e-6)
    assert taken.mean(dtype=np.float64) == pytest.approx(0.44559777, abs=1e-6)
    seen = [[0.912482, 0.35558575], [0.89500934, 0.34767345], [0.92579484, 0.361648]]
    np.testing.assert_allclose(np.asarray(head_inputs(x))[[0, 5, 11], 20, 30], seen, atol=2e-6)
