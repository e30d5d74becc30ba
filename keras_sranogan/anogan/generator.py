"""Stage 1, G: latent vector to low-resolution image (DCGAN, with pixel-shuffle upsampling)."""

from __future__ import annotations

from math import log2

import keras

from keras_sranogan.layers import DepthToSpace
from keras_sranogan.settings import AnoganSettings

START_SIDE_PX = 4


def widths(size: int, settings: AnoganSettings) -> list[int]:
    """Channels at 4, 8, … ``size`` pixels: ``base_width`` at full size, doubling towards the start."""
    levels = int(log2(size // START_SIDE_PX))
    return [min(settings.base_width * 2**k, settings.max_width) for k in range(levels, -1, -1)]


def build_generator(size: int, settings: AnoganSettings, dtype: str = "float32") -> keras.Model:
    """Return G: ``(B, latent_dim)`` float32 ~ N(0, 1) to ``(B, size, size, 1)`` float32 in [0, 1].

    Layers: Dense, ReLU, then [3x3 convolution, batch normalisation, ReLU, depth-to-space] per
    doubling, then a 3x3 convolution and a sigmoid.
    """
    channels = widths(size, settings)
    z = keras.Input((settings.latent_dim,), name="z")
    h = keras.layers.Dense(START_SIDE_PX**2 * channels[0], dtype=dtype, name="project")(z)
    h = keras.layers.Reshape((START_SIDE_PX, START_SIDE_PX, channels[0]), dtype=dtype)(h)
    h = keras.layers.ReLU(dtype=dtype)(h)
    for k, width in enumerate(channels[1:], start=1):
        h = keras.layers.Conv2D(4 * width, 3, padding="same", dtype=dtype, name=f"up_{k}")(h)
        h = keras.layers.BatchNormalization(momentum=0.9, dtype=dtype, name=f"up_{k}_norm")(h)
        h = keras.layers.ReLU(dtype=dtype)(h)
        h = DepthToSpace(dtype=dtype)(h)
    h = keras.layers.Conv2D(1, 3, padding="same", dtype="float32", name="to_image")(h)
    return keras.Model(z, keras.layers.Activation("sigmoid", dtype="float32")(h), name="generator")
