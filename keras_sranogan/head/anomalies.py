"""Synthetic anomalies pasted into normals: what the head is trained to find. No label is used.

``opacities`` are what disease does to a radiograph: places that are usually dark become as bright as
their surroundings, and lose their detail. ``spots`` are these and their dark counterparts. ``defects`` are
what happens to surfaces and objects: spots, foreign grain, patches of another image, scratches. ``mixture``
has a share of each, and textures with the outline of noise. Of images in colour some get another hue alone,
as bright as it was; half of the others get one besides, and what is of another image comes in its colours.

Related: Draem (Zavrtanik et al. 2021), NSA (Schlueter et al. 2022), foreign patch interpolation (Tan et
al. 2020).
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_sranogan.backend import random
from keras_sranogan.backend.random import Tensor, uniform
from keras_sranogan.head.nuisance import pose
from keras_sranogan.head.smoothing import blur
from keras_sranogan.settings import Anomalies
from sranogan_edge.scoring.head import CONTRAST_FLOOR

SURROUNDINGS_SHARE = 1 / 14  # of the side: how far the brightness is looked for that a place becomes like
EMPTY = 0.12  # brightness below which there is no body and nothing is pasted
MARGIN_SHARE = 0.1  # of the side: no anomaly is centred nearer to the border
SPREAD_FLOOR = 1e-4
SHARES: dict[Anomalies, tuple[float, ...]] = {  # of spots, haze, grain, patches, scratches, texture, flecks
    "opacities": (0.65, 0.35, 0.0, 0.0, 0.0, 0.0, 0.0),
    "defects": (0.3, 0.15, 0.12, 0.21, 0.22, 0.0, 0.0),
    "spots": (0.8, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0),
    "mixture": (0.45, 0.05, 0.0, 0.2, 0.1, 0.2, 0.0),
    "flaws": (0.1, 0.0, 0.0, 0.1, 0.2, 0.1, 0.5),
}
BRIGHT_SHARE: dict[Anomalies, float] = {  # of spots and haze
    "opacities": 1.0,
    "defects": 0.5,
    "spots": 0.5,
    "mixture": 0.5,
    "flaws": 0.5,
}
MARKED_BY_SIGHT: tuple[Anomalies, ...] = ("mixture", "flaws")  # places count by how much they changed
VISIBLE = 0.3  # of the standard deviation of brightness: a change that is marked in full
HUES_SHARE = 0.3  # of the anomalies in colour: another hue alone
TINTED_SHARE = 0.5  # of the others: another hue besides
HUE_REACH = (0.04, 0.35)  # how far the opponents move
FLAT_SHARE = 0.3  # how likely flecks are where there is no detail
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
HUE = Lobes(3, 0.03, 0.2, 3.0)
FLECK = Lobes(3, 0.015, 0.07, 8.0)


class Scene(NamedTuple):
    """What anomalies need to know of the images ``(B, S, S, C)`` they are pasted into."""

    images: Tensor
    grey: Tensor  # (B, S, S, 1), their luminance; what follows is of it
    smooth: Tensor
    spread: Tensor  # (B, 1, 1, 1), standard deviation of brightness
    target: Tensor  # what a place becomes
    room: Tensor  # by how much it then changes
    detail: Tensor  # local contrast
    other: Tensor  # (B, S, S, C), another image, in this one's exposure

    def part(self, first: int, last: int) -> Scene:
        """Return these rows of the batch."""
        return Scene(*(tensor[first:last] for tensor in self))


def paste(images: Tensor, seed: Tensor, kind: Anomalies) -> tuple[Tensor, Tensor]:
    """Return ``images`` ``(B, S, S, C)`` in [0, 1] with an anomaly each, and where: soft ``(B, S, S, 1)``.

    A function of ``seed`` ``(2,)``. The sorts of anomalies follow one another in the batch, by their shares.
    """
    seeds = random.split(seed, 2)
    scene = _scene(images, seeds[0], BRIGHT_SHARE[kind])
    colour = images.shape[-1] > 1
    shares = (*((1 - HUES_SHARE) * share for share in SHARES[kind]), HUES_SHARE) if colour else SHARES[kind]
    borders = [round(share * images.shape[0]) for share in np.cumsum((0, *shares))]
    makers = (_spots, _haze, _grain, _patches, _scratches, _texture, _flecks, _hues)[: len(shares)]
    made = [
        make(scene.part(first, last), seeds[1] + number)
        for number, (make, (first, last)) in enumerate(zip(makers, itertools.pairwise(borders), strict=True))
        if last > first
    ]
    changed, masks = (ops.concatenate(parts, axis=0) for parts in zip(*made, strict=True))
    if colour:
        changed = _tinted(changed, masks, seeds[1] + len(makers))
    changed = ops.clip(changed, 0.0, 1.0)
    if kind not in MARKED_BY_SIGHT:
        return changed, masks
    seen = blur(ops.abs(changed - images), 0.01 * images.shape[1]) / (VISIBLE * _spreads(scene))
    return changed, ops.clip(ops.max(seen, axis=-1, keepdims=True), 0.0, 1.0)


def _spreads(scene: Scene) -> Tensor:
    """Return the standard deviation of each channel, ``(B, 1, 1, C)``."""
    if scene.images.shape[-1] == 1:
        return scene.spread
    colours = ops.std(scene.images[..., 1:], axis=(1, 2), keepdims=True) + CONTRAST_FLOOR
    return ops.concatenate([scene.spread, colours], axis=-1)


def _scene(images: Tensor, seed: Tensor, bright_share: float) -> Scene:
    batch, side = ops.shape(images)[0], images.shape[1]
    seeds, grey = random.split(seed, 2), images[..., :1]
    spread = ops.std(grey, axis=(1, 2, 3), keepdims=True) + SPREAD_FLOOR
    smooth = blur(grey, 0.05 * side)
    highest, lowest = _extreme(smooth), -_extreme(-smooth)
    bright = ops.cast(uniform((batch, 1, 1, 1), seeds[0]) < bright_share, "float32")
    beyond = uniform((batch, 1, 1, 1), seeds[1], -0.1, 0.3) * spread
    target = bright * (highest + beyond) + (1 - bright) * (lowest - beyond)
    room = ops.relu(bright * (highest - smooth) + (1 - bright) * (smooth - lowest)) / spread
    room = ops.square(room) * ops.cast(smooth > EMPTY, "float32")
    detail = ops.sqrt(blur(ops.square(grey - smooth), 0.04 * side)) / spread
    mean = ops.mean(grey, axis=(1, 2, 3), keepdims=True)
    other = ops.roll((grey - mean) / spread, 1, axis=0) * spread + mean
    other = _coloured(other, ops.roll(images, 1, axis=0))
    return Scene(images, grey, smooth, spread, target, room, detail, other)


def _coloured(grey: Tensor, images: Tensor) -> Tensor:
    """Return ``grey`` ``(B, S, S, 1)`` in the colours of ``images`` ``(B, S, S, C)``."""
    return grey if images.shape[-1] == 1 else ops.concatenate([grey, images[..., 1:]], axis=-1)


def _light(scene: Scene, change: Tensor) -> Tensor:
    """Return a ``change`` of the luminance alone, ``(B, S, S, C)``."""
    return _coloured(change, ops.zeros_like(scene.images))


def _extreme(smooth: Tensor) -> Tensor:
    """Return the highest brightness around each place."""
    side = smooth.shape[1]
    small = ops.average_pool(smooth, 4, 4, "valid")
    window = int(SURROUNDINGS_SHARE * side) | 1
    return ops.image.resize(ops.max_pool(small, window, 1, "same"), (side, side))


def _spots(scene: Scene, seed: Tensor) -> tuple[Tensor, Tensor]:
    seeds = random.split(seed, 2)
    mask = _lobes(SPOT, scene.room, seeds[0])
    return _opacity(scene, mask, seeds[1]), mask


def _haze(scene: Scene, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Wide, and stronger above or below."""
    seeds = random.split(seed, 3)
    side = scene.images.shape[1]
    slope = uniform((ops.shape(scene.images)[0], 1, 1, 1), seeds[1], -0.7, 0.7)
    ramp = ops.linspace(-1.0, 1.0, side)[None, :, None, None]
    mask = _lobes(HAZE, scene.room, seeds[0]) * ops.clip(0.7 + slope * ramp, 0.0, 1.0)
    return _opacity(scene, mask, seeds[2]), mask


