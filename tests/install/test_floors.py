"""The lowest versions that a distribution allows are a promise: they resolve, and pass the tests."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.installs import BARE, REPOSITORY, run

pytestmark = pytest.mark.slow

EDGE, EXPORT, TRAINING = (REPOSITORY / folder / "pyproject.toml" for folder in ("edge", "export", "."))
APART = (
    "tflite-runtime"  # needs NumPy 1, the others NumPy 2; tests/edge/runtime/test_tflite_runtime.py has it
)
UV = (sys.executable, "-m", "uv", "pip")
COMPILE = (*UV, "compile", "--system-certs", "--quiet", "--no-header", "--no-annotate")
NAMES = ("keras-sranogan", "sranogan-edge", "sranogan-export")
OWN = [part for name in NAMES for part in ("--no-emit-package", name)]
FAST = ("-q", "-p", "no:cacheprovider", "-n", "3", "--dist", "loadfile")


def extras_of(pyproject: Path) -> list[str]:
    """Return the names of the optional dependencies."""
    project: dict[str, Any] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return list(project.get("optional-dependencies", {}))


def lowest(out: Path, version: str, pyprojects: list[Path], extras: list[str]) -> Path:
    """Compile the lowest versions that ``pyprojects`` allow of what they name themselves."""
    chosen = [part for extra in extras for part in ("--extra", extra)]
    wanted = ("--resolution", "lowest-direct", "--python-version", version, "--output-file", out)
    run(*COMPILE, *wanted, *OWN, *chosen, *pyprojects)
    return out


def install(python: Path, floors: Path, version: str, *packages: Path) -> None:
    """Install the floors, what the tests need beside them, and our packages from their folders."""
    tools = floors.with_name("tools.txt")
    wanted = ("--group", "test", "--constraints", floors, "--output-file", tools)
    run(*COMPILE, "--python-version", version, *OWN, *wanted)
    pip = (*UV, "install", "--system-certs", "--quiet", "--python", python)
    run(*pip, "-r", floors, "-r", tools)
    run(*pip, "--no-deps", *packages)
    run(python, "-m", "pip", "check")


@pytest.mark.parametrize(
    ("pyproject", "extra"),
    [(file, extra) for file in (EDGE, EXPORT, TRAINING) for extra in ["", *extras_of(file)]],
    ids=lambda one: one.parent.name if isinstance(one, Path) else one or "alone",
)
def test_each_extra_resolves_at_its_lowest(tmp_path: Path, pyproject: Path, extra: str) -> None:
    """A distribution, alone and with each extra alone, has a solution at the lowest versions."""
    version = "3.10" if pyproject == EDGE else "3.11"
    out = lowest(tmp_path / "floors.txt", version, [pyproject], [extra] if extra else [])
    assert "==" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("version", ["3.10", "3.11"])
def test_the_edge_passes_its_tests_at_its_lowest(
    environment: Callable[..., Path], every_bundle: dict[str, str], tmp_path: Path, version: str
) -> None:
    """With the oldest versions of everything that a device may have, the edge's fast tests pass."""
    python = environment(version)
    extras = [extra for extra in extras_of(EDGE) if extra != APART]
    floors = lowest(tmp_path / "floors.txt", version, [EDGE], extras)
    install(python, floors, version, EDGE.parent)
    said = run(python, "-m", "pytest", *FAST, "tests/edge", env=every_bundle)
    assert re.search(r"^\d{3,} passed", said, re.MULTILINE), said


def test_training_and_export_pass_their_tests_at_their_lowest(
    environment: Callable[..., Path], tmp_path: Path
) -> None:
    """With the oldest versions of everything that training may have, all fast tests pass."""
    python = environment("3.11")
    extras = sorted({extra for file in (EDGE, EXPORT, TRAINING) for extra in extras_of(file)} - {APART})
    floors = lowest(tmp_path / "floors.txt", "3.11", [TRAINING, EDGE, EXPORT], extras)
    install(python, floors, "3.11", *(file.parent for file in (EDGE, TRAINING, EXPORT)))
    own = {name: value for name, value in BARE.items() if name != "SRANOGAN_TEST_BUNDLES"}
    tests = ("tests/keras_sranogan", "tests/export", "tests/end_to_end")
    said = run(python, "-m", "pytest", *FAST, *tests, env=own)
    assert re.search(r"^\d{3,} passed", said, re.MULTILINE), said


IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for one in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not one.name.endswith("__main__"):
            importlib.import_module(one.name)
            print(one.name)
"""


@pytest.mark.parametrize(
    ("version", "pyprojects", "names"),
    [
        ("3.10", [EDGE], ["sranogan_edge"]),
        ("3.11", [EDGE, TRAINING, EXPORT], ["sranogan_edge", "keras_sranogan", "sranogan_export"]),
    ],
    ids=["edge", "all"],
)
def test_every_module_is_imported_at_its_lowest(
    environment: Callable[..., Path], tmp_path: Path, version: str, pyprojects: list[Path], names: list[str]
) -> None:
    """With the oldest versions of every extra in one environment, no module lacks what it imports."""
    python = environment(version)
    extras = sorted({extra for file in pyprojects for extra in extras_of(file)} - {APART})
    floors = lowest(tmp_path / "floors.txt", version, pyprojects, extras)
    install(python, floors, version, *(file.parent for file in pyprojects))
    said = run(python, "-c", IMPORT_ALL, *names, cwd=tmp_path)
    assert {line.partition(".")[0] for line in said.splitlines()} == set(names)
