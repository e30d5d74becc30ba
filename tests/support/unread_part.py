"""A stage on four of JAX's devices, with images on disk, of which one cannot be read; prints the error."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from keras_sranogan.backend.devices import spread_over
from keras_sranogan.backend.graph import compiled_step
from keras_sranogan.data.rows import Rows
from keras_sranogan.progress import Silent
from keras_sranogan.training.held import held
from keras_sranogan.training.stage import Stage, draw_batch, run_stage, step_seed
from sranogan_edge.errors import RunError


def read(numbers: np.ndarray) -> np.ndarray:
    """Read all images but one."""
    if 7 in numbers:
        raise RunError("image 7 is damaged")
    return np.zeros((len(numbers), 4, 4, 1), np.float32)


def main(folder: Path) -> None:
    """Train until a batch has that image."""
    data = held(Rows((50, 4, 4, 1), read))

    def step(number: Any) -> dict[str, Any]:
        return {"mean": ops.mean(data.take(draw_batch(50, 8, step_seed(0, "toy", number))))}

    with spread_over(4):
        stage = Stage("toy", 100, compiled_step(step, data), {})
    try:
        run_stage(stage, folder / "toy", checkpoint_every=50, progress=Silent(), logs=folder / "logs")
    except RunError as error:
        print(error)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        main(Path(made))
