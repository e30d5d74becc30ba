"""Compiled lists install as they are with every pip of a supported system, whatever the index has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sranogan_edge import __version__
from tests.support.installs import BARE, LATER, LISTS, REPOSITORY, pinned, run, with_links, write_wheel

pytestmark = pytest.mark.slow

INSTALL = REPOSITORY / "requirements" / "install.py"
OLDEST, DEBIAN, UBUNTU, NEWEST = "22.0.2", "23.0.1", "24.0", "newest"  # 22.0.2: JetPack 6; 24.0: JetPack 7


def installed(python: Path) -> dict[str, str]:
    """Return the versions of what an environment holds."""
    listed = json.loads(run(python, "-m", "pip", "list", "--format=json"))
    return {re.sub(r"[-_.]+", "-", entry["name"]).lower(): entry["version"] for entry in listed}


def test_an_old_pip_would_resolve_otherwise(environment: Callable[..., Path], tmp_path: Path) -> None:
    """The control: a name with an extra, and a later version of it, end an install that resolves."""
    outer = write_wheel(tmp_path, "outer-of-test", "1.0", "Requires-Dist: inner-of-test[more]>=1.0\n")
    inner = write_wheel(tmp_path, "inner-of-test", "1.0", "Provides-Extra: more\n")
    write_wheel(tmp_path, "inner-of-test", LATER, "Provides-Extra: more\n")
    hashes = [run(sys.executable, "-m", "pip", "hash", path).splitlines()[1] for path in (outer, inner)]
    listed = tmp_path / "list.txt"
    listed.write_text(f"outer-of-test==1.0 {hashes[0]}\ninner-of-test==1.0 {hashes[1]}\n")
    python = environment("3.11", DEBIAN)
    command: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--require-hashes",
        "-r",
        listed,
    ]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, env=with_links(tmp_path))
    assert refused.returncode == 1
    assert "all requirements must have their versions pinned" in refused.stderr
    run(*command, "--no-deps", env=with_links(tmp_path))
    assert installed(python)["inner-of-test"] == "1.0"


@pytest.mark.parametrize(
    ("version", "pip", "name"),
    [
        ("3.11", OLDEST, "dev"),
        ("3.11", DEBIAN, "dev"),
        ("3.11", UBUNTU, "dev"),
        ("3.11", NEWEST, "dev"),
        ("3.11", "bundled", "run"),
        ("3.12", "bundled", "dev"),
        ("3.12", NEWEST, "run"),
    ],
)
def test_training_installs(
    environment: Callable[..., Path], moved_on: dict[str, str], version: str, pip: str, name: str
) -> None:
    """What ``make`` does gives the pinned versions, complete, and commands that start."""
    python = environment(version, pip)
    folders = [part for folder in ("edge", ".", "export") for part in ("--editable", folder)]
    run(python, INSTALL, python.parents[1], LISTS[name], *folders, env=moved_on)
    found = installed(python)
    assert LATER not in found.values()
    assert len(set(pinned(LISTS[name])) - set(found)) <= 1  # colorama, for Windows
    assert run(python.with_name("sranogan-export"), "--version") == f"sranogan-export {__version__}\n"
    run(python, "-c", "import tensorflow, keras, cv2, sranogan_export.write_bundle")


@pytest.mark.parametrize(
    ("version", "pip"),
    [
        ("3.10", OLDEST),
        ("3.10", NEWEST),
        ("3.11", OLDEST),
        ("3.11", DEBIAN),
        ("3.12", UBUNTU),
        ("3.13", NEWEST),
    ],
)
def test_a_device_installs(
    environment: Callable[..., Path], moved_on: dict[str, str], version: str, pip: str
) -> None:
    """The device's list and the edge beside it are complete, with no TensorFlow, on each of its Pythons."""
    python = environment(version, pip)
    wanted = ("--no-deps", "--require-hashes", "-r", LISTS["device"])
    run(python, "-m", "pip", "install", *wanted, env=moved_on)
    run(
        python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", REPOSITORY / "edge", env=moved_on
    )
    run(python, "-m", "pip", "check")
    found = installed(python)
    assert LATER not in found.values()
    assert {"tensorflow", "keras", "torch"}.isdisjoint(found)
    extras = "pydicom, pynetdicom, highdicom, openjpeg, paho.mqtt, urllib3, starlette, uvicorn, cryptography"
    run(python, "-c", f"import {extras}, ai_edge_litert.interpreter, sranogan_edge.service.run")
    assert run(python.with_name("sranogan-score"), "--version") == f"sranogan-score {__version__}\n"


@pytest.mark.parametrize(("version", "pip"), [("3.10", OLDEST), ("3.11", DEBIAN), ("3.12", UBUNTU)])
def test_a_jetson_with_its_own_opencv_installs(
    environment: Callable[..., Path], moved_on: dict[str, str], version: str, pip: str
) -> None:
    """Its list brings NumPy 1 and no OpenCV."""
    python = environment(version, pip)
    run(python, "-m", "pip", "install", "--no-deps", "--require-hashes", "-r", LISTS["jetson"], env=moved_on)
    found = installed(python)
    assert found["numpy"].startswith("1.")
    assert "opencv-python-headless" not in found
    run(python, "-c", "import ai_edge_litert.interpreter, starlette, uvicorn, paho.mqtt, cryptography")


def test_a_failure_is_shown(tmp_path: Path) -> None:
    """A file whose hash differs ends with pip's own error, and no warning of the index before it."""
    good = write_wheel(tmp_path, "outer-of-test", "1.0")
    listed = tmp_path / "list.txt"
    listed.write_text(f"outer-of-test==1.0 --hash=sha256:{'0' * 64}\n")
    command: list[str | Path] = [sys.executable, INSTALL, tmp_path / "environment", listed]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**BARE, **with_links(tmp_path)}
    )
    assert done.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert good.name not in run(tmp_path / "environment" / "bin" / "python", "-m", "pip", "list")
    assert "WARNING" not in done.stderr
