"""The first steps of training stages on one device and on several of JAX's, from equal weights and draws.

``KERAS_BACKEND=jax python -m tests.support.spread_steps OUT.npz memory|disk DEVICES STAGE...`` with as many
devices in XLA_FLAGS. ``OUT.npz`` gets what :mod:`tests.support.first_steps` writes of each stage, and
STAGE.flops, what one device computes in a step.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_sranogan.backend.devices import spread_over
from keras_sranogan.data.rows import Images, in_file, write_rows
from tests.support.first_steps import SETTINGS, STEPS, stages, taken

HARD = replace(SETTINGS, anogan=replace(SETTINGS.anogan, spectral=True))  # D's kernels are divided, too


def flops(step: Any) -> float:
    """What one device computes in a step, as the compiler counts it."""
    program = step._program.lower([one.value for one in step.variables], 0).compile()
    return float(program.cost_analysis()["flops"])


def main(out: str, where: str, devices: int, names: Sequence[str]) -> None:
    """Take the steps of each named stage on so many devices, and write what came of them."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, spread_over(devices):

        def put(images: Images) -> Images:
            if where == "memory":
                return images
            path = Path(folder) / f"{len(list(Path(folder).iterdir()))}.npy"
            write_rows(path, len(images), [images[:]])
            return in_file(path)

        for name in names:
            stage = stages(HARD, put)[name]()
            found |= taken(stage, STEPS)
            found[f"{name}.flops"] = flops(stage.step)
    np.savez(out, **found)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
