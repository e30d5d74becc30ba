from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_sranogan.backend import random
from keras_sranogan.backend.random import Tensor
from keras_sranogan.progress import Silent
from keras_sranogan.training.stage import Stage, draw_batch, run_stage, step_seed, update, writing
from sranogan_edge.errors import ResultsError, RunError
from sranogan_edge.files import write_json


class Toy:
    """A linear model on random numbers, and what happened while it was trained."""

    def __init__(self, steps: int, *, nan_metric_at: int = -1, nan_weight_at: int = -1) -> None:
        keras.utils.set_random_seed(0)
        self.model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        self.optimiser = keras.optimizers.Adam(0.1)
        self.optimiser.build(self.model.trainable_variables)
        self.steps: list[int] = []
        self.nan_metric_at, self.nan_weight_at = nan_metric_at, nan_weight_at
        self.stage = Stage("toy", steps, self.step, {"model": self.model, "optimiser": self.optimiser})

    def step(self, number: Tensor) -> dict[str, Tensor]:
        x = random.normal((4, 3), step_seed(0, "toy", number))

        def loss() -> tuple[Tensor, Tensor]:
            error = ops.mean(ops.square(self.model(x) - 1))
            return error, error

        error = update(self.optimiser, self.model, loss)
        self.steps.append(int(number))
        if int(number) == self.nan_weight_at:
            self.model.weights[0].assign(np.full((3, 1), np.nan))
        return {"loss": ops.convert_to_tensor(np.nan) if int(number) == self.nan_metric_at else error}

    def train(self, folder: Path, every: int = 10) -> Toy:
        folder.mkdir(exist_ok=True)
        run_stage(self.stage, folder, checkpoint_every=every, progress=Silent(), logs=folder / "logs")
        return self


def checkpoints(folder: Path) -> list[str]:
    """Names of the checkpoints that are kept."""
    return sorted(path.stem for path in (folder / "checkpoints").glob("*.npz"))


def test_writes_checkpoints_and_resumes(tmp_path: Path) -> None:
    """A stage stopped after 14 of 25 steps goes on with step 14, and ends as one that was not stopped."""
    whole = Toy(25).train(tmp_path / "whole")
    assert checkpoints(tmp_path / "whole") == ["ckpt-20", "ckpt-25"]
    Toy(14).train(tmp_path / "part")
    assert checkpoints(tmp_path / "part") == ["ckpt-10", "ckpt-14"]
    resumed = Toy(25).train(tmp_path / "part")
    assert resumed.steps == list(range(14, 25))
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert list((tmp_path / "whole" / "logs" / "toy").iterdir())


@pytest.mark.parametrize("name", ["run[1]", "chest*", "what?", "a\\b"])
def test_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    """What a shell reads as a pattern is a name like any other: checkpoints there are found again."""
    Toy(5).train(tmp_path / name)
    assert Toy(7).train(tmp_path / name).steps == [5, 6]


def test_too_little_memory(tmp_path: Path) -> None:
    """A step that needs a petabyte ends with what to lower, whichever backend refuses it."""
    toy = Toy(5)
    toy.stage = replace(toy.stage, step=lambda number: {"loss": ops.sum(ops.ones((1 << 48,)))})
    with pytest.raises(RunError, match=r"toy: the memory .* too small for a batch.*--settings: anogan"):
        toy.train(tmp_path)


def test_a_finished_stage_takes_no_step(tmp_path: Path) -> None:
    """Running a finished stage again restores its weights, draws its pictures and trains nothing."""
    first = Toy(5).train(tmp_path)
    again = Toy(5)
    again.stage = again.stage.shown(lambda folder: (folder / "picture").mkdir())
    again.train(tmp_path)
    assert again.steps == []
    assert (tmp_path / "picture").exists()
    np.testing.assert_array_equal(again.model.get_weights()[0], first.model.get_weights()[0])


def test_a_bad_metric_ends_the_training(tmp_path: Path) -> None:
    """A metric that becomes NaN is named with its step, and the checkpoint before it is kept."""
    with pytest.raises(RunError, match="toy: loss became nan at step 25"):
        Toy(40, nan_metric_at=24).train(tmp_path)
    assert checkpoints(tmp_path) == ["ckpt-10", "ckpt-20"]
    assert Toy(40).train(tmp_path).steps[0] == 20


def test_a_bad_weight_is_never_saved(tmp_path: Path) -> None:
    """A weight that became NaN behind healthy metrics is found before the checkpoint is written."""
    with pytest.raises(RunError, match="a weight of the model became nan at step 10"):
        Toy(40, nan_weight_at=9).train(tmp_path, every=5)
    assert checkpoints(tmp_path) == ["ckpt-5"]


def test_a_damaged_checkpoint_is_a_run_error(tmp_path: Path) -> None:
    """A checkpoint whose bytes are gone ends with a message that names it, not with a trace."""
    Toy(5).train(tmp_path)
    (tmp_path / "checkpoints" / "ckpt-5.npz").write_bytes(b"no weights")
    with pytest.raises(RunError, match=r"ckpt-5\.npz: the checkpoint is damaged"):
        Toy(10).train(tmp_path)


def test_what_cannot_be_written_is_a_results_error(tmp_path: Path) -> None:
    """A full disk says where and what to do."""
    with (
        pytest.raises(ResultsError, match=r"cannot be written \(No space.*--resume"),
        writing(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_step_seeds_differ() -> None:
    """Seed, stage and step each give other random numbers; the same three give the same."""
    seeds = [step_seed(0, "a", 0), step_seed(1, "a", 0), step_seed(0, "b", 0), step_seed(0, "a", 1)]
    assert len({tuple(np.asarray(seed)) for seed in seeds}) == 4
    np.testing.assert_array_equal(step_seed(0, "a", 0), seeds[0])


def test_batches_are_distinct() -> None:
    """A batch holds no image twice while there are enough, and every image has its turn."""
    seeds = [random.seed(0, step) for step in range(40)]
    batches = [np.asarray(draw_batch(20, 8, seed)) for seed in seeds]
    assert all(len(set(batch)) == 8 for batch in batches)
    assert set(np.concatenate(batches)) == set(range(20))
    assert len({tuple(batch) for batch in batches}) > 30


def test_batches_of_few_images() -> None:
    """With fewer images than a batch takes, some come twice and all indices are valid."""
    batch = np.asarray(draw_batch(3, 8, random.seed(0, 0)))
    assert batch.shape == (8,)
    assert set(batch) <= {0, 1, 2}


def test_json_is_whole_or_not_there(tmp_path: Path) -> None:
    """A value that cannot be written leaves the old file as it was."""
    path = tmp_path / "values.json"
    write_json(path, {"a": 1})
    before = path.read_text()
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_text() == before
