"""All stages in order: each piece is trained, saved, pictured, and skipped when already done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan import pictures
from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.encoder import build_encoder
from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.anogan.trainer import GanParts, build_gan, encoder_stage, gan_stage
from keras_sranogan.data.load import LoadedImages, load_images
from keras_sranogan.data.source import DataSource, Item
from keras_sranogan.data.split import split_by_group
from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.detector.quality import reconstruction_quality
from keras_sranogan.detector.reconstruct import Reconstructor, downscale_all, predict
from keras_sranogan.refiner.network import build_refiner
from keras_sranogan.refiner.trainer import refiner_stage
from keras_sranogan.run import PROVENANCE, Run, build_judge, machine, timestamp
from keras_sranogan.settings import TrainSettings
from keras_sranogan.srgan.generator import build_super_resolver
from keras_sranogan.srgan.trainer import srgan_stage
from keras_sranogan.training import Progress, Stage, run_stage, write_json
from sranogan_edge.errors import DataError
from sranogan_edge.frame import Frame

MIN_NORMALS = 50
SHOWN = 16
Images = NDArray[np.float32]


@dataclass
class Training:
    """One run in the making: the data, and the networks as they come to be."""

    run: Run
    source: DataSource
    settings: TrainSettings
    progress: Progress
    max_bad_share: float
    fit: LoadedImages = field(init=False)
    held_out: LoadedImages = field(init=False)

    def __post_init__(self) -> None:
        """Load the normals; raises DataError when there are too few, or too many unreadable ones."""
        normals = [item for item in self.source.items("train") if item.is_normal]
        if len(normals) < MIN_NORMALS:
            raise DataError(
                f"{self.source.name} has {len(normals)} normal images to train on; at least {MIN_NORMALS} are "
                "needed (300 or more are advised)."
            )
        fit, held_out = split_by_group(normals, self.settings.calibration_share, self.settings.seed)
        self.fit, self.held_out = self.load(fit, "normals to train on"), self.load(held_out, "held-out normals")
        self.x_low = downscale_all(self.fit.x, self.settings.search_size)
        self.shown = self.held_out.x[:SHOWN]

    def load(self, items: list[Item], what: str, transform: Callable[[Frame, Item], Frame] | None = None) -> LoadedImages:
        """Read and preprocess ``items``, showing progress."""
        self.progress.start(f"reading {what}", len(items))
        return load_images(
            self.source,
            items,
            self.settings.preprocess,
            transform=transform,
            max_bad_share=self.max_bad_share,
            on_progress=lambda done, _total: self.progress.advance(done),
        )

    def piece(self, name: str, work: Callable[[], None]) -> None:
        """Do a piece of work unless it is done; note its minutes."""
        if name in self.run.progress:
            return
        started = time.monotonic()
        work()
        self.run.finish(name, (time.monotonic() - started) / 60)

    def steps(self, stage: Stage) -> None:
        """Train one stage in its folder of the run."""
        folder = self.run.folder / stage.name
        folder.mkdir(exist_ok=True)
        every, logs = self.settings.checkpoint_every_steps, self.run.folder / "logs"
        run_stage(stage, folder, checkpoint_every=every, progress=self.progress, logs=logs)

    def seeded(self, piece: int) -> None:
        """Make the initial weights of the next networks a function of the run's seed alone."""
        keras.utils.set_random_seed(self.settings.seed * 101 + piece)

    @property
    def dtype(self) -> str:
        """The training precision, as a Keras dtype policy."""
        return self.settings.precision


def train(
    source: DataSource,
    folder: Path,
    settings: TrainSettings,
    progress: Progress,
    *,
    resume: bool = False,
    max_bad_share: float = 0.05,
) -> Run:
    """Train all stages on the normals of ``source``'s train split and return the finished run.

    Raises:
        DataError: the source is empty, too small or too much of it is unreadable.
        RunError: the folder holds another run, or training diverged.
        ResultsError: the folder cannot be written.
    """
    tf.config.experimental.enable_op_determinism()
    run = Run.create(folder, settings, resume=resume)
    work = Training(run, source, settings, progress, max_bad_share)
    write_json(folder / PROVENANCE, _provenance(work))
    work.piece("gan", lambda: _train_gan(work))
    work.piece("encoder", lambda: _train_encoder(work))
    work.piece("refiner", lambda: _train_refiner(work))
    work.piece("srgan", lambda: _train_srgan(work))
    work.piece("detector", lambda: _fit_detector(work))
    return run


def _provenance(work: Training) -> dict[str, Any]:
    return {
        "data": work.source.name,
        "normals_to_train": len(work.fit.x),
        "normals_held_out": len(work.held_out.x),
        "skipped": [f"{s.key}: {s.reason}" for part in (work.fit, work.held_out) for s in part.skipped],
        "duplicates": work.fit.duplicates + work.held_out.duplicates,
        "started": timestamp(),
        "machine": machine(),
    }


def _gan_parts(work: Training, dtype: str) -> GanParts:
    work.seeded(1)
    return build_gan(work.settings, dtype)


def _trained_gan(work: Training) -> GanParts:
    parts = _gan_parts(work, "float32")
    work.run.load_into(parts.averaged, "generator")
    work.run.load_into(parts.discriminator, "discriminator")
    return parts


