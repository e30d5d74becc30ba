"""The trained networks that reconstruct and compare."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from keras_sranogan.anogan.discriminator import build_discriminator
from keras_sranogan.settings import TrainSettings

__all__ = ["Networks", "build_judge"]


@dataclass(frozen=True, eq=False)
class Networks:
    """The trained networks that reconstruct and compare, all float32, inference only.

    Attributes:
        generator: G, averaged weights: z ``(B, latent_dim)`` to ``(B, S/2, S/2, 1)``.
        features: f of the search, from stage 1's discriminator at S/2.
        encoder: E: ``(B, S/2, S/2, 1)`` to z.
        refiner: c.
        resolver: SR: ``(B, S/2, S/2, 1)`` to ``(B, S, S, 1)``.
        judge: f of the detector, from stage 3's discriminator at S.
        head: stage 4's network, see :func:`keras_sranogan.head.network.build_head`.
        corrector: R of the learned search; None in a run made before there was one.
    """

    generator: keras.Model
    features: keras.Model
    encoder: keras.Model
    refiner: keras.Model
    resolver: keras.Model
    judge: keras.Model
    head: keras.Model
    corrector: keras.Model | None = None


def build_judge(settings: TrainSettings, dtype: str = "float32") -> keras.Model:
    """Build stage 3's discriminator, whose features the detector judges with."""
    srgan = settings.srgan
    return build_discriminator(
        settings.preprocess.size, srgan.discriminator_width, 8 * srgan.discriminator_width, dtype=dtype
    )
