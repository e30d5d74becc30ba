"""How many devices a training is spread over, and that several train what one does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.distribute import Distribute
from keras_sranogan.settings import CorrectorSettings, TrainSettings
from keras_sranogan.training import spread
from keras_sranogan.training.spread import devices_for
from sranogan_edge.errors import SettingsError
from tests.support.backends import on

FIRST = 4  # steps that rounding has not grown in yet
STEADY = (
    "encoder",
    "corrector",
    "refiner",
    "srgan",
)  # hardly a gradient of nearly nothing, see test_backends


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Four cards of one machine, on JAX."""
    monkeypatch.setattr(spread, "BACKEND", "jax")
    monkeypatch.setattr(spread, "present", lambda: 4)
    monkeypatch.setattr(spread, "has_cards", lambda: True)
    return monkeypatch


def batches(gan: int, corrector: int, others: int) -> TrainSettings:
    """Settings of these batches."""
    usual = TrainSettings()
    return replace(
        usual,
        anogan=replace(usual.anogan, batch=gan),
        corrector=CorrectorSettings(batch=corrector),
        refiner=replace(usual.refiner, batch=others),
        srgan=replace(usual.srgan, batch=others),
        head=replace(usual.head, pairs=others),
    )


@pytest.mark.parametrize(
    ("asked", "settings", "found", "told"),
    [
        ("auto", TrainSettings(), 4, ["trains on 4 devices"]),
        ("devices", TrainSettings(), 4, ["trains on 4 devices"]),
        ("none", TrainSettings(), 1, []),
        (
            "devices",
            batches(32, 6, 16),
            2,
            ["trains on 2 devices of 4: batches of 6 are not divided by more of them"],
        ),
        (
            "devices",
            batches(9, 6, 12),
            3,
            ["trains on 3 devices of 4: batches of 6, 9 are not divided by more of them"],
        ),
        ("auto", batches(7, 8, 8), 1, ["trains on one device of 4: batches of 7 are not divided by "]),
    ],
)
def test_as_many_as_divide_the_batches(
    machine: pytest.MonkeyPatch, asked: Distribute, settings: TrainSettings, found: int, told: list[str]
) -> None:
    """Each device has an equal share of every batch; where not all can have one, that is said."""
    said: list[str] = []
    assert devices_for(asked, settings, said.append) == found
    assert [line[: len(start)] for line, start in zip(said, told, strict=True)] == told


def test_a_batch_that_is_not_drawn_divides_nothing(machine: pytest.MonkeyPatch) -> None:
    """A corrector that is not trained has no batch."""
    settings = replace(batches(8, 7, 8), corrector=CorrectorSettings(batch=7, steps=0))
    assert devices_for("devices", settings, lambda line: None) == 4


def test_auto_is_of_cards(machine: pytest.MonkeyPatch) -> None:
    """A CPU's logical devices are taken where they are asked for alone."""
    machine.setattr(spread, "has_cards", lambda: False)
    assert devices_for("auto", TrainSettings(), lambda line: None) == 1
    assert devices_for("devices", TrainSettings(), lambda line: None) == 4


@pytest.mark.parametrize(
    ("there", "settings", "told"),
    [
        (1, TrainSettings(), "JAX sees one device in this machine"),
        (4, batches(7, 8, 8), r"no several of 4 devices have equal shares of all batches \(anogan.batch 7, "),
    ],
)
def test_refused_where_several_are_asked_for(
    machine: pytest.MonkeyPatch, there: int, settings: TrainSettings, told: str
) -> None:
    """What was asked for and cannot be is an error, not one device."""
    machine.setattr(spread, "present", lambda: there)
    with pytest.raises(SettingsError, match=told):
        devices_for("devices", settings, lambda line: None)


def steps(folder: Path, devices: int, where: str, *stages: str) -> dict[str, np.ndarray]:
    """Losses, weights and what a device computes of the first steps on so many devices."""
    out = folder / f"{where}{devices}.npz"
    count = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    done = on("jax", "-m", "tests.support.spread_steps", out, where, str(devices), *stages, **count)
    assert done.returncode == 0, done.stderr
    with np.load(out) as found:
        return dict(found)


def assert_alike(one: dict[str, np.ndarray], several: dict[str, np.ndarray], devices: int) -> None:
    """Losses agree to 5 digits at first, to 10 % (steady stages 4 digits) after 20 steps, as weights do.

    And each device computes about its share of a step, and no more.
    """
    assert one.keys() == several.keys()
    for name, expected in one.items():
        steady = name.partition(".")[0] in STEADY
        if ".metric." in name:
            np.testing.assert_allclose(several[name][:FIRST], expected[:FIRST], rtol=3e-5, err_msg=name)
            np.testing.assert_allclose(several[name], expected, rtol=1e-4 if steady else 0.1, err_msg=name)
        elif name.endswith(".flops"):
            assert 0.9 / devices < several[name] / expected < 1 / devices + 0.08, name
        else:
            np.testing.assert_allclose(several[name], expected, atol=1e-4 if steady else 0.05, err_msg=name)


def test_two_devices_train_as_one_does(tmp_path: Path) -> None:
    """From equal weights and draws, 20 steps of the smallest stage; each device computes half of them."""
    one, several = (steps(tmp_path, count, "memory", "refiner") for count in (1, 2))
    assert_alike(one, several, 2)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4])
def test_every_stage_trains_alike(tmp_path: Path, devices: int) -> None:
    """So do the GAN, with batch and spectral normalisation and its penalty, the head, and the others."""
    stages = ("gan", "encoder", "corrector", "refiner", "srgan", "head")
    one, several = (steps(tmp_path, count, "memory", *stages) for count in (1, devices))
    assert_alike(one, several, devices)


@pytest.mark.slow
def test_each_device_reads_its_part_from_disk(tmp_path: Path) -> None:
    """Images on disk give four devices the bits that images in memory do."""
    memory, disk = (steps(tmp_path, 4, where, "refiner", "head") for where in ("memory", "disk"))
    for name, expected in memory.items():
        if not name.endswith(".flops"):
            np.testing.assert_array_equal(disk[name], expected, err_msg=name)


@pytest.mark.slow
def test_what_one_device_cannot_read_is_told() -> None:
    """Of four devices one meets a damaged file: the step ends, and the error is that of the file."""
    count = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = on("jax", "-m", "tests.support.unread_part", **count)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "image 7 is damaged"
