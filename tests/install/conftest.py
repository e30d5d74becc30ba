"""Environments made as users make them: other Pythons, other pips, and an index that has moved on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.installs import BARE, LATER, LISTS, pinned, run, with_links, write_wheel


def found_python(version: str) -> Path | None:
    """Return a Python ``3.x`` of this machine that can make environments, or None."""
    names = [
        f"python{version}",
        *map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))),
    ]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        names.insert(0, sys.executable)
    check = f"import ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    for name in names:
        path = shutil.which(name, path=BARE.get("PATH"))
        if path and not subprocess.run([path, "-c", check], capture_output=True, check=False).returncode:
            return Path(path)
    return None


@pytest.fixture
def python_of() -> Callable[[str], Path]:
    """Give a function that finds a Python by its version, or skips the test."""

    def find(version: str) -> Path:
        return found_python(version) or pytest.skip(f"no Python {version} with venv here")

    return find


@pytest.fixture
def environment(tmp_path: Path, python_of: Callable[[str], Path]) -> Callable[..., Path]:
    """Give a function that makes an environment of a Python and a pip, and gives its Python."""

    def make(version: str, pip: str = "bundled") -> Path:
        folder = tmp_path / f"environment-{version}"
        run(python_of(version), "-m", "venv", folder)
        python = folder / "bin" / "python"
        if pip != "bundled":
            wanted = "pip" if pip == "newest" else f"pip=={pip}"
            run(python, "-m", "pip", "install", "-qq", "--upgrade", wanted)
        return python

    return make


@pytest.fixture(scope="session")
def moved_on(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give a process's variables: the index of this machine, and a later version of every pinned package."""
    folder = tmp_path_factory.mktemp("later")
    for name in sorted({name for listed in LISTS.values() for name in pinned(listed)}):
        write_wheel(folder, name, LATER, module=f"later_{re.sub(r'[-.]+', '_', name)}")
    return with_links(folder)


@pytest.fixture(scope="session")
def every_bundle(
    export_tiny: Callable[[str], Path], budgets_bundle: Path, knowing_bundle: Path
) -> dict[str, str]:
    """Give the variables of a process that takes the bundles of the fast tests from here."""
    kept = {export_tiny(recipe).parent for recipe in ("float32", "int8")} | {
        budgets_bundle.parent,
        knowing_bundle.parent,
    }
    (folder,) = kept
    return {**BARE, "SRANOGAN_TEST_BUNDLES": str(folder)}
