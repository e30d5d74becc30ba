"""Synthetic anomalies pasted into normals: what the head is trained to find. No label is used.

``opacities`` are what disease does to a radiograph: places that are usually dark become as bright as
their surroundings, and lose their detail. ``spots`` are these and their dark counterparts. ``defects`` are
what happens to surfaces and objects: spots, foreign grain, patches of another image, scratches. ``mixture``
has a share of each, and textures with the outline of noise.

Related: Draem (Zavrtanik et al. 2021), NSA (Schlueter et al. 2022), foreign patch interpolation (Tan et
al. 2020).
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_sranogan.head.nuisance import pose, uniform
from keras_sranogan.head.smoothing import blur
from keras_sranogan.settings import Anomalies

SURROUNDINGS_SHARE = 1 / 14  # of the side: how far the brightness is looked for that a place becomes like
EMPTY = 0.12  # brightness below which there is no body and nothing is pasted
MARGIN_SHARE = 0.1  # of the side: no anomaly is centred nearer to the border
SPREAD_FLOOR = 1e-4
SHARES: dict[Anomalies, tuple[float, ...]] = {  # of spots, haze, grain, patches, scratches, texture
    "opacities": (0.65, 0.35, 0.0, 0.0, 0.0, 0.0),
    "defects": (0.3, 0.15, 0.12, 0.21, 0.22, 0.0),
    "spots": (0.8, 0.2, 0.0, 0.0, 0.0, 0.0),
    "mixture": (0.45, 0.05, 0.0, 0.2, 0.1, 0.2),
}
BRIGHT_SHARE: dict[Anomalies, float] = {  # of spots and haze
    "opacities": 1.0,
    "defects": 0.5,
    "spots": 0.5,
    "mixture": 0.5,
}
VISIBLE = 0.3  # of the standard deviation of brightness: a change that is marked in full
MARKED = 0.25  # of an anomaly's strength, from where on its place counts as anomalous


class Lobes(NamedTuple):
    """The form of one kind of anomaly: the maximum of some rotated Gaussians."""

    most: int
    least_sigma_share: float
    largest_sigma_share: float
    elongation: float


SPOT = Lobes(4, 0.035, 0.12, 3.0)
HAZE = Lobes(2, 0.12, 0.28, 2.5)
GRAIN = Lobes(3, 0.06, 0.2, 2.5)
PATCH = Lobes(2, 0.07, 0.2, 3.0)
REGION = Lobes(2, 0.1, 0.25, 2.0)
SCRATCH = Lobes(3, 0.015, 0.05, 25.0)


class Scene(NamedTuple):
    """What anomalies need to know of the images ``(B, S, S, 1)`` they are pasted into."""

    images: tf.Tensor
    smooth: tf.Tensor
    spread: tf.Tensor  # (B, 1, 1, 1), standard deviation of brightness
    target: tf.Tensor  # what a place becomes
    room: tf.Tensor  # by how much it then changes
    detail: tf.Tensor  # local contrast
    other: tf.Tensor  # another image, in this one's exposure

    def part(self, first: int, last: int) -> Scene:
        """Return these rows of the batch."""
        return Scene(*(tensor[first:last] for tensor in self))


def paste(images: tf.Tensor, seed: tf.Tensor, kind: Anomalies) -> tuple[tf.Tensor, tf.Tensor]:
    """Return ``images`` ``(B, S, S, 1)`` in [0, 1] with an anomaly each, and where: soft masks of that shape.

    A function of ``seed`` ``(2,)``. The sorts of anomalies follow one another in the batch, by their shares.
    """
    seeds = tf.unstack(tf.random.split(seed, 2))
    scene = _scene(images, seeds[0], BRIGHT_SHARE[kind])
    borders = [round(share * images.shape[0]) for share in np.cumsum((0, *SHARES[kind]))]
    makers = (_spots, _haze, _grain, _patches, _scratches, _texture)
    made = [
        make(scene.part(first, last), seeds[1] + number)
        for number, (make, (first, last)) in enumerate(zip(makers, itertools.pairwise(borders), strict=True))
        if last > first
    ]
    changed, masks = (tf.concat(parts, axis=0) for parts in zip(*made, strict=True))
    changed = tf.clip_by_value(changed, 0.0, 1.0)
    if kind != "mixture":
        return changed, masks
    seen = blur(tf.abs(changed - images), 0.01 * images.shape[1]) / (VISIBLE * scene.spread)
    return changed, tf.clip_by_value(seen, 0.0, 1.0)


def _scene(images: tf.Tensor, seed: tf.Tensor, bright_share: float) -> Scene:
    batch, side = tf.shape(images)[0], images.shape[1]
    seeds = tf.unstack(tf.random.split(seed, 2))
    spread = tf.math.reduce_std(images, axis=(1, 2, 3), keepdims=True) + SPREAD_FLOOR
    smooth = blur(images, 0.05 * side)
    highest, lowest = _extreme(smooth), -_extreme(-smooth)
    bright = tf.cast(uniform((batch, 1, 1, 1), seeds[0], 0.0, 1.0) < bright_share, tf.float32)
    beyond = uniform((batch, 1, 1, 1), seeds[1], -0.1, 0.3) * spread
    target = bright * (highest + beyond) + (1 - bright) * (lowest - beyond)
    room = tf.nn.relu(bright * (highest - smooth) + (1 - bright) * (smooth - lowest)) / spread
    room = tf.square(room) * tf.cast(smooth > EMPTY, tf.float32)
    detail = tf.sqrt(blur(tf.square(images - smooth), 0.04 * side)) / spread
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    other = tf.roll((images - mean) / spread, 1, axis=0) * spread + mean
    return Scene(images, smooth, spread, target, room, detail, other)


def _extreme(smooth: tf.Tensor) -> tf.Tensor:
    """Return the highest brightness around each place."""
    side = smooth.shape[1]
    small = tf.nn.avg_pool2d(smooth, 4, 4, "VALID")
    window = int(SURROUNDINGS_SHARE * side) | 1
    return tf.image.resize(tf.nn.max_pool2d(small, window, 1, "SAME"), (side, side))


def _spots(scene: Scene, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    seeds = tf.unstack(tf.random.split(seed, 2))
    mask = _lobes(SPOT, scene.room, seeds[0])
    return _opacity(scene, mask, seeds[1]), mask


def _haze(scene: Scene, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Wide, and stronger above or below."""
    seeds = tf.unstack(tf.random.split(seed, 3))
    side = scene.images.shape[1]
    slope = uniform((tf.shape(scene.images)[0], 1, 1, 1), seeds[1], -0.7, 0.7)
    ramp = tf.linspace(-1.0, 1.0, side)[None, :, None, None]
    mask = _lobes(HAZE, scene.room, seeds[0]) * tf.clip_by_value(0.7 + slope * ramp, 0.0, 1.0)
    return _opacity(scene, mask, seeds[2]), mask


