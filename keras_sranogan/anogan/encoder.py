"""Stage 1, E: image to the latent vector that the search starts from (f-AnoGAN, Schlegl et al. 2019)."""

from __future__ import annotations

from math import log2

import keras

from keras_sranogan.anogan.generator import START_SIDE_PX
from keras_sranogan.layers import SpaceToDepth
from keras_sranogan.settings import AnoganSettings


def down_widths(size: int, settings: AnoganSettings) -> list[int]:
    """Channels after each halving of the side, down to START_SIDE_PX."""
    halvings = int(log2(size // START_SIDE_PX))
    return [min(2 * settings.base_width * 2**k, settings.max_width) for k in range(halvings)]


def build_encoder(size: int, settings: AnoganSettings, dtype: str = "float32") -> keras.Model:
    """Return E: ``(B, size, size, 1)`` float32 in [0, 1] to z ``(B, latent_dim)`` float32, unbounded."""
    x = keras.Input((size, size, 1), name="image")
    h = x
    for k, width in enumerate(down_widths(size, settings), start=1):
        h = SpaceToDepth(dtype=dtype)(h)
        h = keras.layers.Conv2D(width, 3, padding="same", dtype=dtype, name=f"down_{k}")(h)
        h = keras.layers.BatchNormalization(momentum=0.9, dtype=dtype, name=f"down_{k}_norm")(h)
        h = keras.layers.ReLU(dtype=dtype)(h)
    h = keras.layers.Flatten(dtype=dtype)(h)
    z = keras.layers.Dense(settings.latent_dim, dtype="float32", name="z")(h)
    return keras.Model(x, z, name="encoder")
