"""The pieces of stage 1: the GAN, the encoder, the corrector of the learned search; and searching."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.anogan.corrector import build_corrector, start_from_encoder
from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.anogan.networks import GanParts, build_gan
from keras_sranogan.anogan.train_corrector import corrector_stage
from keras_sranogan.anogan.train_gan import encoder_stage, gan_stage, settle_average
from keras_sranogan.data.rows import Images
from keras_sranogan.detector.reconstruct import downscale_all, predict
from keras_sranogan.html import pictures

if TYPE_CHECKING:
    from keras_sranogan.training.workshop import Training

Array = NDArray[np.float32]


def _gan_parts(work: Training, dtype: str = "float32") -> GanParts:
    work.seeded(1)
    return build_gan(work.settings, dtype)


def _trained_gan(work: Training, *networks: str) -> GanParts:
    """Build stage 1 and load the finished ones of its networks."""
    parts = _gan_parts(work)
    for name in networks:
        work.run.load_into(getattr(parts, name), name)
    return parts


def train_gan(work: Training) -> None:
    """Train the GAN, and the encoder along with it."""
    parts = _gan_parts(work, work.dtype)
    z = np.random.default_rng(0).normal(size=(64, work.settings.anogan.latent_dim)).astype(np.float32)

    def show(folder: Path) -> None:
        pictures.save_grid(folder / "samples.png", predict(parts.averaged, z), columns=8)

    work.steps(gan_stage(parts, work.x_low, work.settings).shown(show))
    settle_average(parts.averaged, work.settings)
    for name in ("averaged", "discriminator", "encoder"):
        work.save(
            "encoder_start" if name == "encoder" else name,
            getattr(parts, name),
            getattr(_gan_parts(work), name),
        )


def train_encoder(work: Training) -> None:
    """Train the encoder on, through the finished generator."""
    parts = _trained_gan(work, "averaged", "discriminator")
    encoder = _gan_parts(work, work.dtype).encoder
    encoder.set_weights(work.run.load_into(_gan_parts(work).encoder, "encoder_start").get_weights())
    low = downscale_all(work.shown, work.settings.search_size)

    def show(folder: Path) -> None:
        made = predict(parts.averaged, predict(encoder, low))
        pictures.save_columns(folder / "reconstructions.png", {"x": low, "G(E(x))": made})

    work.steps(encoder_stage(encoder, parts, work.x_low, work.settings).shown(show))
    work.save("encoder", encoder, _gan_parts(work).encoder)


def searched(work: Training, x_low: Images, what: str) -> Iterator[Array]:
    """Yield g(x) of low-resolution images, ``(n, S, S, 1)`` of some at a time."""
    parts = _trained_gan(work, "averaged", "discriminator", "encoder")
    features = feature_extractor(parts.discriminator, work.settings.anogan.feature_block)
    learned = work.settings.search.kind == "learned"
    corrector = work.run.load_into(_corrector(work), "corrector") if learned else None
    search = LatentSearch(parts.averaged, features, parts.encoder, work.settings.search, corrector)
    work.progress.start(f"searching {what}", len(x_low))
    for i in range(0, len(x_low), 64):
        yield search(x_low[i : i + 64]).generated
        work.progress.advance(min(i + 64, len(x_low)))


def _corrector(work: Training) -> keras.Model:
    return build_corrector(work.settings.search_size, work.settings.anogan)


def train_corrector(work: Training) -> None:
    """Train R of the learned search."""
    parts = _trained_gan(work, "averaged", "discriminator", "encoder")
    settings, low = work.settings, downscale_all(work.shown, work.settings.search_size)
    corrector = _corrector(work)
    start_from_encoder(corrector, parts.encoder)
    features = feature_extractor(parts.discriminator, settings.anogan.feature_block)
    start, learned = (
        LatentSearch(parts.averaged, features, parts.encoder, settings.search_of(kind), corrector)
        for kind in ("encoder", "learned")
    )

    def show(folder: Path) -> None:
        columns = {"x": low, "G(E(x))": start(low).generated, "learned search": learned(low).generated}
        pictures.save_columns(folder / "reconstructions.png", columns)

    work.steps(corrector_stage(corrector, parts, work.x_low, settings).shown(show))
    work.save("corrector", corrector, corrector)
