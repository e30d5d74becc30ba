"""Stage 2: the CNN of exactly two convolution layers, g(x) to c(g(x))."""

from __future__ import annotations

import keras

from keras_sranogan.settings import RefinerSettings


def build_refiner(size: int, settings: RefinerSettings, dtype: str = "float32") -> keras.Model:
    """Return c: ``(B, size, size, 1)`` float32 in [0, 1] to the same.

    Convolution, ReLU, convolution; the result is added to g(x) and clipped to [0, 1]. The second
    layer starts at zero, so training begins at c(g(x)) = g(x) and can only improve on it.
    """
    generated = keras.Input((size, size, 1), name="generated")
    kernel = settings.kernel_px
    h = keras.layers.Conv2D(
        settings.filters, kernel, padding="same", activation="relu", dtype=dtype, name="layer_1"
    )(generated)
    correction = keras.layers.Conv2D(
        1, kernel, padding="same", kernel_initializer="zeros", dtype="float32", name="layer_2"
    )(h)
    total = keras.layers.Add(dtype="float32")([generated, correction])
    refined = keras.layers.ReLU(max_value=1.0, dtype="float32", name="refined")(total)
    return keras.Model(generated, refined, name="refiner")
