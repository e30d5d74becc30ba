"""Both backends train the same networks: by the same tests, and step by step."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.backends import REPOSITORY, on

TESTS = Path("tests") / "keras_sranogan"
FIRST = 4  # steps that rounding has not grown in yet
ROOM = "devices", "on_jax", "on_tensorflow", "random"
# What float32 leaves between two backends: Adam turns the sign of a gradient of nearly nothing into a whole
# step, so that what is equal to 7 digits at first drifts apart; some stages hardly have such gradients.
STEADY, DRIFTING = ("encoder", "corrector", "refiner", "srgan"), ("gan", "head")


def test_one_room_knows_the_backends() -> None:
    """TensorFlow and JAX are imported by the backend's room and by what starts them alone."""
    package = REPOSITORY / "keras_sranogan"
    asking = re.compile(r"^\s*(?:import|from) (?:tensorflow|jax)\b", re.MULTILINE)
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if asking.search(path.read_text(encoding="utf-8"))
    }
    assert found == {f"backend/{name}.py" for name in ROOM} | {"startup.py"}


def first_steps(backend: str, folder: Path, *stages: str) -> dict[str, np.ndarray]:
    """Losses and weights of the first steps of these stages."""
    out = folder / f"{backend}.npz"
    done = on(backend, "-m", "tests.support.first_steps", out, *stages)
    assert done.returncode == 0, done.stderr
    with np.load(out) as found:
        return dict(found)


def assert_alike(folder: Path, *stages: str) -> None:
    """Losses agree to 5 digits at first, to 5 % (steady stages to 4 digits) after 20 steps, as weights do."""
    one, other = (first_steps(backend, folder, *stages) for backend in ("tensorflow", "jax"))
    assert one.keys() == other.keys()
    for name, expected in one.items():
        steady = name.partition(".")[0] in STEADY
        if ".metric." in name:
            np.testing.assert_allclose(other[name][:FIRST], expected[:FIRST], rtol=3e-5, err_msg=name)
            np.testing.assert_allclose(other[name], expected, rtol=1e-4 if steady else 0.05, err_msg=name)
        else:
            np.testing.assert_allclose(other[name], expected, atol=1e-4 if steady else 0.03, err_msg=name)


def test_the_refiner_trains_alike(tmp_path: Path) -> None:
    """From equal weights and draws, 20 steps of the smallest stage are the same on TensorFlow and on JAX."""
    assert_alike(tmp_path, "refiner")


@pytest.mark.slow
def test_every_other_stage_trains_alike(tmp_path: Path) -> None:
    """So are those of the GAN with its three networks, encoder, corrector, super-resolution and head."""
    assert_alike(tmp_path, *(name for name in (*DRIFTING, *STEADY) if name != "refiner"))


@pytest.mark.slow
def test_a_step_is_one_program_on_jax() -> None:
    """Of every stage: batches, augmentation, anomalies, losses and optimisers ask nothing of the host.

    The images that batches are drawn from are held where the program runs.
    """
    done = on("jax", "-m", "tests.support.whole_steps")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {*STEADY, *DRIFTING}
    for name, step in found.items():
        assert step["callbacks"] == 0, name
        assert step["images"], name
        assert all(shape[0] == 24 for shape in step["images"]), name


def test_what_holds_on_tensorflow_holds_on_jax() -> None:
    """Gradients, branches, checkpoints, resuming to the bit and clear errors: the same tests, run on JAX."""
    modules = ("backend/test_graph.py", "backend/test_random.py", "training/test_stage.py")
    done = on("jax", "-m", "pytest", "-q", "-p", "no:xdist", *(TESTS / name for name in modules))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_networks_and_stages_hold_on_jax() -> None:
    """So do the head's training with its resuming, and the losses, on JAX."""
    modules = ("head/test_train.py", "training/test_checkpoints.py", "test_layers.py")
    done = on("jax", "-m", "pytest", "-q", "-p", "no:xdist", "-m", "", *(TESTS / name for name in modules))
    assert done.returncode == 0, done.stdout + done.stderr
