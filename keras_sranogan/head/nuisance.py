"""Other takes of the same normal, in a graph: pose, exposure, sharpness and noise, never anatomy.

The head sees a normal and its anomalous twin with the same nuisance, so that it learns to ignore it.
"""

from __future__ import annotations

import math

from keras import ops

from keras_sranogan.anogan.augment import warp
from keras_sranogan.backend import random
from keras_sranogan.backend.random import Tensor, uniform
from keras_sranogan.head.smoothing import blur
from sranogan_edge.image.colour import NEUTRAL

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
LOG_SATURATION = 0.3
WHITE_SHIFT = 0.03  # of each opponent


def nuisance(images: Tensor, seed: Tensor) -> Tensor:
    """Return ``images`` ``(B, S, S, C)`` in [0, 1], each taken anew: a function of ``seed`` ``(2,)``.

    The luminance is the same whether there are opponents (:mod:`sranogan_edge.image.colour`) or not.
    """
    seeds = random.split(seed, 2)
    moved = pose(images, seeds[0])
    if images.shape[-1] == 1:
        return _acquisition(moved, seeds[1])
    colours = _white_balance(moved[..., 1:], seeds[1] + 1)
    return ops.concatenate([_acquisition(moved[..., :1], seeds[1]), colours], axis=-1)


def pose(images: Tensor, seed: Tensor, reach: float = 1.0) -> Tensor:
    """Return ``images`` mirrored and, times ``reach``, turned, scaled, stretched and shifted."""
    batch, side = ops.shape(images)[0], images.shape[1]
    turn, scale, stretch, right, down, mirror = ops.unstack(uniform((6, batch), seed, -1.0, 1.0))
    angle, zoom = turn * reach * ROTATION_RAD, ops.exp(scale * reach * LOG_SCALE)
    aspect = ops.exp(stretch * reach * LOG_ASPECT / 2)
    across = zoom * ops.sign(mirror)
    a, b = ops.cos(angle) * across * aspect, -ops.sin(angle) * zoom * aspect
    d, e = ops.sin(angle) * across / aspect, ops.cos(angle) * zoom / aspect
    middle, shift, zero = (side - 1) / 2, reach * SHIFT_SHARE * side, ops.zeros_like(a)
    x0, y0 = middle * (1 - a - b) + right * shift, middle * (1 - d - e) + down * shift
    return warp(images, ops.stack([a, b, x0, d, e, y0, zero, zero], axis=1))


def _acquisition(images: Tensor, seed: Tensor) -> Tensor:
    """Return ``images`` blurred or sharpened, with another gamma, uneven, and noisy."""
    batch, side = ops.shape(images)[0], images.shape[1]
    seeds, one = random.split(seed, 5), (batch, 1, 1, 1)
    images += uniform(one, seeds[0], *BLUR_TO_SHARPEN) * (images - blur(images, BLUR_PX))
    gamma = ops.exp(uniform(one, seeds[1], -LOG_GAMMA, LOG_GAMMA))
    images = ops.power(ops.clip(images, DARKEST, 1.0), gamma)
    slope = uniform((2, *one), seeds[2], -BIAS_FIELD, BIAS_FIELD)
    ramp = ops.linspace(-1.0, 1.0, side)
    images *= (1 + slope[0] * ramp[None, :, None, None]) * (1 + slope[1] * ramp[None, None, :, None])
    images += random.normal(ops.shape(images), seeds[3]) * uniform(one, seeds[4], 0.0, NOISE)
    return ops.clip(images, 0.0, 1.0)


def _white_balance(colours: Tensor, seed: Tensor) -> Tensor:
    """Return opponents ``(B, S, S, 2)`` blurred, paler or stronger, with another white, and noisy."""
    seeds, one = random.split(seed, 5), (ops.shape(colours)[0], 1, 1, 1)
    colours -= uniform(one, seeds[0]) * (colours - blur(colours, BLUR_PX))
    colours = (colours - NEUTRAL) * ops.exp(uniform(one, seeds[1], -LOG_SATURATION, LOG_SATURATION)) + NEUTRAL
    colours += uniform((*one[:3], 2), seeds[2], -WHITE_SHIFT, WHITE_SHIFT)
    colours += random.normal(ops.shape(colours), seeds[3]) * uniform(one, seeds[4], 0.0, NOISE / 2)
    return ops.clip(colours, 0.0, 1.0)
