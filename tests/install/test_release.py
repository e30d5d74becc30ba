"""``make release`` in a fresh clone: what it builds, what that holds, and that it can be installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge import __version__
from tests.support.installs import BARE, LISTS, REPOSITORY, run

pytestmark = pytest.mark.slow

FOLDERS = {"sranogan_edge": "edge", "keras_sranogan": ".", "sranogan_export": "export"}
INSTALLED_FROM = {"sranogan_edge": "device", "keras_sranogan": "run", "sranogan_export": "run"}
BESIDE_THE_PACKAGE = {"PKG-INFO", "pyproject.toml", "LICENSE", "README.md", ".gitignore"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a fresh clone in which a release was made."""
    folder = tmp_path_factory.mktemp("release") / "clone"
    run("git", "clone", "--quiet", REPOSITORY, folder)
    run("make", "--no-print-directory", "release", f"PYTHON={sys.executable}", cwd=folder)
    return folder


def tracked(clone: Path, package: str) -> set[str]:
    """Return the tracked files of a package, as they lie in its distribution."""
    return set(run("git", "ls-files", package, cwd=clone / FOLDERS[package]).splitlines())


def sbom(clone: Path, package: str) -> dict[str, Any]:
    """Return the SBOM of a distribution."""
    path = clone / "dist" / f"{package}-{__version__}.cdx.json"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def test_each_file_is_there_with_its_digest(clone: Path) -> None:
    """A wheel, an sdist and an SBOM of each distribution, and the digests of all of them."""
    ends = ("-py3-none-any.whl", ".tar.gz", ".cdx.json")
    wanted = {f"{package}-{__version__}{end}" for package in FOLDERS for end in ends}
    assert {path.name for path in (clone / "dist").iterdir()} == wanted | {"SHA256SUMS"}
    checked = run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=clone / "dist")
    assert sorted(checked.splitlines()) == sorted(f"{name}: OK" for name in wanted)


@pytest.mark.parametrize("package", FOLDERS)
def test_sdist_and_wheel_are_the_package(clone: Path, package: str) -> None:
    """Both hold every tracked file of the package and its licence, and no part of the tests."""
    stem = f"{package}-{__version__}"
    with tarfile.open(clone / "dist" / f"{stem}.tar.gz") as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
        licence = archive.extractfile(f"{stem}/LICENSE")  # a link would lead out of the archive
        assert licence
        assert licence.read() == (REPOSITORY / "LICENSE").read_bytes()
    with zipfile.ZipFile(clone / "dist" / f"{stem}-py3-none-any.whl") as wheel:
        packed = {name for name in wheel.namelist() if not name.startswith(f"{stem}.dist-info/")}
        assert f"{stem}.dist-info/licenses/LICENSE" in wheel.namelist()
    assert held - BESIDE_THE_PACKAGE == tracked(clone, package)
    assert {"PKG-INFO", "pyproject.toml"} <= held
    assert packed == tracked(clone, package)


@pytest.mark.parametrize("package", FOLDERS)
def test_the_description_needs_no_repository(clone: Path, package: str) -> None:
    """What an index shows has no link or picture that leads into the repository."""
    stem = f"{package}-{__version__}"
    with zipfile.ZipFile(clone / "dist" / f"{stem}-py3-none-any.whl") as wheel:
        metadata = message_from_string(wheel.read(f"{stem}.dist-info/METADATA").decode())
    text = str(metadata.get_payload())
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert text.startswith(f"# {package.replace('_', '-')}\n")
    assert re.findall(r"\]\((?!https://)[^)]*\)|<img[^>]*>", text) == []


@pytest.mark.parametrize("package", FOLDERS)
def test_the_sbom_is_the_list_that_is_installed(clone: Path, package: str) -> None:
    """It names the distribution, and each version of its list once; it leads to no package index."""
    made = sbom(clone, package)
    root = made["metadata"]["component"]
    assert (root["name"], root["version"]) == (package.replace("_", "-"), __version__)
    text = LISTS[INSTALLED_FROM[package]].read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", text, re.MULTILINE)
    assert sorted((one["name"], one["version"]) for one in made["components"]) == sorted(pins)
    assert set(made["dependencies"][0]["dependsOn"]) == {one["bom-ref"] for one in made["components"]}
    assert re.findall(r"\w+://[^\"]*", json.dumps({**made, "$schema": ""})) == []


def test_the_edge_is_installed_from_its_wheel(clone: Path, environment: Callable[..., Path]) -> None:
    """In a new environment it brings what it needs, and its command runs; the others lie beside it."""
    python = environment(f"{sys.version_info.major}.{sys.version_info.minor}")
    wheels = {package: next((clone / "dist").glob(f"{package}-*.whl")) for package in FOLDERS}
    run(python, "-m", "pip", "install", "-qq", wheels["sranogan_edge"])
    run(python, "-m", "pip", "check")
    assert run(python.with_name("sranogan-score"), "--version") == f"sranogan-score {__version__}\n"
    run(python, "-m", "pip", "install", "-qq", "--no-deps", *wheels.values())
    ask = "import importlib.metadata as m, sys; print(*{m.version(name) for name in sys.argv[1:]})"
    assert run(python, "-c", ask, *wheels) == f"{__version__}\n"


def test_a_changed_tree_is_no_release(clone: Path) -> None:
    """A file that is not committed stops it, by name, and what was built before stays."""
    before = sorted((clone / "dist").iterdir())
    (clone / "edge" / "sranogan_edge" / "not_committed.py").write_text("")
    command = [str(clone / "build/release/bin/python"), "requirements/release.py", "dist"]
    done = subprocess.run(command, cwd=clone, env=BARE, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "edge/sranogan_edge/not_committed.py" in done.stderr
    assert sorted((clone / "dist").iterdir()) == before
