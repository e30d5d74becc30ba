"""All stages in order: each piece is trained, saved, pictured, and skipped when already done."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan import pictures
from keras_sranogan.data.load import LoadedImages
from keras_sranogan.data.overview import overview
from keras_sranogan.data.source import DataSource, Item, passed_over_by
from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.detector.normals import HeldOutNormals, from_bytes, to_bytes
from keras_sranogan.detector.quality import reconstruction_quality
from keras_sranogan.detector.reconstruct import (
    Reconstructor,
    downscale_all,
    enhance_all,
    predict,
    seen_features,
)
from keras_sranogan.forecast import training_forecast
from keras_sranogan.head.anomalies import paste
from keras_sranogan.head.network import build_head
from keras_sranogan.head.nuisance import nuisance
from keras_sranogan.head.trainer import head_stage
from keras_sranogan.refiner.network import build_refiner
from keras_sranogan.refiner.trainer import refiner_stage
from keras_sranogan.run import RECONSTRUCTION_QUALITY, Run, build_judge, machine, timestamp
from keras_sranogan.run_lock import training_in
from keras_sranogan.settings import TrainSettings
from keras_sranogan.srgan.generator import build_super_resolver
from keras_sranogan.srgan.trainer import srgan_stage
from keras_sranogan.startup import make_deterministic
from keras_sranogan.train_anogan import searched, train_corrector, train_encoder, train_gan
from keras_sranogan.training import Progress, Silent, Stage, run_stage, write_json, writing
from keras_sranogan.training_data import Reader, read_normals
from sranogan_edge.frame import Frame

SHOWN = 16
REPRESENTATIVE = 128  # training normals kept for the ranges of a quantised export
Images = NDArray[np.float32]


class Training:
    """One run in the making: the data, and the networks as they come to be."""

    def __init__(self, run: Run, reader: Reader) -> None:
        """Read the normals; raises DataError when there are too few, or too many unreadable ones."""
        self.run, self.reader, self.settings, self.progress = run, reader, reader.settings, reader.progress
        self.data = read_normals(reader)
        self.fit, self.held_out = self.data.fit, self.data.held_out
        self.x = enhance_all(self.fit.x, self.settings.preprocess)
        self.x_low = downscale_all(self.x, self.settings.search_size)
        self.shown = enhance_all(self.held_out.x[:SHOWN], self.settings.preprocess)

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
        with writing(folder):
            folder.mkdir(exist_ok=True)
        every, logs = self.settings.checkpoint_every_steps, self.run.folder / "logs"
        run_stage(stage, folder, checkpoint_every=every, progress=self.progress, logs=logs)

    def seeded(self, piece: int) -> None:
        """Make the initial weights of the next networks a function of the run's seed alone."""
        keras.utils.set_random_seed(self.settings.seed * 101 + piece)

    def save(self, name: str, trained: keras.Model, plain: keras.Model) -> None:
        """Save ``trained`` in float32, by way of ``plain``: the same network built in that precision."""
        plain.set_weights(trained.get_weights())
        self.run.save_model(name, plain)

    @property
    def dtype(self) -> str:
        """The training precision, as a Keras dtype policy."""
        return self.settings.precision


def train(
    source: DataSource,
    folder: Path,
    settings: TrainSettings,
    progress: Progress | None = None,
    *,
    resume: bool = False,
    max_bad_share: float = 0.05,
) -> Run:
    """Train all stages on the normals of ``source``'s train split and return the finished run.

    Without ``progress`` nothing is told on the way.

    Raises:
        DataError: the source is empty, too small or too much of it is unreadable.
        SettingsError: TensorFlow cannot read checkpoints from a path of this name.
        RunError: the folder holds another run, another training goes on in it, or training diverged.
        ResultsError: the folder cannot be written.
    """
    make_deterministic()
    progress = progress or Silent()
    with training_in(folder):
        for line in overview(source):
            progress.say(line)
        run = Run.create(folder, settings, resume=resume)
        _train(run, source, settings, progress, max_bad_share)
    return run


def _train(
    run: Run, source: DataSource, settings: TrainSettings, progress: Progress, max_bad_share: float
) -> None:
    """Do what is not done yet of a run."""
    progress.plan(_expected(run, settings, source))
    work = Training(run, Reader(source, settings, progress, max_bad_share))
    run.begin(settings, _provenance(work))
    work.data.warn(progress)
    work.piece("gan", lambda: train_gan(work))
    work.piece("encoder", lambda: train_encoder(work))
    if settings.corrector.steps:
        work.piece("corrector", lambda: train_corrector(work))
    work.piece("refiner", lambda: _train_refiner(work))
    work.piece("srgan", lambda: _train_srgan(work))
    work.piece("head", lambda: _train_head(work))
    work.piece("detector", lambda: _fit_detector(work))


def _expected(run: Run, settings: TrainSettings, source: DataSource) -> dict[str, float]:
    """Return the seconds of each task that is not done yet."""
    done = run.progress
    expected_s = training_forecast(settings, sum(item.is_normal for item in source.items("train")))
    return {task: seconds for task, seconds in expected_s.items() if task not in done}


