"""One run in the making: what every stage of training works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import keras
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.normals import Reader, read_normals
from keras_sranogan.data.rows import Images, each, in_file, write_rows
from keras_sranogan.detector.reconstruct import enhance_all
from keras_sranogan.run import Run
from keras_sranogan.training.stage import Stage, run_stage, writing
from sranogan_edge.image.preprocess import downscale, enhance

__all__ = ["Training"]


SHOWN = 16


class Training:
    """One run in the making: the data, and the networks as they come to be."""

    def __init__(self, run: Run, reader: Reader) -> None:
        """Read the normals; raises DataError when there are too few, or too many unreadable ones."""
        self.run, self.settings, self.progress = run, reader.settings, reader.progress
        self.on_disk = reader.shards is not None
        self.data = read_normals(reader)
        self.reader = replace(reader, aligner=self.data.aligner)
        self.fit, self.held_out = self.data.fit, self.data.held_out
        spec, low = self.settings.preprocess, self.settings.search_size
        self.x = each(self.fit.x, lambda image: enhance(image, spec))
        self.x_low = each(self.x, lambda image: downscale(image, low))
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

    def kept(self, name: str, count: int, blocks: Iterable[NDArray[np.float32]]) -> Images:
        """Write ``count`` images to a file of the run, as they come; return them as :meth:`again` does."""
        path = self.run.folder / name
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            write_rows(path, count, blocks)
        return self.again(name)

    def again(self, name: str) -> Images:
        """Return images of a file of the run: in memory, unless this training holds its images on disk.

        Raises:
            RunError: the file is missing or damaged.
        """
        images = in_file(self.run.folder / name)
        return images if self.on_disk else images[:]

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
