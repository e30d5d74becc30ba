"""Checkpoints: what is saved comes back, on either backend; what is damaged, or another's, is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_sranogan.training.checkpoints import Checkpoints
from sranogan_edge.errors import RunError


def checkpoints(folder: Path, width: int = 3) -> tuple[Checkpoints, keras.Model, keras.Optimizer]:
    """Checkpoints of a small network and its optimiser."""
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Dense(width)(inputs)))
    optimiser = keras.optimizers.Adam(0.1)
    optimiser.build(model.trainable_variables)
    return Checkpoints(folder, {"model": model, "optimiser": optimiser}), model, optimiser


def fill(holder: keras.Model | keras.Optimizer, seed: int) -> None:
    """Give all variables other values."""
    rng = np.random.default_rng(seed)
    for variable in holder.variables:
        variable.assign(
            rng.uniform(1, 9, variable.shape).astype(keras.backend.standardize_dtype(variable.dtype))
        )


def values(*holders: keras.Model | keras.Optimizer) -> list[np.ndarray]:
    """All values."""
    return [np.asarray(variable.value) for holder in holders for variable in holder.variables]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    """Weights, statistics, moments and counters are those of the last step, to the bit; two are kept."""
    saved, *holders = checkpoints(tmp_path / "c")
    for step in (5, 9, 10):
        for holder in holders:
            fill(holder, step)
        saved.save(step)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["ckpt-10.npz", "ckpt-9.npz"]
    again, *others = checkpoints(tmp_path / "c")
    assert again.restore() == 10
    for one, other in zip(values(*holders), values(*others), strict=True):
        np.testing.assert_array_equal(one, other)


def test_counters_of_the_other_backend(tmp_path: Path) -> None:
    """TensorFlow counts steps in int64, JAX in int32: either reads the other's."""
    saved, _, optimiser = checkpoints(tmp_path)
    optimiser.iterations.assign(7)
    saved.save(7)
    path = tmp_path / "ckpt-7.npz"
    with np.load(path) as file:
        arrays = dict(file)
    for kind in (np.int32, np.int64):
        changed = {name: one.astype(kind) if one.dtype.kind == "i" else one for name, one in arrays.items()}
        np.savez(path, **changed)
        again, _, other = checkpoints(tmp_path)
        assert again.restore() == 7
        assert int(other.iterations.value) == 7


def test_nothing_there_and_a_part_that_was_killed(tmp_path: Path) -> None:
    """Without a folder, and with a file that was never finished, a training begins at 0."""
    assert checkpoints(tmp_path / "none")[0].restore() == 0
    (tmp_path / "ckpt-5.npz.part").write_bytes(b"PK")
    assert checkpoints(tmp_path)[0].restore() == 0


def without_an_array(path: Path) -> None:
    """Leave one out."""
    with np.load(path) as file:
        kept = dict(list(file.items())[:-1])
    np.savez(path, **kept)


def turned_bit(path: Path) -> None:
    """Change one bit of a weight."""
    with zipfile.ZipFile(path) as file:
        member = file.getinfo("model.0000.npy")
    content = bytearray(path.read_bytes())
    content[member.header_offset + 200] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no weights"),
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        turned_bit,
        without_an_array,
    ],
    ids=["empty", "other bytes", "cut", "zeros", "one bit", "one array less"],
)
def test_damage_is_a_run_error(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    """Whatever happened to the newest file, it is named with the cure, and the network stays as it was."""
    saved, *_ = checkpoints(tmp_path)
    saved.save(3)
    saved.save(4)
    damage(tmp_path / "ckpt-4.npz")
    again, *holders = checkpoints(tmp_path)
    before = values(*holders)
    with pytest.raises(RunError, match=r"ckpt-4\.npz: the checkpoint is damaged .* Remove .* stage anew"):
        again.restore()
    for one, other in zip(before, values(*holders), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    """A network of another width does not take what fits by name alone."""
    checkpoints(tmp_path)[0].save(3)
    with pytest.raises(
        RunError, match=r"of other networks \(model\.0000 is \(2, 3\), and should be \(2, 4\)"
    ):
        checkpoints(tmp_path, width=4)[0].restore()


def test_checkpoints_of_an_earlier_version_are_refused(tmp_path: Path) -> None:
    """Those that TensorFlow wrote are not passed over, which would train a begun stage anew unasked."""
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "ckpt-20"\n')
    with pytest.raises(RunError, match=r"an earlier version.*Remove it to train this stage anew"):
        checkpoints(tmp_path)[0].restore()
