"""All stages in order: each piece is trained, saved, pictured, and skipped when already done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from keras_sranogan.anogan.stage import train_corrector, train_encoder, train_gan
from keras_sranogan.backend.devices import spread_over
from keras_sranogan.data.images_in import ImagesIn, on_disk
from keras_sranogan.data.item import DataSource
from keras_sranogan.data.look import Look, is_drawn, look_at, planned
from keras_sranogan.data.normals import Reader
from keras_sranogan.data.open import passed_over_by
from keras_sranogan.data.overview import overview
from keras_sranogan.data.shards import Shards
from keras_sranogan.detector.train import train_detector
from keras_sranogan.distribute import Distribute
from keras_sranogan.forecast import piece_of, training_forecast
from keras_sranogan.head.train import train_head
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.progress import Progress, Silent
from keras_sranogan.refiner.train import train_refiner
from keras_sranogan.run import IMAGES, Run
from keras_sranogan.run_lock import training_in
from keras_sranogan.settings import TrainSettings, check_choice
from keras_sranogan.srgan.train import train_srgan
from keras_sranogan.startup import make_deterministic
from keras_sranogan.training.spread import devices_for, devices_text
from keras_sranogan.training.workshop import Training

__all__ = ["train"]


def train(
    source: DataSource,
    folder: Path,
    settings: TrainSettings,
    progress: Progress | None = None,
    *,
    resume: bool = False,
    max_bad_share: float = 0.05,
    images_in: ImagesIn = "auto",
    distribute: Distribute = "none",
) -> Run:
    """Train all stages on the normals of ``source``'s train split and return the finished run.

    Without ``progress`` nothing is told on the way. Where preprocessed images are meanwhile, ``images_in``,
    changes nothing that is learned; the devices that are trained on, ``distribute``, the last digits; a run
    goes on with other values.

    Raises:
        SettingsError: ``images_in`` or ``distribute`` is none of its values, or there are no such devices.
        DataError: the source is empty, too small or too much of it is unreadable.
        BackendError: TensorFlow cannot compile for the card.
        RunError: the folder holds another run, another training goes on in it, or training diverged.
        ResultsError: the folder cannot be written.
    """
    check_choice("--images-in", images_in, get_args(ImagesIn))
    make_deterministic()
    progress = progress or Silent()
    devices = devices_for(distribute, settings, progress.say)
    with training_in(folder), spread_over(devices):
        run = Run.create(folder, settings, resume=resume)
        for line in overview(source, _look(source, progress, begun=bool(run.begun_on))):
            progress.say(line)
        reader = Reader(source, settings, progress, max_bad_share)
        if on_disk(images_in, source, settings, progress):
            reader = replace(reader, shards=Shards(folder / IMAGES, f"seed {settings.seed}", progress.say))
        _train(run, reader, devices)
        run.drop_images()
    return run


def _look(source: DataSource, progress: Progress, *, begun: bool) -> Look | None:
    """Look at the images, unless they are drawn, or were looked at when this run began."""
    if begun or is_drawn(source):
        return None
    chosen = planned(source)
    progress.start("looking at images", len(chosen))
    return look_at(source, chosen, progress.advance)


def _train(run: Run, reader: Reader, devices: int) -> None:
    """Do what is not done yet of a run."""
    settings, progress = reader.settings, reader.progress
    progress.plan(_expected(run, settings, reader.source))
    work = Training(run, reader)
    provenance = {**_provenance(work), "devices": devices}
    for then, now in _changed(run, provenance):
        progress.say(
            f"begun on {then}, goes on on {now}: what is trained from here on differs in the last digits"
        )
    run.begin(settings, provenance)
    if work.data.aligner is not None:
        run.save_aligner(work.data.aligner)
    work.data.warn(progress)
    work.piece("gan", lambda: train_gan(work))
    work.piece("encoder", lambda: train_encoder(work))
    if settings.corrector.steps:
        work.piece("corrector", lambda: train_corrector(work))
    work.piece("refiner", lambda: train_refiner(work))
    work.piece("srgan", lambda: train_srgan(work))
    work.piece("head", lambda: train_head(work))
    work.piece("detector", lambda: train_detector(work))


def _changed(run: Run, now: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the run was trained on so far, and is from here on, where that is something else."""
    if not run.begun_on:
        return
    devices = (devices_text(one.get("devices", 1)) for one in (run.provenance, now))
    pairs = (run.begun_on, now["machine"]["backend"]), tuple(devices)
    yield from ((then, here) for then, here in pairs if then != here)


def _expected(run: Run, settings: TrainSettings, source: DataSource) -> dict[str, float]:
    """Return the seconds of each task that is not done yet."""
    done = run.progress
    expected_s = training_forecast(settings, sum(item.is_normal for item in source.items("train")))
    return {task: seconds for task, seconds in expected_s.items() if piece_of(task) not in done}


def _images_of(work: Training) -> dict[str, int]:
    """Of how many images the tiles are that count as normals; nothing where there are none."""
    if not work.settings.preprocess.tiled:
        return {}
    return {"images_to_train": len(work.fit.images), "images_held_out": len(work.held_out.images)}


def _provenance(work: Training) -> dict[str, Any]:
    return {
        "data": work.reader.source.name,
        "normals_to_train": len(work.fit.x),
        "normals_held_out": len(work.held_out.x),
        **_images_of(work),
        "skipped": [f"{s.key}: {s.reason}" for s in work.data.skipped],
        "passed_over": [str(one) for one in passed_over_by(work.reader.source)],
        "duplicates": work.data.duplicates,
        "near_duplicates": work.data.near_duplicates,
        **({"alignment": told} if (told := work.data.alignment) else {}),
        "images_sha256": work.data.sha256,
        "started": timestamp(),
        "machine": machine(),
    }
