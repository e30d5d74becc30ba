"""R of the learned search: an image and what G made of it to a step in z (ReStyle, Alaluf et al. 2021)."""

from __future__ import annotations

import keras

from keras_sranogan.anogan.encoder import down_widths
from keras_sranogan.layers import SpaceToDepth, folded
from keras_sranogan.settings import AnoganSettings

START_GAIN = 0.5  # of E(x) - E(G(z)): of 0.1, 0.25, 0.5 and 1 the step that lowered the loss most


def build_corrector(size: int, settings: AnoganSettings, dtype: str = "float32") -> keras.Model:
    """Return R: x and G(z), both ``(B, size, size, 1)`` in [0, 1], to dz ``(B, latent_dim)`` float32.

    R(x, g) = W (t(x) - t(g)): t, the layer ``trunk``, has the encoder's convolutions without normalisation,
    whose statistics would be those of no step in particular; W, the layer ``step``, has no bias. So equal
    images give no step, whatever the weights are; and t(x) is computed once for all steps.
    """
    image = keras.Input((size, size, 1), name="image")
    h = image
    for k, width in enumerate(down_widths(size, settings), start=1):
        h = SpaceToDepth(dtype=dtype)(h)
        h = keras.layers.Conv2D(width, 3, padding="same", dtype=dtype, name=f"down_{k}")(h)
        h = keras.layers.ReLU(dtype=dtype)(h)
    trunk = keras.Model(image, keras.layers.Flatten(dtype="float32")(h), name="trunk")
    x = keras.Input((size, size, 1), name="x")
    generated = keras.Input((size, size, 1), name="generated")
    apart = keras.layers.Subtract(dtype="float32")([trunk(x), trunk(generated)])
    step = keras.layers.Dense(settings.latent_dim, use_bias=False, dtype="float32", name="step")(apart)
    return keras.Model([x, generated], step, name="corrector")


def start_from_encoder(corrector: keras.Model, encoder: keras.Model) -> None:
    """Give R the weights by which R(x, g) is about START_GAIN (E(x) - E(g)), a step that helps untrained."""
    trunk = corrector.get_layer("trunk")
    for layer in trunk.layers:
        if layer.name.startswith("down_"):
            layer.set_weights(folded(encoder, layer.name, f"{layer.name}_norm"))
    corrector.get_layer("step").set_weights([START_GAIN * encoder.get_layer("z").kernel.numpy()])
