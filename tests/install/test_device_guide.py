"""The device guide's commands, as they stand there, on systems with nothing but a Python."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import pytest

from keras_sranogan.data.phantom import render_normal
from sranogan_edge import __version__
from tests.support.installs import REPOSITORY, run

pytestmark = pytest.mark.slow

GUIDE = REPOSITORY / "docs" / "guide" / "device.md"
NORMALS = 24
ROOT_PACKAGES = "python3-venv,ca-certificates,git"


def commands(step: int, *, block: int = 0) -> str:
    """Return one block of commands of a step, as the guide has it."""
    text = GUIDE.read_text(encoding="utf-8")
    section = re.search(rf"^## {step}\. .*?(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert section
    return re.findall(r"^```\n(.*?)^```", section[0], re.MULTILINE | re.DOTALL)[block]


def script(bundle: str, images: str) -> str:
    """Return what a reader types from the package to the check of the settings, on a device without systemd.

    What a reader fills in is filled in; steps of systemd (its user and its folders) are made by hand.
    """
    package = commands(2).replace("git clone REPOSITORY keras-sranogan && cd keras-sranogan\n", "")
    first = commands(4, block=1).replace("chest.sranogan A_FEW_IMAGES", f"{bundle} {images}")
    speed = commands(5, block=1).splitlines()[0].replace("chest.sranogan", f"{bundle} --repeat 5")
    site = commands(6).replace("chest.sranogan NORMALS/", f"{bundle} {images}")
    parts = [
        "set -eux",
        package,
        "mkdir -p /etc/sranogan /var/lib/sranogan /srv/sranogan/in",
        first.replace("install -m 644 chest.sranogan", f"install -m 644 {bundle} chest.sranogan").replace(
            f"install -m 644 {bundle} chest.sranogan /var/lib/sranogan/",
            f"install -m 644 {bundle} /var/lib/sranogan/chest.sranogan",
        ),
        speed,
        site,
        "install -m 644 edge/deploy/sranogan.toml /etc/sranogan/",
        commands(8).replace("sudo -u sranogan ", ""),
    ]
    return "\n".join(parts).replace("sudo ", "").replace("sha256sum chest.sranogan", f"sha256sum {bundle}")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, every_bundle: Mapping[str, str]) -> Path:
    """Give a fresh clone, with a bundle and normal images beside it."""
    folder = tmp_path_factory.mktemp("device")
    run("git", "clone", "--quiet", REPOSITORY, folder / "keras-sranogan")
    shutil.copy(Path(every_bundle["SRANOGAN_TEST_BUNDLES"]) / "budgets.sranogan", folder / "tiny.sranogan")
    (folder / "images").mkdir()
    for number in range(NORMALS):
        cv2.imwrite(str(folder / "images" / f"{number:02d}.png"), render_normal(7, number, 96).pixels)
    return folder


def check(said: str) -> None:
    """The commands said what the guide says that they say."""
    assert "No broken requirements found" in said
    assert f"{NORMALS} scored" in said
    assert f"{NORMALS} normals, 0 not used" in said
    assert re.search(r"\b0 errors", said)


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_in_an_environment(
    clone: Path, python_of: Callable[[str], Path], tmp_path: Path, version: str
) -> None:
    """With each Python, below another root than ``/``, the commands work in their order."""
    text = script(str(clone / "tiny.sranogan"), str(clone / "images"))
    text = re.sub(r"(?<![\w.])/(opt|etc|var/lib|srv|tmp)(?=/)(?!/pytest)", rf"{tmp_path}/\1", text)
    text = text.replace("python3 -m venv", f"{python_of(version)} -m venv")
    for folder in ("opt", "etc", "var/lib", "srv", "tmp"):
        (tmp_path / folder).mkdir(parents=True)
    settings = clone / "keras-sranogan" / "edge" / "deploy" / "sranogan.toml"
    (tmp_path / "sranogan.toml").write_text(moved(settings.read_text(encoding="utf-8"), tmp_path))
    text = text.replace("edge/deploy/sranogan.toml", str(tmp_path / "sranogan.toml"))
    check(run("bash", "-c", text, cwd=clone / "keras-sranogan"))
    assert (tmp_path / "opt" / "sranogan" / "venv").resolve().name == __version__


def moved(settings: str, root: Path) -> str:
    """Return the example settings with every place below ``root``, and ports that are free."""
    settings = re.sub(r'(["\'=:])/(etc|var|srv)/', rf"\1{root}/\2/", settings)
    return settings.replace("dicom:11112", "dicom:0").replace("127.0.0.1:8080", "127.0.0.1:0")


@pytest.fixture(scope="module")
def debian_12(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the root of a Debian 12 with its own Python and nothing of this machine's."""
    for tool in ("debootstrap", "unshare", "chroot"):
        if not shutil.which(tool) or os.geteuid():
            pytest.skip(f"{tool} and root are needed to make a clean Debian")
    sites = run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)").splitlines()
    mirror = next((line.split()[0] for line in sites if line.endswith(" bookworm")), None)
    if mirror is None:
        pytest.skip("apt knows no Debian 12 here")
    root = tmp_path_factory.mktemp("debian") / "root"
    run("debootstrap", "--variant=minbase", f"--include={ROOT_PACKAGES}", "bookworm", root, mirror)
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(file).exists():
            shutil.copy(file, root / file[1:])
    return root


@pytest.fixture
def debian(debian_12: Path, tmp_path: Path) -> Iterator[Path]:
    """Give a copy of that root, to install into."""
    root = tmp_path / "root"
    run("cp", "-a", debian_12, root)
    yield root
    shutil.rmtree(root)


def inside(root: Path, text: str, folder: str) -> str:
    """Run ``text`` in ``root``, with processes and mounts of its own."""
    index = {name: value for name, value in os.environ.items() if re.match(r"(?i)pip_|\w+_proxy$", name)}
    index.pop("PIP_FIND_LINKS", None)  # folders of this machine
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME": "/root", "LANG": "C.UTF-8", **index}
    (root / "run.sh").write_text(f"mount -t proc proc /proc\ncd {folder}\n{text}\n")
    return run("unshare", "--mount", "--pid", "--fork", "chroot", root, "bash", "/run.sh", env=env)


def test_in_a_clean_debian(debian: Path, clone: Path) -> None:
    """On a Debian 12 with python3-venv and git alone, as root, the commands work as they stand."""
    shutil.copytree(clone, debian / "device")
    check(inside(debian, script("/device/tiny.sranogan", "/device/images"), "/device/keras-sranogan"))


def test_the_container_file_step_by_step(debian: Path, clone: Path) -> None:
    """What Dockerfile.x86_64 copies and runs works in a Debian 12, and its command starts as its user."""
    shutil.copytree(clone / "keras-sranogan", debian / "context")
    text = (debian / "context/edge/deploy/Dockerfile.x86_64").read_text(encoding="utf-8")
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    steps, user = ["set -eux", "mkdir -p /build/edge"], ""
    for word, rest in (line.split(" ", 1) for line in text.splitlines() if " " in line):
        if word == "RUN":
            steps.append(rest)
        elif word == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            copied = " ".join(f"/context/{source}" for source in sources)
            steps.append(f"cp -r {copied} {target}")
        elif word == "USER":
            user = rest.partition(":")[0]
    steps.append(f"setpriv --reuid {user} --clear-groups /opt/sranogan/bin/sranogan-score --version")
    assert f"sranogan-score {__version__}" in inside(debian, "\n".join(steps), "/")
