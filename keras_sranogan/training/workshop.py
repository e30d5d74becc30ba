"""One run in the making: what every stage of training works with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import keras

from keras_sranogan.data.normals import Reader, read_normals
from keras_sranogan.detector.reconstruct import downscale_all, enhance_all
from keras_sranogan.run import Run
from keras_sranogan.training.stage import Stage, run_stage, writing

__all__ = ["Training"]


SHOWN = 16


class Training:
    """One run in the making: the data, and the networks as they come to be."""

    def __init__(self, run: Run, reader: Reader) -> None:
        """Read the normals; raises DataError when there are too few, or too many unreadable ones."""
        self.run, self.settings, self.progress = run, reader.settings, reader.progress
        self.data = read_normals(reader)
        self.reader = replace(reader, aligner=self.data.aligner)
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
