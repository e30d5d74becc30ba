"""Differentiable augmentation of what the discriminator sees (Zhao et al. 2020), real and fake alike.

With about 1,000 images a discriminator memorises them within minutes; seeing every image through
a random brightness, contrast, shift and cut-out delays that without teaching G the distortions.
"""

from __future__ import annotations

from keras import ops

from keras_sranogan.backend import random
from keras_sranogan.backend.random import Tensor

BRIGHTNESS = 0.2
CONTRAST = (0.7, 1.3)
SHIFT_SHARE = 0.125
CUTOUT_SHARE = 0.4
POSE_ROTATION_RAD = 0.07  # 4 degrees
POSE_LOG_SCALE = 0.06
POSE_SHIFT_SHARE = 0.03
POSE_GAIN = 0.05


def augment(images: Tensor, seed: Tensor) -> Tensor:
    """Return ``images`` ``(B, S, S, 1)``, each distorted in its own way: a function of ``seed`` ``(2,)``."""
    batch, side = ops.shape(images)[0], images.shape[1]
    seeds = random.split(seed, 4)
    per_image = (batch, 1, 1, 1)
    images += random.uniform(per_image, seeds[0], -BRIGHTNESS, BRIGHTNESS)
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    images = (images - mean) * random.uniform(per_image, seeds[1], *CONTRAST) + mean
    images = _shift(images, max(1, round(side * SHIFT_SHARE)), seeds[2])
    return images * _cutout_mask(batch, side, round(side * CUTOUT_SHARE), seeds[3])


def _shift(images: Tensor, reach: int, seed: Tensor) -> Tensor:
    """Translate by up to ``reach`` pixels each way, zeros moving in."""
    batch, side = ops.shape(images)[0], images.shape[1]
    offset = random.integers((batch, 2), seed, -reach, reach + 1)
    index = ops.arange(side)[None] + reach
    rows, columns = index + offset[:, :1], index + offset[:, 1:]
    padded = ops.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    moved = ops.take_along_axis(padded, rows[:, :, None, None], axis=1)
    return ops.take_along_axis(moved, columns[:, None, :, None], axis=2)


def _cutout_mask(batch: Tensor, side: int, hole: int, seed: Tensor) -> Tensor:
    """Return ``(batch, side, side, 1)`` ones with one square hole of zeros each."""
    corner = random.integers((batch, 2), seed, -hole // 2, side - hole // 2)
    index = ops.arange(side)[None]
    inside = (index[:, None] >= corner[:, :, None]) & (index[:, None] < corner[:, :, None] + hole)
    covered = inside[:, 0, :, None] & inside[:, 1, None, :]
    return 1.0 - ops.cast(covered, "float32")[..., None]


def jitter(images: Tensor, seed: Tensor) -> Tensor:
    """Return ``images`` ``(B, S, S, 1)`` each slightly turned, scaled, shifted and re-exposed.

    These are the poses that films of normals vary in anyway; some hundred images show too few of them.
    """
    seeds = random.split(seed, 2)
    batch, side = ops.shape(images)[0], images.shape[1]
    turn, scale, right, down = ops.unstack(random.uniform((4, batch), seeds[0], -1.0, 1.0))
    angle, zoom = turn * POSE_ROTATION_RAD, ops.exp(scale * POSE_LOG_SCALE)
    cosine, sine, middle = ops.cos(angle) * zoom, ops.sin(angle) * zoom, (side - 1) / 2
    x0 = middle * (1 - cosine + sine) + right * POSE_SHIFT_SHARE * side
    y0 = middle * (1 - sine - cosine) + down * POSE_SHIFT_SHARE * side
    zero = ops.zeros_like(x0)
    moved = warp(images, ops.stack([cosine, -sine, x0, sine, cosine, y0, zero, zero], axis=1))
    gain = random.uniform((batch, 1, 1, 1), seeds[1], 1 - POSE_GAIN, 1 + POSE_GAIN)
    return ops.clip(moved * gain, 0.0, 1.0)


def warp(images: Tensor, transforms: Tensor) -> Tensor:
    """Return ``images`` ``(B, S, S, C)`` moved by ``transforms`` ``(B, 8)``, borders repeated.

    A transform takes a place of the result to the place it is read from: (a, b, c, d, e, f, 0, 0) means
    x = a x' + b y' + c and y = d x' + e y' + f.
    """
    return ops.image.affine_transform(
        images, transforms, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
    )
