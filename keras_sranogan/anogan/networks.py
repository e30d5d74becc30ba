"""The networks of stage 1, built together."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from keras_sranogan.anogan.discriminator import build_discriminator
from keras_sranogan.anogan.encoder import build_encoder
from keras_sranogan.anogan.generator import build_generator
from keras_sranogan.settings import TrainSettings


@dataclass(frozen=True)
class GanParts:
    """The networks of the DCGAN; ``averaged`` is the running mean of G that everything later uses.

    ``encoder`` is trained along: G must also rebuild every training image from E's latent vector,
    which keeps it from forgetting the rarer normals (mode collapse).
    """

    generator: keras.Model
    encoder: keras.Model
    averaged: keras.Model
    discriminator: keras.Model


def build_gan(settings: TrainSettings, dtype: str = "float32") -> GanParts:
    """Build G, E, the average of G, and D at the search size; the average is always float32."""
    size, anogan = settings.search_size, settings.anogan
    generator = build_generator(size, anogan, dtype)
    averaged = build_generator(size, anogan, "float32")
    averaged.set_weights(generator.get_weights())
    discriminator = build_discriminator(
        size, 2 * anogan.base_width, anogan.max_width, spectral=anogan.spectral, dtype=dtype
    )
    encoder = build_encoder(size, anogan, dtype)
    return GanParts(generator, encoder, averaged, discriminator)