def _opacity(scene: Scene, mask: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Bring the places of ``mask`` to the target's brightness, and take contrast from them."""
    seeds, one = tf.unstack(tf.random.split(seed, 2)), (tf.shape(mask)[0], 1, 1, 1)
    filled = uniform(one, seeds[0], 0.4, 1.0) * mask * (scene.target - scene.smooth)
    return scene.images + filled - uniform(one, seeds[1], 0.0, 0.8) * mask * (scene.images - scene.smooth)


def _grain(scene: Scene, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Texture of one grain size."""
    seeds, one = tf.unstack(tf.random.split(seed, 4)), (tf.shape(scene.images)[0], 1, 1, 1)
    noise, side = tf.random.stateless_normal(tf.shape(scene.images), seeds[0]), scene.images.shape[1]
    fine, coarse = (blur(noise, max(0.5, share * side)) for share in (0.008, 0.03))
    grain = tf.where(uniform(one, seeds[1], 0.0, 1.0) < 0.5, noise - fine, fine - coarse)
    grain /= tf.math.reduce_std(grain, axis=(1, 2, 3), keepdims=True) + SPREAD_FLOOR
    mask = _lobes(GRAIN, scene.detail, seeds[2])
    return scene.images + mask * grain * scene.spread * uniform(one, seeds[3], 0.25, 0.8), mask


def _patches(scene: Scene, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Blend in a part of another image, moved, in this one's exposure."""
    seeds, one = tf.unstack(tf.random.split(seed, 3)), (tf.shape(scene.images)[0], 1, 1, 1)
    other = pose(scene.other, seeds[0], reach=4.0)
    mask = tf.clip_by_value(2.5 * _lobes(PATCH, scene.detail, seeds[1]) - 0.5, 0.0, 1.0)
    return scene.images + mask * uniform(one, seeds[2], 0.6, 1.0) * (other - scene.images), mask


def _texture(scene: Scene, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Blend in what another image is like elsewhere, in a place with the outline of smooth noise (Draem)."""
    seeds, batch = tf.unstack(tf.random.split(seed, 6)), tf.shape(scene.images)[0]
    one, side = (batch, 1, 1, 1), scene.images.shape[1]
    turned = tf.image.rot90(pose(scene.other, seeds[0], reach=6.0))
    gain, offset = uniform(one, seeds[1], -1.3, 1.3), uniform(one, seeds[2], -1.0, 1.0) * scene.spread
    foreign = (turned - scene.smooth) * gain + scene.smooth + offset
    noise = tf.zeros_like(scene.images)
    for number, cells in enumerate((4, 8)):
        coarse = tf.random.stateless_normal((batch, cells, cells, 1), seeds[3] + number)
        noise += tf.image.resize(coarse, (side, side), "bicubic") / (number + 1)
    body = tf.clip_by_value(1.5 * _lobes(REGION, scene.detail, seeds[4]), 0.0, 1.0)
    mask = tf.sigmoid(12.0 * (noise - 0.3)) * body
    return scene.images + mask * uniform(one, seeds[5], 0.3, 1.0) * (foreign - scene.images), mask


def _scratches(scene: Scene, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Small and sharp, bright or dark, round to long."""
    seeds, one = tf.unstack(tf.random.split(seed, 3)), (tf.shape(scene.images)[0], 1, 1, 1)
    mask = tf.clip_by_value(3.0 * _lobes(SCRATCH, scene.detail, seeds[0]) - 1.0, 0.0, 1.0)
    sign = tf.sign(uniform(one, seeds[1], -1.0, 1.0))
    return scene.images + mask * sign * scene.spread * uniform(one, seeds[2], 0.7, 2.5), mask


def _lobes(form: Lobes, where: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return soft masks ``(B, S, S, 1)`` in [0, 1], centred where ``where``, of that shape, is high."""
    batch, side, most = tf.shape(where)[0], where.shape[1], form.most
    seeds = tf.unstack(tf.random.split(seed, 2))
    y, x = _centres(where, most, seeds[0])
    angle, size, stretch, there, strength = tf.unstack(uniform((5, batch, most), seeds[1], 0.0, 1.0))
    low, high = math.log(form.least_sigma_share * side), math.log(form.largest_sigma_share * side)
    sigma, elongation = tf.exp(low + size * (high - low)), tf.exp(stretch * math.log(form.elongation) / 2)
    first = tf.cast(tf.range(most) == 0, tf.float32)
    strength = (0.7 + 0.3 * strength) * tf.maximum(first, tf.cast(there < 0.5, tf.float32))
    places = tf.range(side, dtype=tf.float32)
    down = places[None, None, :, None] - y[..., None, None]
    right = places[None, None, None, :] - x[..., None, None]
    cosine, sine = (f(angle * math.pi)[..., None, None] for f in (tf.cos, tf.sin))
    along = (right * cosine + down * sine) / (sigma * elongation)[..., None, None]
    aside = (down * cosine - right * sine) / (sigma / elongation)[..., None, None]
    lobes = strength[..., None, None] * tf.exp(-(along * along + aside * aside) / 2)
    return tf.reduce_max(lobes, axis=1)[..., None]


def _centres(where: tf.Tensor, count: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Draw rows and columns ``(B, count)`` in pixels, as likely as ``where`` is high (Gumbel-max)."""
    batch, cell = tf.shape(where)[0], where.shape[1] // 16
    seeds = tf.unstack(tf.random.split(seed, 2))
    weight = tf.nn.avg_pool2d(where, cell, cell, "VALID")[..., 0]
    cells = weight.shape[1]
    margin = round(MARGIN_SHARE * cells)
    weight = weight[:, margin : cells - margin, margin : cells - margin]
    inner = cells - 2 * margin
    scores = tf.reshape(tf.math.log(weight + 1e-6), (batch, 1, inner * inner))
    noise = -tf.math.log(-tf.math.log(uniform((batch, count, inner * inner), seeds[0], 1e-6, 1 - 1e-6)))
    chosen = tf.argmax(scores + noise, axis=-1, output_type=tf.int32)
    within = uniform((2, batch, count), seeds[1], 0.0, 1.0)
    row, column = (tf.cast(part + margin, tf.float32) for part in (chosen // inner, chosen % inner))
    return (row + within[0]) * cell, (column + within[1]) * cell
