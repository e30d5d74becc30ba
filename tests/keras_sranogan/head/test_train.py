"""The head's training: it learns, repeats itself, and keeps a running mean of its weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray

from keras_sranogan.head.network import build_head
from keras_sranogan.head.train import FIRST_RATE_SHARE, WARMUP_SHARE, OneCycle, head_stage
from keras_sranogan.progress import Silent
from keras_sranogan.settings import HeadSettings, TrainSettings
from keras_sranogan.training.stage import Stage, run_stage

SIDE, STEPS = 16, 60
HEAD = HeadSettings(width=8, steps=STEPS, pairs=8, ema_decay=0.9)


def normals(count: int = 24) -> NDArray[np.float32]:
    """``(count, SIDE, SIDE, 1)``: alike but not equal, smooth, with dark places."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    waves = np.sin(7 * rows)[None] * np.cos(6 * columns)[None] * rng.uniform(0.2, 0.3, (count, 1, 1))
    return np.clip(0.5 + waves + 0.01 * rng.normal(size=waves.shape), 0, 1).astype(np.float32)[..., None]


def stage_of(**changes: Any) -> Stage:
    """A head's training at its very beginning."""
    own = replace(HEAD, **changes)
    keras.utils.set_random_seed(3)
    head, averaged = build_head(SIDE, own), build_head(SIDE, own)
    averaged.set_weights(head.get_weights())
    return head_stage(head, averaged, normals(), TrainSettings(head=own, seed=4))


def trained(stage: Stage, folder: Path) -> Stage:
    """The stage after all its steps."""
    folder.mkdir(parents=True, exist_ok=True)
    run_stage(stage, folder, checkpoint_every=25, progress=Silent(), logs=folder / "logs")
    return stage


def losses(stage: Stage, numbers: range) -> list[float]:
    """The sum of both losses at each of these steps, taken one after the other."""
    return [float(sum(stage.step(number).values())) for number in numbers]


@pytest.fixture(scope="module")
def lost() -> list[float]:
    """What a training on opacities loses at each step."""
    return losses(stage_of(), range(STEPS))


def test_training_lowers_the_loss(lost: list[float]) -> None:
    """A minute part of a training already tells pasted anomalies better than it did at the start."""
    assert np.isfinite(lost).all()
    assert np.mean(lost[-10:]) < 0.9 * np.mean(lost[:10])


@pytest.mark.slow
def test_training_on_defects_lowers_the_loss() -> None:
    """The other kind of anomalies is learned too."""
    taken = losses(stage_of(anomalies="defects"), range(STEPS))
    assert np.isfinite(taken).all()
    assert np.mean(taken[-10:]) < 0.95 * np.mean(taken[:10])


def test_first_steps_repeat_and_are_averaged(lost: list[float]) -> None:
    """A second training of one seed loses the same; the averaged weights trail the trained ones."""
    stage = stage_of()
    head, averaged = stage.state["head"], stage.state["averaged"]
    before = head.get_weights()
    first = losses(stage, range(1))
    for old, new, mean in zip(before, head.get_weights(), averaged.get_weights(), strict=True):
        np.testing.assert_allclose(mean, 0.9 * old + 0.1 * new, atol=1e-5)
    np.testing.assert_allclose([*first, *losses(stage, range(1, 4))], lost[:4], rtol=1e-3)


@pytest.mark.slow
def test_a_resumed_training_is_the_same(tmp_path: Path) -> None:
    """Stopped at a checkpoint and gone on with, the averaged head ends with the weights of one go."""
    whole = trained(stage_of(), tmp_path / "whole")
    trained(replace(stage_of(), steps=25), tmp_path / "parts")
    resumed = trained(stage_of(), tmp_path / "parts")
    expected = whole.state["averaged"].get_weights()
    for one, other in zip(resumed.state["averaged"].get_weights(), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert set(resumed.metrics) == {"image", "place"}


@pytest.mark.slow
def test_fewer_normals_than_pairs() -> None:
    """A data set smaller than a batch is drawn from with repetition."""
    stage = stage_of(pairs=40)
    assert np.isfinite(losses(stage, range(1))).all()


def test_one_cycle() -> None:
    """The rate starts low, is highest after the warm-up, and ends at zero, without a jump."""
    rate = OneCycle(0.01, 400)
    rates = np.array([float(rate(ops.convert_to_tensor(step))) for step in range(401)])
    assert rates[0] == pytest.approx(0.01 * FIRST_RATE_SHARE)
    assert rates.argmax() == WARMUP_SHARE * 400
    assert rates.max() == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0, abs=1e-8)
    assert np.abs(np.diff(rates)).max() < 0.01 * 0.02


def test_one_cycle_survives_saving() -> None:
    """The schedule is rebuilt from its own description."""
    rate = OneCycle(0.01, 400)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(rate))
    assert float(again(ops.convert_to_tensor(77))) == float(rate(ops.convert_to_tensor(77)))
