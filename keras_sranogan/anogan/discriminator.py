"""D of a GAN: image to logit, with its blocks' outputs by name (``features_1``, ``features_2``, …)."""

from __future__ import annotations

from math import log2

import keras

from keras_sranogan.layers import SpaceToDepth

LEAKY_SLOPE = 0.2
LAST_SIDE_PX = 4


def build_discriminator(
    size: int, base_width: int, max_width: int, *, spectral: bool = True, dtype: str = "float32"
) -> keras.Model:
    """Return D: ``(B, size, size, 1)`` float32 in [0, 1] to logits ``(B, 1)`` float32.

    Each block halves the side: space-to-depth, 3x3 convolution, leaky ReLU (0.2); its output is the
    layer ``features_<k>``. Convolutions carry spectral normalisation (Miyato et al. 2018), which
    keeps D from memorising some hundred images.
    """

    def normalised(layer: keras.layers.Layer) -> keras.layers.Layer:
        return keras.layers.SpectralNormalization(layer, dtype=dtype, name=layer.name) if spectral else layer

    x = keras.Input((size, size, 1), name="image")
    h = x
    for k in range(int(log2(size // LAST_SIDE_PX))):
        width = min(base_width * 2**k, max_width)
        h = SpaceToDepth(dtype=dtype)(h)
        h = normalised(keras.layers.Conv2D(width, 3, padding="same", dtype=dtype, name=f"down_{k + 1}"))(h)
        h = keras.layers.LeakyReLU(LEAKY_SLOPE, dtype=dtype, name=f"features_{k + 1}")(h)
    h = keras.layers.Flatten(dtype=dtype)(h)
    logit = keras.layers.Dense(1, dtype="float32", name="logit")(h)
    return keras.Model(x, logit, name="discriminator")


def feature_extractor(discriminator: keras.Model, block: int) -> keras.Model:
    """Return f: the discriminator up to ``features_<block>``, sharing its weights."""
    output = discriminator.get_layer(f"features_{block}").output
    return keras.Model(discriminator.input, output, name=f"{discriminator.name}_features_{block}")
