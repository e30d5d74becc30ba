"""The detection head: a small convolutional network, int8 in one piece on a device."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_sranogan.backend.random import Tensor
from keras_sranogan.head.smoothing import box_mean
from keras_sranogan.layers import DepthToSpace, SpaceToDepth
from keras_sranogan.settings import SMALL_HEAD_PX, HeadSettings
from sranogan_edge.scoring.head import CHANNELS, CONTRAST_FLOOR, LIMIT, neighbourhood

MOMENTUM = 0.97


def build_head(side: int, settings: HeadSettings, dtype: str = "float32", channels: int = 1) -> keras.Model:
    """Return ``(B, side, side, CHANNELS * channels)`` to ``features``, ``map`` and ``logit``.

    ``channels`` are those of x: 1, or 3 in colour. With s the side, or half of it beyond ``SMALL_HEAD_PX``:
    ``features`` ``(B, s/8, s/8, 3 * width)`` are what the density is fitted to, ``map`` ``(B, s/4, s/4, 1)``
    are logits of an anomaly at each place, ``logit`` ``(B, 1)`` of one anywhere (used in training alone).
    ``early`` ``(B, s/2, s/2, width)`` and ``middle`` ``(B, s/4, s/4, 2 * width)`` are features on the way, to
    compare designs by.
    """
    image = keras.layers.Input((side, side, CHANNELS * channels), dtype="float32")
    width = settings.width
    x = SpaceToDepth(dtype=dtype)(image)
    stem = ((width, 1),) if side <= SMALL_HEAD_PX else ((width // 2, 1), (width, 2))
    for channels, stride in (*stem, (width, 1)):
        x = _block(x, channels, stride, dtype)
    early = x
    for channels, stride in ((2 * width, 2), (2 * width, 1)):
        x = _block(x, channels, stride, dtype)
    middle = x
    features = _block(_block(x, 3 * width, 2, dtype), 3 * width, 1, dtype)
    coarse = DepthToSpace(dtype=dtype)(keras.layers.Conv2D(4 * width, 1, dtype=dtype)(features))
    both = keras.layers.Add(dtype=dtype)([keras.layers.Conv2D(width, 1, dtype=dtype)(middle), coarse])
    places = keras.layers.Conv2D(1, 1, dtype=dtype)(keras.layers.ReLU(dtype=dtype)(both))
    pools = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
    whole = keras.layers.Concatenate(dtype=dtype)([pool(dtype=dtype)(features) for pool in pools])
    outputs = {"early": early, "middle": middle, "features": features, "map": places}
    outputs["logit"] = keras.layers.Dense(1, dtype=dtype)(whole)
    return keras.Model(image, {name: _float32(x) for name, x in outputs.items()}, name="head")


def _block(x: Any, channels: int, stride: int, dtype: str) -> Any:
    x = keras.layers.Conv2D(channels, 3, stride, padding="same", use_bias=False, dtype=dtype)(x)
    x = keras.layers.BatchNormalization(momentum=MOMENTUM, dtype=dtype)(x)
    return keras.layers.ReLU(dtype=dtype)(x)


def _float32(x: Any) -> Any:
    return keras.layers.Activation("linear", dtype="float32")(x)


def head_inputs(images: Tensor) -> Tensor:
    """Return what the edge's ``scoring.head.head_input`` makes of ``(B, side, side, C)``, as a graph."""
    planes = ops.split(images, images.shape[-1], axis=-1)
    seen = [made for plane in planes for made in _standardised(plane)]
    return ops.clip(ops.concatenate(seen, axis=-1), -LIMIT, LIMIT)


def _standardised(images: Tensor) -> tuple[Tensor, Tensor]:
    mean, variance = ops.moments(images, axes=(1, 2, 3), keepdims=True)
    whole = (images - mean) / (ops.sqrt(variance) + CONTRAST_FLOOR)
    window_px = neighbourhood(images.shape[1])
    around = box_mean(images, window_px)
    spread = ops.sqrt(ops.relu(box_mean(ops.square(images), window_px) - ops.square(around)))
    return whole, (images - around) / (spread + CONTRAST_FLOOR)
