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
from typing import Any

import keras
import tensorflow as tf

from keras_sranogan.progress import Progress
from sranogan_edge.errors import ResultsError, RunError

Step = Callable[[tf.Tensor], Mapping[str, tf.Tensor]]


LOG_EVERY_STEPS = 25


@dataclass(frozen=True)
class Stage:
    """One piece of training.

    Attributes:
        name: of the stage; its folder inside the run, and part of the random seed.
        steps: how many to take.
        step: takes the step number, a scalar int64 tensor, updates ``state``, returns scalar metrics.
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


def step_seed(seed: int, stage: str, step: tf.Tensor) -> tf.Tensor:
    """Return the ``(2,)`` int64 seed of one step for the stateless generators."""
    base = zlib.crc32(f"{seed}/{stage}".encode())
    return tf.stack([tf.constant(base, tf.int64), tf.cast(step, tf.int64)])


def draw_batch(count: int, batch: int, seed: tf.Tensor) -> tf.Tensor:
    """Return ``(batch,)`` int32 indices below ``count``: distinct while ``count`` allows it."""
    noise = tf.random.stateless_uniform((count,), seed)
    take = min(batch, count)
    chosen = tf.math.top_k(noise, take).indices
    return chosen if take == batch else tf.random.stateless_uniform((batch,), seed, 0, count, tf.int32)


def update(
    optimiser: keras.optimizers.Optimizer, tape: tf.GradientTape, loss: tf.Tensor, model: keras.Model
) -> None:
    """Take one optimiser step on ``model`` down the gradient of ``loss``."""
    gradients = tape.gradient(loss, model.trainable_variables)
    optimiser.apply(gradients, model.trainable_variables)


def run_stage(stage: Stage, folder: Path, *, checkpoint_every: int, progress: Progress, logs: Path) -> None:
    """Take the stage's steps from its last checkpoint on, and leave a final checkpoint.

    Args:
        stage: what to train.
        folder: the stage's folder; checkpoints go to ``folder/checkpoints``.
        checkpoint_every: steps between checkpoints; a kill costs at most that many steps.
        progress: told after every step.
        logs: TensorBoard folder.

    Raises:
        RunError: a metric or a weight became NaN or infinite (the last good checkpoint is kept), or the
            checkpoint there cannot be read.
        ResultsError: the folder cannot be written.
    """
    done = tf.Variable(0, dtype=tf.int64, trainable=False)
    with writing(folder):
        manager = _restore(stage, done, folder / "checkpoints")
        writer = tf.summary.create_file_writer(str(logs / stage.name))
    progress.start(stage.name, stage.steps, int(done))
    for number in range(int(done), stage.steps):
        metrics = stage.step(tf.constant(number, tf.int64))
        finished = number + 1
        saves = finished % checkpoint_every == 0 or finished == stage.steps
        if saves or finished % LOG_EVERY_STEPS == 0:
            _check_finite(stage, metrics, finished)
        done.assign(finished)
        progress.advance(finished, _note(stage.metrics))
        with writing(folder):
            if finished % LOG_EVERY_STEPS == 0 or finished == stage.steps:
                _log(stage, finished, writer)
            if saves:
                manager.save(finished)
            if stage.pictures and finished % stage.picture_every == 0 and finished < stage.steps:
                stage.pictures(folder)
    with writing(folder):
        writer.close()
        if stage.pictures:  # after the loop: a run killed between its last step and here still gets them
            stage.pictures(folder)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while something is written under ``path`` into a ResultsError."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from error
    except tf.errors.OpError as error:  # TensorFlow writes checkpoints and logs itself
        reason = error.message.rpartition("; ")[2].partition(" [Op:")[0]
        raise _cannot_write(path, reason) from error


def _cannot_write(path: Path, reason: str) -> ResultsError:
    return ResultsError(
        f"{path}: cannot be written ({reason}). Free some space, check its permissions, or name another "
        "folder; a run that was begun goes on with --resume."
    )


def _restore(stage: Stage, done: tf.Variable, folder: Path) -> tf.train.CheckpointManager:
    checkpoint = tf.train.Checkpoint(done=done, **stage.state)
    manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=2)
    if manager.latest_checkpoint:
        try:
            checkpoint.restore(manager.latest_checkpoint).assert_existing_objects_matched()
        except Exception as error:  # an OpError, AssertionError, IndexError: TensorFlow has many
            raise RunError(
                f"{manager.latest_checkpoint}: the checkpoint is damaged or of other networks "
                f"({str(error).splitlines()[0]}). Remove {folder} to train this stage anew."
            ) from error
    return manager


def _check_finite(stage: Stage, metrics: Mapping[str, tf.Tensor], step: int) -> None:
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
    value = tf.convert_to_tensor(variable)
    return not value.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(value)))


def _log(stage: Stage, step: int, writer: Any) -> None:
    with writer.as_default(step):
        for name, value in stage.metrics.items():
            tf.summary.scalar(name, value)
    writer.flush()


def _note(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
