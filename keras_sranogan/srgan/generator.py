"""Stage 3: super-resolution generator, c(g(x)) to an image of twice the side (SRGAN, Ledig et al. 2017)."""

from __future__ import annotations

import keras

from keras_sranogan.layers import DepthToSpace
from keras_sranogan.settings import SrganSettings


def build_super_resolver(size: int, settings: SrganSettings, dtype: str = "float32") -> keras.Model:
    """Return SR: ``(B, size, size, 1)`` float32 in [0, 1] to ``(B, 2 size, 2 size, 1)`` float32 in [0, 1].

    Residual blocks without batch normalisation (EDSR, Lim et al. 2017), one sub-pixel upsampling,
    and the bilinear enlargement of the input added at the end, so that the network learns the
    detail alone.
    """
    low = keras.Input((size, size, 1), name="low_resolution")

    def conv(filters: int, name: str, activation: str | None = None) -> keras.layers.Conv2D:
        return keras.layers.Conv2D(filters, 3, padding="same", activation=activation, dtype=dtype, name=name)

    h = first = conv(settings.filters, "first", "relu")(low)
    for k in range(1, settings.blocks + 1):
        inner = conv(settings.filters, f"block_{k}_a", "relu")(h)
        inner = conv(settings.filters, f"block_{k}_b")(inner)
        h = keras.layers.Add(dtype=dtype)([h, inner])
    h = keras.layers.Add(dtype=dtype)([first, conv(settings.filters, "last")(h)])
    h = conv(2 * settings.filters, "upsample")(h)
    h = keras.layers.ReLU(dtype=dtype)(DepthToSpace(dtype=dtype)(h))
    detail = keras.layers.Conv2D(
        1, 3, padding="same", dtype="float32", name="detail", kernel_initializer="zeros"
    )(h)
    enlarged = keras.layers.UpSampling2D(2, interpolation="bilinear", dtype="float32")(low)
    image = keras.layers.ReLU(max_value=1.0, dtype="float32", name="image")(
        keras.layers.Add(dtype="float32")([enlarged, detail])
    )
    return keras.Model(low, image, name="super_resolver")