def _train_gan(work: Training) -> None:
    parts = _gan_parts(work, work.dtype)
    stage = gan_stage(parts, work.x_low, work.settings)
    z = np.random.default_rng(0).normal(size=(64, work.settings.anogan.latent_dim)).astype(np.float32)

    def show(folder: Path) -> None:
        pictures.save_grid(folder / "samples.png", predict(parts.averaged, z), columns=8)

    work.steps(stage.shown(show))
    work.run.save_model("generator", parts.averaged)
    plain = _gan_parts(work, "float32").discriminator
    plain.set_weights(parts.discriminator.get_weights())
    work.run.save_model("discriminator", plain)


def _train_encoder(work: Training) -> None:
    parts = _trained_gan(work)
    work.seeded(2)
    encoder = build_encoder(work.settings.search_size, work.settings.anogan, work.dtype)
    low = downscale_all(work.shown, work.settings.search_size)

    def show(folder: Path) -> None:
        made = predict(parts.averaged, predict(encoder, low))
        pictures.save_columns(folder / "reconstructions.png", {"x": low, "G(E(x))": made})

    work.steps(encoder_stage(encoder, parts, work.x_low, work.settings).shown(show))
    work.seeded(2)
    plain = build_encoder(work.settings.search_size, work.settings.anogan)
    plain.set_weights(encoder.get_weights())
    work.run.save_model("encoder", plain)


def _searched(work: Training, x_low: Images, what: str) -> Images:
    """Return g(x) of low-resolution images."""
    parts, encoder = _trained_gan(work), build_encoder(work.settings.search_size, work.settings.anogan)
    work.run.load_into(encoder, "encoder")
    features = feature_extractor(parts.discriminator, work.settings.anogan.feature_block)
    search = LatentSearch(parts.averaged, features, encoder, work.settings.search)
    work.progress.start(f"searching {what}", len(x_low))
    found = []
    for i in range(0, len(x_low), 64):
        found.append(search(x_low[i : i + 64]).generated)
        work.progress.advance(min(i + 64, len(x_low)))
    return np.concatenate(found)


def _train_refiner(work: Training) -> None:
    generated = _searched(work, work.x_low, "normals")
    np.save(work.run.folder / "refiner_inputs.npy", generated)
    work.seeded(3)
    refiner = build_refiner(work.settings.search_size, work.settings.refiner)
    low = downscale_all(work.shown, work.settings.search_size)
    g_shown = _searched(work, low, "pictures")

    def show(folder: Path) -> None:
        columns = {"x": low, "g(x)": g_shown, "c(g(x))": predict(refiner, g_shown)}
        pictures.save_columns(folder / "reconstructions.png", columns)

    work.steps(refiner_stage(refiner, generated, work.x_low, work.settings).shown(show))
    work.run.save_model("refiner", refiner)


def _train_srgan(work: Training) -> None:
    refiner = build_refiner(work.settings.search_size, work.settings.refiner)
    work.run.load_into(refiner, "refiner")
    refined = predict(refiner, np.load(work.run.folder / "refiner_inputs.npy"))
    c_shown = predict(refiner, _searched(work, downscale_all(work.shown, work.settings.search_size), "pictures"))
    work.seeded(4)
    resolver = build_super_resolver(work.settings.search_size, work.settings.srgan, work.dtype)
    judge = build_judge(work.settings, work.dtype)

    def show(folder: Path) -> None:
        columns = {"c(g(x))": c_shown, "SR(c(g(x)))": predict(resolver, c_shown), "x": work.shown}
        pictures.save_columns(folder / "reconstructions.png", columns)

    work.steps(srgan_stage(resolver, judge, refined, work.fit.x, work.settings).shown(show))
    plain = build_super_resolver(work.settings.search_size, work.settings.srgan)
    plain.set_weights(resolver.get_weights())
    work.run.save_model("resolver", plain)
    plain_judge = build_judge(work.settings)
    plain_judge.set_weights(judge.get_weights())
    work.run.save_model("judge", plain_judge)


def _fit_detector(work: Training) -> None:
    settings = work.settings.detector
    reconstructor = Reconstructor(work.run.networks(), work.settings.search)
    work.progress.start("reconstructing held-out normals", len(work.held_out.x))
    clean = reconstructor(work.held_out.x, on_progress=work.progress.advance)
    write_json(work.run.folder / "reconstruction_quality.json", reconstruction_quality(clean))
    features, heat, rows = [clean.features], [clean.heat], [*work.held_out.items]
    for copy in range(settings.jitter_copies):
        images = _jittered(work, copy)
        work.progress.start(f"reconstructing jittered copies {copy + 1}", len(images.x))
        made = reconstructor(images.x, on_progress=work.progress.advance)
        features.append(made.features)
        heat.append(made.heat)
        rows += images.items
    _, groups = np.unique([item.group for item in rows], return_inverse=True)
    original = np.arange(len(rows)) < len(work.held_out.x)
    density, calibration = fit_detector(
        np.concatenate(features), np.concatenate(heat), groups, original, settings, work.settings.seed
    )
    work.run.save_detector(density, calibration)


def _jittered(work: Training, copy: int) -> LoadedImages:
    """Load the held-out normals again, each jittered in a way that its place and ``copy`` decide."""
    place = {item.key: number for number, item in enumerate(work.held_out.items)}

    def distort(frame: Frame, item: Item) -> Frame:
        return jitter_frame(frame, np.random.default_rng((work.settings.seed, copy, place[item.key])))

    return work.load(list(work.held_out.items), f"jittered copies {copy + 1}", distort)


__all__ = ["MIN_NORMALS", "Training", "train"]
