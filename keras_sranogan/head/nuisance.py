"""Other takes of the same normal, in a graph: pose, exposure, sharpness and noise, never anatomy.

The head sees a normal and its anomalous twin with the same nuisance, so that it learns to ignore it.
"""

from __future__ import annotations

import math

import tensorflow as tf

from keras_sranogan.anogan.augment import warp
from keras_sranogan.head.smoothing import blur

ROTATION_RAD = math.radians(10)
LOG_SCALE = 0.15
LOG_ASPECT = 0.10
SHIFT_SHARE = 0.05
LOG_GAMMA = 0.5
BIAS_FIELD = 0.15
BLUR_PX = 0.5
BLUR_TO_SHARPEN = (-1.0, 0.6)
NOISE = 0.02  # largest standard deviation, in full scales
DARKEST = 1e-3


def nuisance(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return ``images`` ``(B, S, S, 1)`` in [0, 1], each taken anew: a function of ``seed`` ``(2,)``."""
    seeds = tf.unstack(tf.random.split(seed, 2))
    return _acquisition(pose(images, seeds[0]), seeds[1])


def pose(images: tf.Tensor, seed: tf.Tensor, reach: float = 1.0) -> tf.Tensor:
    """Return ``images`` mirrored and, times ``reach``, turned, scaled, stretched and shifted."""
    batch, side = tf.shape(images)[0], images.shape[1]
    turn, scale, stretch, right, down, mirror = tf.unstack(
        tf.random.stateless_uniform((6, batch), seed, -1.0, 1.0)
    )
    angle, zoom = turn * reach * ROTATION_RAD, tf.exp(scale * reach * LOG_SCALE)
    aspect = tf.exp(stretch * reach * LOG_ASPECT / 2)
    across = zoom * tf.sign(mirror)
    a, b = tf.cos(angle) * across * aspect, -tf.sin(angle) * zoom * aspect
    d, e = tf.sin(angle) * across / aspect, tf.cos(angle) * zoom / aspect
    middle, shift, zero = (side - 1) / 2, reach * SHIFT_SHARE * side, tf.zeros_like(a)
    x0, y0 = middle * (1 - a - b) + right * shift, middle * (1 - d - e) + down * shift
    return warp(images, tf.stack([a, b, x0, d, e, y0, zero, zero], axis=1))


def _acquisition(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return ``images`` blurred or sharpened, with another gamma, uneven, and noisy."""
    batch, side = tf.shape(images)[0], images.shape[1]
    seeds, one = tf.unstack(tf.random.split(seed, 5)), (batch, 1, 1, 1)
    images += uniform(one, seeds[0], *BLUR_TO_SHARPEN) * (images - blur(images, BLUR_PX))
    gamma = tf.exp(uniform(one, seeds[1], -LOG_GAMMA, LOG_GAMMA))
    images = tf.pow(tf.clip_by_value(images, DARKEST, 1.0), gamma)
    slope = uniform((2, *one), seeds[2], -BIAS_FIELD, BIAS_FIELD)
    ramp = tf.linspace(-1.0, 1.0, side)
    images *= (1 + slope[0] * ramp[None, :, None, None]) * (1 + slope[1] * ramp[None, None, :, None])
    images += tf.random.stateless_normal(tf.shape(images), seeds[3]) * uniform(one, seeds[4], 0.0, NOISE)
    return tf.clip_by_value(images, 0.0, 1.0)


def uniform(shape: tuple[object, ...], seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Uniform float32 numbers."""
    return tf.random.stateless_uniform(shape, seed, low, high)
