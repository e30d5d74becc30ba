"""Stage 2: the CNN of exactly two convolution layers, g(x) to c(g(x))."""

from __future__ import annotations

import keras

from keras_sranogan.settings import RefinerSettings


def build_refiner(size: int, settings: RefinerSettings, dtype: str = "float32") -> keras.Model:
    """Return c: ``(B, size, size, 1)`` float32 in [0, 1] to the same: convolution, ReLU, convolution, sigmoid."""
    generated = keras.Input((size, size, 1), name="generated")
    kernel = settings.kernel_px
    h = keras.layers.Conv2D(
        settings.filters, kernel, padding="same", activation="relu", dtype=dtype, name="layer_1"
    )(generated)
    refined = keras.layers.Conv2D(
        1, kernel, padding="same", activation="sigmoid", dtype="float32", name="layer_2"
    )(h)
    return keras.Model(generated, refined, name="refiner")
