"""Other takes of the same normal: repeatable, in range, and still that normal."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_sranogan.backend.random import uniform
from keras_sranogan.head.nuisance import BIAS_FIELD, nuisance, pose
from keras_sranogan.head.smoothing import blur

IMAGES = tf.constant(np.random.default_rng(0).random((4, 32, 32, 1), np.float32))
SEED, OTHER = tf.constant((1, 2), tf.int64), tf.constant((1, 3), tf.int64)


@pytest.mark.parametrize("distort", [nuisance, pose])
def test_is_a_function_of_the_seed(distort: object) -> None:
    """The shape stays, the same seed gives the same images, another one gives others."""
    assert callable(distort)
    found = np.asarray(distort(IMAGES, SEED))
    assert found.shape == IMAGES.shape
    np.testing.assert_array_equal(found, distort(IMAGES, SEED))
    assert np.abs(found - distort(IMAGES, OTHER)).max() > 0.01


def test_every_image_is_taken_in_its_own_way() -> None:
    """Four times the same image gives four different ones."""
    found = np.asarray(nuisance(tf.repeat(IMAGES[:1], 4, axis=0), SEED))
    for i in range(3):
        assert np.abs(found[i] - found[i + 1]).max() > 0.01


@pytest.mark.parametrize("side", [16, 64])
def test_stays_in_range(side: int) -> None:
    """Noise, black, white, and black beside white give finite images in [0, 1]."""
    noise = np.random.default_rng(1).random((1, side, side, 1), np.float32)
    flat = [np.zeros_like(noise), np.ones_like(noise), np.full_like(noise, 0.5)]
    images = tf.constant(np.concatenate([noise, (noise > 0.5).astype(np.float32), *flat]))
    for step in range(8):
        found = np.asarray(nuisance(images, tf.constant((0, step), tf.int64)))
        assert np.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 1


def test_keeps_the_picture() -> None:
    """A picture that mirroring does not change is still itself: anatomy stays, only its take differs."""
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    picture = np.exp(-2 * (rows**2 + 4 * columns**2)).astype(np.float32)
    found = np.asarray(nuisance(tf.constant(np.tile(picture[None, ..., None], (16, 1, 1, 1))), SEED))
    likeness = [np.corrcoef(one.ravel(), picture.ravel())[0, 1] for one in found]
    assert min(likeness) > 0.75


def test_pose_keeps_brightness() -> None:
    """Moving an image invents no brightness: a constant one stays what it was."""
    flat = tf.fill((3, 32, 32, 1), 0.4)
    np.testing.assert_allclose(pose(flat, SEED), flat, atol=1e-6)


def test_pose_moves_farther_with_its_reach() -> None:
    """Without reach an image is at most mirrored; the more reach, the farther it is from itself."""
    rows, columns = np.mgrid[-1:1:32j, -1:1:32j]
    picture = np.exp(-8 * (rows**2 + columns**2)).astype(np.float32)[None, ..., None]
    images = tf.constant(np.repeat(picture, 16, axis=0))
    moved = [np.abs(np.asarray(pose(images, SEED, reach)) - images).mean() for reach in (0.0, 1.0, 4.0)]
    assert moved[0] < 1e-3 < 0.01 < moved[1] < moved[2]


def test_uneven_exposure_is_bounded() -> None:
    """A flat image gets no steeper than its two ramps allow, whatever gamma, blur and noise do."""
    flat = np.asarray(nuisance(tf.ones((64, 32, 32, 1)), SEED))
    assert flat.min() > (1 - BIAS_FIELD) ** 2 - 0.12  # six standard deviations of the noise
    assert flat.std(axis=(1, 2, 3)).max() > 0.02


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.2])
def test_blur_is_opencvs(sigma: float) -> None:
    """The blur equals OpenCV's of the same width inside, and keeps the mean of a constant image."""
    image = np.asarray(IMAGES[0, ..., 0])
    reach = int(np.ceil(3 * sigma))
    expected = cv2.GaussianBlur(image, (2 * reach + 1, 2 * reach + 1), sigma, borderType=cv2.BORDER_REFLECT)
    np.testing.assert_allclose(np.asarray(blur(IMAGES, sigma))[0, ..., 0], expected, atol=1e-5)
    np.testing.assert_allclose(blur(tf.ones((1, 16, 16, 2)), sigma), 1, atol=1e-5)


def test_blur_wider_than_the_image() -> None:
    """A blur of more than the whole image is cut to it instead of failing."""
    found = np.asarray(blur(IMAGES[:, :16, :16], 30.0))
    assert found.shape == (4, 16, 16, 1)
    assert found.std(axis=(1, 2, 3)).max() < 0.05


def test_uniform_keeps_to_its_limits() -> None:
    """Numbers fill the stated interval and do not leave it."""
    found = np.asarray(uniform((10_000,), SEED, -0.5, 2.0))
    assert found.dtype == np.float32
    assert -0.5 <= found.min() < -0.45
    assert 1.95 < found.max() <= 2
