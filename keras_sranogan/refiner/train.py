"""Stage 2's training: make c(g(x)) as near to the normal image as two layers can."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_sranogan.anogan.stage import searched
from keras_sranogan.backend.graph import compiled_step
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.rows import Images
from keras_sranogan.detector.reconstruct import downscale_all, predict
from keras_sranogan.html import pictures
from keras_sranogan.refiner.network import build_refiner
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.held import held
from keras_sranogan.training.stage import Stage, draw_batch, step_seed, update
from keras_sranogan.training.workshop import Training

INPUTS = "refiner_inputs.npy"  # g(x) of the normals


def refiner_stage(refiner: keras.Model, generated: Images, x_low: Images, settings: TrainSettings) -> Stage:
    """Return the training of c on pairs (g(x), x at low resolution), both ``(N, S, S, 1)`` in [0, 1].

    The loss is the mean absolute error, the same distance that the search minimises.
    """
    inputs, targets = held(generated), held(x_low)
    rate = keras.optimizers.schedules.CosineDecay(settings.refiner.learning_rate, settings.refiner.steps)
    optimiser = keras.optimizers.Adam(rate)
    optimiser.build(refiner.trainable_variables)

    def step(number: Tensor) -> dict[str, Tensor]:
        rows = draw_batch(len(generated), settings.refiner.batch, step_seed(settings.seed, "refiner", number))

        def l1() -> tuple[Tensor, Tensor]:
            refined = refiner(inputs.take(rows), training=True)
            loss = ops.mean(ops.abs(targets.take(rows) - refined))
            return loss, loss

        return {"l1": update(optimiser, refiner, l1)}

    state = {"refiner": refiner, "optimiser": optimiser}
    return Stage(
        "refiner", settings.refiner.steps, compiled_step(step, *state.values(), inputs, targets), state
    )


def train_refiner(work: Training) -> None:
    """Train c on what the search finds of the normals."""
    generated = work.kept(INPUTS, len(work.x_low), searched(work, work.x_low, "normals"))
    work.seeded(3)
    refiner = build_refiner(work.settings.search_size, work.settings.refiner)
    low = downscale_all(work.shown, work.settings.search_size)
    g_shown = np.concatenate(list(searched(work, low, "pictures")))

    def show(folder: Path) -> None:
        columns = {"x": low, "g(x)": g_shown, "c(g(x))": predict(refiner, g_shown)}
        pictures.save_columns(folder / "reconstructions.png", columns)

    work.steps(refiner_stage(refiner, generated, work.x_low, work.settings).shown(show))
    work.save("refiner", refiner, refiner)