def _provenance(work: Training) -> dict[str, Any]:
    return {
        "data": work.reader.source.name,
        "normals_to_train": len(work.fit.x),
        "normals_held_out": len(work.held_out.x),
        "skipped": [f"{s.key}: {s.reason}" for s in work.data.skipped],
        "passed_over": [str(one) for one in passed_over_by(work.reader.source)],
        "duplicates": work.data.duplicates,
        "near_duplicates": work.data.near_duplicates,
        "images_sha256": work.data.sha256,
        "started": timestamp(),
        "machine": machine(),
    }


def _train_refiner(work: Training) -> None:
    generated = searched(work, work.x_low, "normals")
    with writing(work.run.folder):
        np.save(work.run.folder / "refiner_inputs.npy", generated)
    work.seeded(3)
    refiner = build_refiner(work.settings.search_size, work.settings.refiner)
    low = downscale_all(work.shown, work.settings.search_size)
    g_shown = searched(work, low, "pictures")

    def show(folder: Path) -> None:
        columns = {"x": low, "g(x)": g_shown, "c(g(x))": predict(refiner, g_shown)}
        pictures.save_columns(folder / "reconstructions.png", columns)

    work.steps(refiner_stage(refiner, generated, work.x_low, work.settings).shown(show))
    work.save("refiner", refiner, refiner)


def _train_srgan(work: Training) -> None:
    refiner = build_refiner(work.settings.search_size, work.settings.refiner)
    work.run.load_into(refiner, "refiner")
    refined = predict(refiner, np.load(work.run.folder / "refiner_inputs.npy"))
    c_shown = predict(
        refiner, searched(work, downscale_all(work.shown, work.settings.search_size), "pictures")
    )
    work.seeded(4)
    resolver = build_super_resolver(work.settings.search_size, work.settings.srgan, work.dtype)
    judge = build_judge(work.settings, work.dtype)

    def show(folder: Path) -> None:
        columns = {"c(g(x))": c_shown, "SR(c(g(x)))": predict(resolver, c_shown), "x": work.shown}
        pictures.save_columns(folder / "reconstructions.png", columns)

    work.steps(srgan_stage(resolver, judge, refined, work.x, work.settings).shown(show))
    work.save("resolver", resolver, build_super_resolver(work.settings.search_size, work.settings.srgan))
    work.save("judge", judge, build_judge(work.settings))


def _train_head(work: Training) -> None:
    side, settings = work.settings.head_side, work.settings.head
    images = downscale_all(work.fit.x, side)
    work.seeded(5)
    head, averaged = build_head(side, settings, work.dtype), build_head(side, settings)
    averaged.set_weights(head.get_weights())

    def show(folder: Path) -> None:
        seeds = tf.unstack(tf.random.split(tf.constant([work.settings.seed, 0], tf.int64), 2))
        normal = nuisance(tf.constant(images[:SHOWN]), seeds[0])
        anomalous, masks = paste(normal, seeds[1], settings.anomalies)
        columns = {"normal": normal, "with an anomaly": anomalous, "where": masks}
        pictures.save_columns(folder / "anomalies.png", {k: v.numpy() for k, v in columns.items()})

    work.steps(head_stage(head, averaged, images, work.settings).shown(show))
    work.save("head", averaged, averaged)


def _fit_detector(work: Training) -> None:
    settings = work.settings.detector
    reconstructor = Reconstructor(work.run.networks(), work.settings.search, work.settings.preprocess)
    copies = [_jittered(work, work.held_out, copy) for copy in range(settings.jitter_copies)]
    loaded = [work.held_out, *copies]
    _, groups = np.unique([item.group for part in loaded for item in part.items], return_inverse=True)
    x = from_bytes(to_bytes(np.concatenate([part.x for part in loaded])))
    normals = HeldOutNormals(x, groups, np.arange(len(x)) < len(work.held_out.x))
    side = work.settings.head_side
    again = _jittered(work, work.fit, settings.jitter_copies)
    seen = from_bytes(to_bytes(downscale_all(np.concatenate([work.fit.x, again.x]), side)))
    work.run.save_normals(normals, work.fit.x[:: max(1, len(work.fit.x) // REPRESENTATIVE)], seen)
    work.progress.start("reconstructing held-out normals", len(x))
    made = reconstructor(x, on_progress=work.progress.advance)
    quality = reconstruction_quality(made.first(len(work.held_out.x)))
    with writing(work.run.folder):
        write_json(work.run.folder / RECONSTRUCTION_QUALITY, quality)
    density, calibration = fit_detector(
        made.measured,
        made.heat,
        groups,
        normals.original,
        settings,
        work.settings.seed,
        seen_features(reconstructor.networks.head, seen),
    )
    work.run.save_detector(density, calibration)


def _jittered(work: Training, normals: LoadedImages, copy: int) -> LoadedImages:
    """Load ``normals`` again, each jittered in a way that its place and ``copy`` decide."""
    place = {item.key: number for number, item in enumerate(normals.items)}

    def distort(frame: Frame, item: Item) -> Frame:
        return jitter_frame(frame, np.random.default_rng((work.settings.seed, copy, place[item.key])))

    return work.reader.read(normals.items, f"jittered copies {copy + 1}", distort)


__all__ = ["Training", "train"]
