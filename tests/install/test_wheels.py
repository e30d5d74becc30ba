"""Wheels hold what is in the tree, all of it that is used, and nothing that was there before."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from sranogan_edge import __version__
from tests.support.installs import REPOSITORY, run

pytestmark = pytest.mark.slow

FOLDERS = {"sranogan_edge": "edge", "keras_sranogan": ".", "sranogan_export": "export"}


def build(clone: Path, package: str) -> set[str]:
    """Build one wheel as a user would, in the tree itself; give what it holds."""
    out = clone / "wheels"
    wanted = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", out)
    run(sys.executable, "-m", "pip", "wheel", *wanted, clone / FOLDERS[package])
    with zipfile.ZipFile(out / f"{package}-{__version__}-py3-none-any.whl") as wheel:
        return set(wheel.namelist())


@pytest.mark.parametrize("package", FOLDERS)
def test_a_wheel_is_the_tree(tmp_path: Path, package: str) -> None:
    """Every tracked file of the package is in it, no other; a module that was deleted is gone in the next."""
    clone = tmp_path / "clone"
    run("git", "clone", "--quiet", REPOSITORY, clone)
    folder = clone / FOLDERS[package]
    tracked = set(run("git", "ls-files", package, cwd=folder).splitlines())
    held = build(clone, package)
    assert {name for name in held if not name.startswith(f"{package}-")} == tracked
    assert f"{package}-{__version__}.dist-info/licenses/LICENSE" in held
    module = next(name for name in sorted(tracked) if name.endswith(".py") and "__init__" not in name)
    (folder / module).unlink()
    assert build(clone, package) == held - {module}
    left = run("git", "status", "--porcelain", "--ignored", cwd=clone).splitlines()
    gone = (folder / module).relative_to(clone)
    assert left == [f" D {gone}", "?? wheels/"]  # and no build/ nor *.egg-info
