"""The loop that every stage is trained by: checkpointed, resumable to the bit, logged, shown.

All randomness of a step is a function of (seed, stage, step): batches, noise and augmentation are
drawn with stateless generators. A run killed at any point and resumed therefore repeats what an
uninterrupted run would have done.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
from keras import ops

from keras_sranogan.backend import random
from keras_sranogan.backend.graph import gradients, out_of_memory
from keras_sranogan.backend.random import Tensor
from keras_sranogan.progress import Progress
from keras_sranogan.training.checkpoints import Checkpoints
from keras_sranogan.training.event_log import EventLog
from keras_sranogan.training.held import read_errors
from sranogan_edge.errors import ResultsError, RunError

Step = Callable[[Any], Mapping[str, Tensor]]
T = TypeVar("T")


LOG_EVERY_STEPS = 25


@dataclass(frozen=True)
class Stage:
    """One piece of training.

    Attributes:
        name: of the stage; its folder inside the run, and part of the random seed.
        steps: how many to take.
        step: takes the step number, updates ``state``, returns scalar metrics.
        state: everything that must survive a kill: models and optimisers, by name.
        pictures: called with the run's stage folder now and then, to save sample grids; may be None.
    """

    name: str
    steps: int
    step: Step
    state: Mapping[str, Any]
    pictures: Callable[[Path], None] | None = None
    picture_every: int = 1000
    metrics: dict[str, float] = field(default_factory=dict)

    def shown(self, pictures: Callable[[Path], None]) -> Stage:
        """Return the same stage, saving ``pictures`` now and then."""
        return replace(self, pictures=pictures)


def step_seed(seed: int, stage: str, step: Tensor) -> Tensor:
    """Return the ``(2,)`` seed of one step for :mod:`keras_sranogan.backend.random`."""
    return random.seed(zlib.crc32(f"{seed}/{stage}".encode()), step)


def draw_batch(count: int, batch: int, seed: Tensor) -> Tensor:
    """Return ``(batch,)`` int32 indices below ``count``: distinct while ``count`` allows it."""
    if count < batch:
        return random.integers((batch,), seed, 0, count)
    return ops.top_k(random.uniform((count,), seed), batch)[1]


def update(
    optimiser: keras.optimizers.Optimizer, model: keras.Model, compute: Callable[[], tuple[Tensor, T]]
) -> T:
    """Take one optimiser step on ``model`` down the gradient of the loss that ``compute`` returns.

    Return what else it returns.
    """

    def of_one() -> tuple[tuple[Tensor], T]:
        loss, rest = compute()
        return (loss,), rest

    (slopes,), rest = gradients(of_one, model)
    optimiser.apply(slopes, model.trainable_variables)
    return rest


def run_stage(stage: Stage, folder: Path, *, checkpoint_every: int, progress: Progress, logs: Path) -> None:
    """Take the stage's steps from its last checkpoint on, and leave a final checkpoint.

    Args:
        stage: what to train.
        folder: the stage's folder; checkpoints go to ``folder/checkpoints``.
        checkpoint_every: steps between checkpoints; a kill costs at most that many steps.
        progress: told after every step.
        logs: TensorBoard folder.

    Raises:
        RunError: a metric or a weight became NaN or infinite (the last good checkpoint is kept), memory is
            too small, or the checkpoint there, or images on disk, cannot be read.
        ResultsError: the folder cannot be written.
    """
    checkpoints = Checkpoints(folder / "checkpoints", stage.state)
    done = checkpoints.restore()
    with writing(folder):
        log = EventLog(logs / stage.name)
    progress.start(stage.name, stage.steps, done)
    for number in range(done, stage.steps):
        finished = number + 1
        saves = finished % checkpoint_every == 0 or finished == stage.steps
        with _within_memory(stage), read_errors():
            metrics = stage.step(number)
            if saves or finished % LOG_EVERY_STEPS == 0:
                _check_finite(stage, metrics, finished)
        progress.advance(finished, _note(stage.metrics))
        with writing(folder):
            if finished % LOG_EVERY_STEPS == 0 or finished == stage.steps:
                log.write(finished, stage.metrics)
            if saves:
                checkpoints.save(finished)
            if stage.pictures and finished % stage.picture_every == 0 and finished < stage.steps:
                stage.pictures(folder)
    if stage.pictures:
        with writing(folder):  # after the loop: a run killed between its last step and here still gets them
            stage.pictures(folder)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while something is written under ``path`` into a ResultsError."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{path}: cannot be written ({error.strerror or error}). Free some space, check its permissions, "
            "or name another folder; a run that was begun goes on with --resume."
        ) from error


@contextmanager
def _within_memory(stage: Stage) -> Iterator[None]:
    """Turn the backends' errors for too little memory into a RunError."""
    try:
        yield
    except Exception as error:  # the backends raise what they like
        if not out_of_memory(error):
            raise
        raise RunError(
            f"{stage.name}: the memory of the card (or of the machine) is too small for a batch, or "
            "another program holds it. End that program, or train in a new run folder with a smaller "
            "batch (--settings: anogan.batch, corrector.batch, refiner.batch, srgan.batch, head.pairs)."
        ) from error


def _check_finite(stage: Stage, metrics: Mapping[str, Tensor], step: int) -> None:
    """Keep the metrics, and refuse to go on (and to save a checkpoint) where training diverged."""
    values = {name: float(value) for name, value in metrics.items()}
    bad = {name: value for name, value in values.items() if not math.isfinite(value)}
    for name, model in stage.state.items():
        if isinstance(model, keras.Model) and not all(map(_is_finite, model.variables)):
            bad[f"a weight of the {name}"] = math.nan
    if bad:
        became = ", ".join(f"{name} became {value}" for name, value in bad.items())
        raise RunError(
            f"{stage.name}: {became} at step {step}. The last good checkpoint is kept; lower the learning "
            "rate or train with --precision float32 in a new run folder."
        )
    stage.metrics.update(values)


def _is_finite(variable: keras.Variable) -> bool:
    return bool(np.isfinite(np.asarray(variable.value)).all())


def _note(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
