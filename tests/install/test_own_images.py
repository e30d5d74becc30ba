"""The walk of docs/guide/own_images.md from wheels, on a machine without a network."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_sranogan.settings import TrainSettings
from sranogan_edge import __version__
from tests.support.installs import BARE, REPOSITORY, run
from tests.support.own_images import check_left, commands, photos, radiographs, shortened

pytestmark = pytest.mark.slow

OURS = ("sranogan_edge", "keras_sranogan", "sranogan_export")
NO_INDEX = {name: value for name, value in BARE.items() if not name.startswith("PIP_")} | {
    "PIP_CONFIG_FILE": os.devnull,  # nor another place to find packages in
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what ``make wheelhouse`` makes in a fresh clone."""
    clone = tmp_path_factory.mktemp("wheelhouse") / "clone"
    run("git", "clone", "--quiet", REPOSITORY, clone)
    run("make", "--no-print-directory", "wheelhouse", f"PYTHON={sys.executable}", cwd=clone)
    return clone / "build" / "wheelhouse"


@pytest.fixture(scope="module")
def installed(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of commands of a new environment, made as the page says by the pip it brings."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder / "mine")
    (folder / "wheelhouse").symlink_to(wheelhouse)
    typed(commands()[0], folder, folder / "mine" / "bin")
    run(folder / "mine" / "bin" / "pip", "check")
    return folder / "mine" / "bin"


def typed(command: str, folder: Path, programs: Path) -> str:
    """Run a line in ``folder`` as typed where ``programs`` are first on the PATH; return all that it said."""
    env = {**NO_INDEX, "PATH": f"{programs}{os.pathsep}{BARE['PATH']}"}
    return run("bash", "-c", f"{{ {command}\n}} 2>&1", cwd=folder, env=env)


def test_what_is_installed_are_the_wheels(wheelhouse: Path, installed: Path) -> None:
    """Our three wheels are there, each in its place in the environment, and no part comes from the clone."""
    names = {path.name for path in wheelhouse.iterdir()}
    assert {f"{name}-{__version__}-py3-none-any.whl" for name in OURS} <= names
    assert all(name.endswith(".whl") for name in names)
    code = "; ".join(f"import {name}; print({name}.__file__)" for name in OURS)
    places = [Path(line) for line in run(installed / "python", "-c", code, cwd=installed).splitlines()]
    assert len(places) == len(OURS)
    assert all(installed.parent in place.parents for place in places)


def test_a_devices_extras_are_in_it(wheelhouse: Path, tmp_path: Path) -> None:
    """A service with what its list has is installed from the same folder, without TensorFlow."""
    run(sys.executable, "-m", "venv", tmp_path / "device")
    pip = tmp_path / "device" / "bin" / "pip"
    (edge,) = wheelhouse.glob("sranogan_edge-*.whl")
    wanted = f"{edge}[dicom,page,mqtt,webhook,sign]"
    run(pip, "install", "-qq", "--no-index", "--find-links", wheelhouse, wanted, env=NO_INDEX)
    assert "tensorflow" not in run(pip, "freeze")


@pytest.mark.parametrize(
    ("draw", "kind"), [(photos, "colour"), (radiographs, "grey")], ids=["photos", "films"]
)
def test_the_walk_of_the_page(
    draw: Callable[[Path], None], kind: str, settings: TrainSettings, installed: Path, tmp_path: Path
) -> None:
    """As it stands there but for the length of the training: table, sentence, bundle, results, regions."""
    draw(tmp_path)
    walk = [shortened(command, tmp_path, settings) for command in commands()[1:]]
    said = [typed(command, tmp_path, installed) for command in walk]
    check_left(tmp_path, said, kind)