def _opacity(scene: Scene, mask: Tensor, seed: Tensor) -> Tensor:
    """Bring the places of ``mask`` to the target's brightness, and take contrast from them."""
    seeds, one = random.split(seed, 2), (ops.shape(mask)[0], 1, 1, 1)
    filled = uniform(one, seeds[0], 0.4, 1.0) * mask * (scene.target - scene.smooth)
    lost = uniform(one, seeds[1], 0.0, 0.8) * mask * (scene.grey - scene.smooth)
    return scene.images + _light(scene, filled) - _light(scene, lost)


def _grain(scene: Scene, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Texture of one grain size."""
    seeds, one = random.split(seed, 4), (ops.shape(scene.images)[0], 1, 1, 1)
    noise, side = random.normal(ops.shape(scene.grey), seeds[0]), scene.images.shape[1]
    fine, coarse = (blur(noise, max(0.5, share * side)) for share in (0.008, 0.03))
    grain = ops.where(uniform(one, seeds[1], 0.0, 1.0) < 0.5, noise - fine, fine - coarse)
    grain /= ops.std(grain, axis=(1, 2, 3), keepdims=True) + SPREAD_FLOOR
    mask = _lobes(GRAIN, scene.detail, seeds[2])
    change = mask * grain * scene.spread * uniform(one, seeds[3], 0.25, 0.8)
    return scene.images + _light(scene, change), mask


def _patches(scene: Scene, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Blend in a part of another image, moved, in this one's exposure."""
    seeds, one = random.split(seed, 3), (ops.shape(scene.images)[0], 1, 1, 1)
    other = pose(scene.other, seeds[0], reach=4.0)
    mask = ops.clip(2.5 * _lobes(PATCH, scene.detail, seeds[1]) - 0.5, 0.0, 1.0)
    return scene.images + mask * uniform(one, seeds[2], 0.6, 1.0) * (other - scene.images), mask


def _texture(scene: Scene, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Blend in what another image is like elsewhere, in a place with the outline of smooth noise (Draem)."""
    seeds, batch = random.split(seed, 6), ops.shape(scene.images)[0]
    one, side = (batch, 1, 1, 1), scene.images.shape[1]
    turned = ops.rot90(pose(scene.other, seeds[0], reach=6.0), axes=(1, 2))
    gain, offset = uniform(one, seeds[1], -1.3, 1.3), uniform(one, seeds[2], -1.0, 1.0) * scene.spread
    foreign = _coloured((turned[..., :1] - scene.smooth) * gain + scene.smooth + offset, turned)
    noise = ops.zeros_like(scene.grey)
    for number, cells in enumerate((4, 8)):
        coarse = random.normal((batch, cells, cells, 1), seeds[3] + number)
        noise += ops.image.resize(coarse, (side, side), "bicubic") / (number + 1)
    body = ops.clip(1.5 * _lobes(REGION, scene.detail, seeds[4]), 0.0, 1.0)
    mask = ops.sigmoid(12.0 * (noise - 0.3)) * body
    return scene.images + mask * uniform(one, seeds[5], 0.3, 1.0) * (foreign - scene.images), mask


def _scratches(scene: Scene, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Small and sharp, bright or dark, round to long."""
    seeds, one = random.split(seed, 3), (ops.shape(scene.images)[0], 1, 1, 1)
    mask = ops.clip(3.0 * _lobes(SCRATCH, scene.detail, seeds[0]) - 1.0, 0.0, 1.0)
    sign = ops.sign(uniform(one, seeds[1], -1.0, 1.0))
    change = mask * sign * scene.spread * uniform(one, seeds[2], 0.7, 2.5)
    return scene.images + _light(scene, change), mask


def _flecks(scene: Scene, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Small, sharp and ragged: as bright or as dark as the image gets, the further from what is there."""
    seeds, batch = random.split(seed, 5), ops.shape(scene.images)[0]
    one, side = (batch, 1, 1, 1), scene.images.shape[1]
    cells = side // 4
    ragged = ops.image.resize(random.normal((batch, cells, cells, 1), seeds[0]), (side, side), "bicubic")
    lobes = _lobes(FLECK, scene.detail + FLAT_SHARE, seeds[1])
    outline = lobes * ops.maximum(1.0 + 0.25 * ragged, 0.7)  # its middle is never eaten away
    mask = ops.clip(4.0 * (outline - 0.5) + 0.5, 0.0, 1.0)
    brightest = ops.max(scene.grey, axis=(1, 2, 3), keepdims=True)
    darkest = ops.min(scene.grey, axis=(1, 2, 3), keepdims=True)
    up = ops.sum(mask * (brightest - scene.grey), axis=(1, 2, 3), keepdims=True)
    down = ops.sum(mask * (scene.grey - darkest), axis=(1, 2, 3), keepdims=True)
    bright = uniform(one, seeds[2]) * (up + down) < up
    far = ops.minimum(uniform(one, seeds[3], 0.4, 1.6), 1.0) * mask  # half of them all the way
    return scene.images + _light(scene, far * (ops.where(bright, brightest, darkest) - scene.grey)), mask


def _hues(scene: Scene, seed: Tensor) -> tuple[Tensor, Tensor]:
    """As bright as it was, in another hue."""
    seeds = random.split(seed, 2)
    body = ops.cast(scene.smooth > EMPTY, "float32")
    mask = ops.clip(2.5 * _lobes(HUE, body, seeds[0]) - 0.5, 0.0, 1.0)
    return scene.images + mask * _other_hue(ops.shape(mask)[0], seeds[1]), mask


def _tinted(changed: Tensor, masks: Tensor, seed: Tensor) -> Tensor:
    """Give some of the anomalies in ``changed`` ``(B, S, S, 3)`` another hue besides."""
    seeds, batch = random.split(seed, 2), ops.shape(masks)[0]
    chosen = ops.cast(uniform((batch, 1, 1, 1), seeds[0]) < TINTED_SHARE, "float32")
    return changed + chosen * masks * _other_hue(batch, seeds[1])


def _other_hue(batch: Tensor, seed: Tensor) -> Tensor:
    """Return by how much the opponents move, and the luminance does not: ``(batch, 1, 1, 3)``."""
    direction, far = ops.unstack(uniform((2, batch, 1, 1), seed))
    low, high = map(math.log, HUE_REACH)
    reach, angle = ops.exp(low + far * (high - low)), 2 * math.pi * direction
    return ops.stack([ops.zeros_like(reach), reach * ops.cos(angle), reach * ops.sin(angle)], axis=-1)


def _lobes(form: Lobes, where: Tensor, seed: Tensor) -> Tensor:
    """Return soft masks ``(B, S, S, 1)`` in [0, 1], centred where ``where``, of that shape, is high."""
    batch, side, most = ops.shape(where)[0], where.shape[1], form.most
    seeds = random.split(seed, 2)
    y, x = _centres(where, most, seeds[0])
    angle, size, stretch, there, strength = ops.unstack(uniform((5, batch, most), seeds[1], 0.0, 1.0))
    low, high = math.log(form.least_sigma_share * side), math.log(form.largest_sigma_share * side)
    sigma, elongation = ops.exp(low + size * (high - low)), ops.exp(stretch * math.log(form.elongation) / 2)
    first = ops.cast(ops.arange(most) == 0, "float32")
    strength = (0.7 + 0.3 * strength) * ops.maximum(first, ops.cast(there < 0.5, "float32"))
    places = ops.arange(side, dtype="float32")
    down = places[None, None, :, None] - y[..., None, None]
    right = places[None, None, None, :] - x[..., None, None]
    cosine, sine = (f(angle * math.pi)[..., None, None] for f in (ops.cos, ops.sin))
    along = (right * cosine + down * sine) / (sigma * elongation)[..., None, None]
    aside = (down * cosine - right * sine) / (sigma / elongation)[..., None, None]
    lobes = strength[..., None, None] * ops.exp(-(along * along + aside * aside) / 2)
    return ops.max(lobes, axis=1)[..., None]


def _centres(where: Tensor, count: int, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Draw rows and columns ``(B, count)`` in pixels, as likely as ``where`` is high (Gumbel-max)."""
    batch, cell = ops.shape(where)[0], where.shape[1] // 16
    seeds = random.split(seed, 2)
    weight = ops.average_pool(where, cell, cell, "valid")[..., 0]
    cells = weight.shape[1]
    margin = round(MARGIN_SHARE * cells)
    weight = weight[:, margin : cells - margin, margin : cells - margin]
    inner = cells - 2 * margin
    scores = ops.reshape(ops.log(weight + 1e-6), (batch, 1, inner * inner))
    noise = -ops.log(-ops.log(uniform((batch, count, inner * inner), seeds[0], 1e-6, 1 - 1e-6)))
    chosen = ops.cast(ops.argmax(scores + noise, axis=-1), "int32")
    within = uniform((2, batch, count), seeds[1], 0.0, 1.0)
    row, column = (ops.cast(part + margin, "float32") for part in (chosen // inner, chosen % inner))
    return (row + within[0]) * cell, (column + within[1]) * cell
