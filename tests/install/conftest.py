"""Environments made as users make them: other Pythons, other pips, and an index that has moved on."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LISTS = {
    "dev": REPOSITORY / "requirements" / "dev.txt",
    "run": REPOSITORY / "requirements" / "run.txt",
    "device": REPOSITORY / "edge" / "deploy" / "requirements.txt",
    "jetson": REPOSITORY / "edge" / "deploy" / "requirements-jetson.txt",
}
LATER = "9999.0"  # a version that every pinned package has by the time somebody installs
BARE = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and give what it printed; a failure shows both its streams."""
    arguments = [str(part) for part in command]
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, env=env or BARE, cwd=cwd or REPOSITORY
    )
    assert done.returncode == 0, f"{arguments} left with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


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


def write_wheel(folder: Path, name: str, version: str, metadata: str = "", module: str = "") -> Path:
    """Write a wheel of one module that may have more ``metadata`` lines, such as requirements."""
    stem = re.sub(r"[-.]+", "_", name)
    path = folder / f"{stem}-{version}-py3-none-any.whl"
    files = {
        f"{module or stem}.py": f"VERSION = {version!r}\n",
        f"{stem}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + metadata,
        f"{stem}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{stem}-{version}.dist-info/RECORD"
    rows = [f"{at},sha256={_digest(text)},{len(text.encode())}" for at, text in files.items()]
    files[record] = "\n".join([*rows, f"{record},,", ""])
    with zipfile.ZipFile(path, "w") as archive:
        for at, text in files.items():
            archive.writestr(at, text)
    return path


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def pinned(listed: Path) -> list[str]:
    """Return the names of a compiled list."""
    return re.findall(r"^([A-Za-z0-9._-]+)==", listed.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="session")
def moved_on(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give a process's variables: the index of this machine, and a later version of every pinned package."""
    folder = tmp_path_factory.mktemp("later")
    for name in sorted({name for listed in LISTS.values() for name in pinned(listed)}):
        write_wheel(folder, name, LATER, module=f"later_{re.sub(r'[-.]+', '_', name)}")
    return with_links(folder)


def with_links(folder: Path) -> dict[str, str]:
    """Return the process's variables with ``folder`` as a further place that pip finds packages in."""
    links = [str(folder), BARE.get("PIP_FIND_LINKS", "")]
    return {**BARE, "PIP_FIND_LINKS": " ".join(filter(None, links)), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


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
