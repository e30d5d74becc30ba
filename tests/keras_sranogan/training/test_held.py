"""A step takes the same batch from memory and from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from keras_sranogan.backend.graph import as_one, compiled
from keras_sranogan.data.rows import in_file, write_rows
from keras_sranogan.progress import Silent
from keras_sranogan.training.held import held
from keras_sranogan.training.stage import Stage, draw_batch, run_stage, step_seed
from sranogan_edge.errors import RunError

IMAGES = np.random.default_rng(0).random((50, 4, 4, 1), np.float32)


@pytest.mark.parametrize("way", [compiled, as_one])
def test_batches_are_the_same(tmp_path: Path, way: object) -> None:
    """Compiled or not, step after step, and with more images wanted than there are."""
    write_rows(tmp_path / "x.npy", 50, [IMAGES])
    batches = []
    for images in (IMAGES, in_file(tmp_path / "x.npy")):
        data = held(images)
        assert data.shape == (50, 4, 4, 1)
        for batch in (8, 60):
            step = way(  # type: ignore[operator]  # parametrised
                lambda number, data=data, batch=batch: data.take(
                    draw_batch(50, batch, step_seed(0, "toy", number))
                ),
                data,
            )
            batches.append(np.stack([np.asarray(step(number)) for number in range(4)]))
    np.testing.assert_array_equal(batches[0], batches[2])
    np.testing.assert_array_equal(batches[1], batches[3])
    assert batches[0].shape == (4, 8, 4, 4, 1)
    assert (batches[0][0] != batches[0][1]).any()


def test_a_file_that_goes_away_is_told(tmp_path: Path) -> None:
    """What cannot be read inside a compiled step is the error of that file, not the backend's."""
    write_rows(tmp_path / "x.npy", 50, [IMAGES])
    data = held(in_file(tmp_path / "x.npy"))

    def step(number: object) -> dict[str, object]:
        return {"mean": ops.mean(data.take(draw_batch(50, 8, step_seed(0, "toy", number))))}

    stage = Stage("toy", 3, compiled(step, data), {})
    run_stage(stage, tmp_path / "a", checkpoint_every=3, progress=Silent(), logs=tmp_path / "logs")
    (tmp_path / "x.npy").unlink()
    with pytest.raises(RunError, match=r"x\.npy is missing or damaged \(No such file"):
        run_stage(
            replace(stage, steps=5), tmp_path / "b", checkpoint_every=3, progress=Silent(), logs=tmp_path
        )
