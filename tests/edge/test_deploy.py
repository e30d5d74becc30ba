"""The files of edge/deploy: each is read as its reader would, and fits the code and the others."""

from __future__ import annotations

import configparser
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sranogan_edge.commands.check import check_settings
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.settings.read import read_settings
from sranogan_edge.settings.tree import Settings
from tests.support.page_board_fakes import filled_board

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "edge" / "deploy"
DOCKERFILES = sorted(DEPLOY.glob("Dockerfile.*"))
UNIT = DEPLOY / "sranogan.service"
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
BASES = {"python", "ubuntu"}
MOST_EXPOSED = 1.1  # of 10; what edge/deploy/README.md states
BESIDE_OBJECTS_BYTES = 400e6
THREADS_A_CONNECTION = 2  # pynetdicom's association and its upper layer
OTHER_THREADS = 400  # as the unit states


def project() -> dict[str, Any]:
    """Give the edge's pyproject."""
    found: dict[str, Any] = tomllib.loads((ROOT / "edge" / "pyproject.toml").read_text())["project"]
    return found


def instructions(file: Path) -> list[tuple[str, str]]:
    """Give the instructions of a Dockerfile, continued lines joined, comments left out."""
    text = "\n".join(line for line in file.read_text().splitlines() if not line.startswith("#"))
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for line in lines if line for word, _, rest in [line.partition(" ")]]


def unit(file: Path = UNIT) -> dict[str, list[str]]:
    """Give the keys of all sections of a unit, each with its values."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def example() -> Settings:
    """Give the example settings as a device reads them."""
    return read_settings(DEPLOY / "sranogan.toml", {})


def test_the_example_settings_hold() -> None:
    """All parts but the bundle and the folders of the device are found well; its ports may be in use here."""
    for package in ("pynetdicom", "starlette"):
        pytest.importorskip(package)
    free = {"SRANOGAN_FEEDS__0__URI": "dicom:0", "SRANOGAN_PAGE__SERVE": "127.0.0.1:0"}
    example = read_settings(DEPLOY / "sranogan.toml", free)
    wrong = {one.what + " " + one.value for one in check_settings(example, {}) if one.state == "error"}
    assert wrong <= {f"bundle {example.bundle}", "feed watch:/srv/sranogan/in"}


def test_the_commented_examples_hold(tmp_path: Path) -> None:
    """What a user would uncomment is read, too."""
    lines = (DEPLOY / "sranogan.toml").read_text().splitlines()
    text = "\n".join(line[1:] if re.match(r"#(\[|\w+ = )", line) else line for line in lines)
    assert text.count("[[feeds]]") == 4
    (tmp_path / "s.toml").write_text(text)
    found = read_settings(tmp_path / "s.toml", {})
    assert len(found.feeds) == 4
    assert len(found.sinks) == 3
    assert found.calibration.file
    assert found.page.token_file


def test_memory_and_folders_fit_the_unit(example: Settings) -> None:
    """What scanners may send at once fits MemoryMax beside a decode, and every folder may be written to."""
    keys = unit()
    (limit,) = keys["MemoryMax"]
    assert limit.endswith("G")
    sent = sum(
        feed.max_associations * feed.max_object_bytes * 3
        for feed in example.feeds
        if isinstance(feed, DicomFeedSettings)
    )
    taken = sent + example.decoding.memory_bytes + BESIDE_OBJECTS_BYTES
    assert taken < float(limit[:-1]) * 2**30
    yaml = pytest.importorskip("yaml")
    container = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["sranogan"]
    assert container["mem_limit"] == limit.lower()
    writable = (f"/var/lib/{keys['StateDirectory'][0]}/", keys["ReadWritePaths"][0].lstrip("-"))
    watched = [Path(feed.uri.partition(":")[2]) for feed in example.feeds if feed.uri.startswith("watch:")]
    for folder in (example.out, example.spool_folder, *watched):
        assert str(folder).startswith(writable), folder


def test_the_threads_fit_the_unit_and_the_container(example: Settings) -> None:
    """Connections that scanners leave waiting leave threads for all else."""
    yaml = pytest.importorskip("yaml")
    doors = pytest.importorskip("sranogan_edge.feeds.dicom_doors")
    waiting = sum(
        THREADS_A_CONNECTION * (feed.max_associations + doors.BEGINNING)
        for feed in example.feeds
        if isinstance(feed, DicomFeedSettings)
    )
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["sranogan"]
    for limit in (int(unit()["TasksMax"][0]), service["pids_limit"]):
        assert waiting + OTHER_THREADS <= limit


def test_the_unit_fits_the_package() -> None:
    """It starts a command that exists by the settings that are installed, as the user that is made."""
    keys = unit()
    command, *arguments = keys["ExecStart"][0].split()
    assert Path(command).name in project()["scripts"]
    assert arguments == ["--config", "/etc/sranogan/sranogan.toml"]
    assert f"u {keys['User'][0]} " in (DEPLOY / "sysusers.conf").read_text()
    made = (DEPLOY / "tmpfiles.conf").read_text()
    assert all(
        f"d {folder} " in made for folder in ("/etc/sranogan", "/var/lib/sranogan", "/srv/sranogan/in")
    )
    assert (keys["Type"], keys["Restart"]) == (["notify"], ["on-failure"])
    assert keys["WatchdogSec"]


def test_systemd_takes_the_unit_and_the_drop_ins(tmp_path: Path) -> None:
    """systemd-analyze finds nothing wrong, but that the command is not installed here."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    shutil.copy(UNIT, tmp_path)
    for wanted in ([], sorted((DEPLOY / "drop-ins").iterdir())):
        for drop_in in wanted:
            (tmp_path / "sranogan.service.d").mkdir(exist_ok=True)
            shutil.copy(drop_in, tmp_path / "sranogan.service.d")
        command = [analyze, "verify", str(tmp_path / UNIT.name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = [line for line in done.stderr.splitlines() if "sranogan" in line]
        assert all("is not executable: No such file" in line for line in told), told


def test_the_stated_exposure_is_kept() -> None:
    """The unit is at most as exposed as its README says."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    done = subprocess.run(
        [analyze, "security", "--offline=yes", str(UNIT)], capture_output=True, text=True, check=False
    )
    found = re.search(r"exposure level for sranogan.service: ([\d.]+)", done.stdout)
    if not found:
        pytest.skip(f"this systemd cannot look at a unit that is not installed: {done.stderr}")
    assert float(found[1]) <= MOST_EXPOSED
    assert f": {MOST_EXPOSED} " in (DEPLOY / "README.md").read_text()


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_a_container_file(file: Path) -> None:
    """Sources exist, the base is pinned and public, the entry point is ours, and it does not run as root."""
    found = instructions(file)
    stages = {rest.partition(" AS ")[2] for word, rest in found if word == "FROM"} - {""}
    for rest in (rest for word, rest in found if word == "FROM"):
        image, _, tag = rest.partition(" AS ")[0].partition(":")
        assert image in BASES
        assert re.fullmatch(r"(\d+\.\d+|\d+\.\d+\.\d+-slim-\w+)@sha256:[0-9a-f]{64}", tag), tag
    for rest in (rest for word, rest in found if word == "COPY"):
        if rest.startswith("--from="):
            assert rest.split()[0].removeprefix("--from=") in stages
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in IGNORED, f"{source} is no part of the build's context"
    last = dict(found)
    assert json.loads(last["ENTRYPOINT"])[0] in project()["scripts"]
    assert json.loads(last["CMD"]) == ["--config", "/etc/sranogan/sranogan.toml"]
    assert int(last["USER"].partition(":")[0]) > 0
    assert last["STOPSIGNAL"] == "SIGTERM"
    installs = re.findall(r"pip install ([^&\n]*)", "\n".join(rest for _, rest in found))
    assert installs
    assert all("--no-deps" in one for one in installs)
    assert all(("--require-hashes" in one) != ("--no-build-isolation" in one) for one in installs)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_the_health_check_says_what_the_page_says(file: Path) -> None:
    """Its command ends with 0 while the page says that the runner lives, and with 1 where it does not."""
    for package in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(package)
    page = importlib.import_module("sranogan_edge.page.server")
    access = importlib.import_module("sranogan_edge.page.access")
    board = filled_board()
    check = next(rest for word, rest in instructions(file) if word == "HEALTHCHECK")
    _, *arguments = json.loads(check.partition("CMD ")[2])
    with page.serving(board, access.Address("127.0.0.1", 0)) as url:
        command = [part.replace("http://127.0.0.1:8080/", url) for part in arguments]
        assert command != arguments
        for age_s, code in ((0.0, 0), (3600.0, 1)):
            board._beat = time.monotonic() - age_s
            done = subprocess.run([sys.executable, *command], capture_output=True, timeout=30, check=False)
            assert done.returncode == code, done.stderr


def test_requirements_are_pinned_and_name_no_registry() -> None:
    """Every line has one version and its hashes; all that the package and its extras ask for is there."""
    for name in ("requirements.txt", "requirements-jetson.txt"):
        text = (DEPLOY / name).read_text()
        assert "://" not in text
        packages = re.findall(
            r"^([a-z0-9][a-z0-9._-]*)(?:\[.*?\])?==\S+.*?\n +--hash=sha256:", text, re.MULTILINE
        )
        assert len(packages) == len(re.findall(r"^[a-z]", text, re.MULTILINE))
        extras = project()["optional-dependencies"]
        wanted = [
            *project()["dependencies"],
            *(line for one in ("mqtt", "webhook", "page") for line in extras[one]),
        ]
        wanted += extras["dicom"] if name == "requirements.txt" else []
        names = {re.split(r"[^A-Za-z0-9_-]", line)[0] for line in wanted if "python_version" not in line}
        missing = names - set(packages)
        assert missing == ({"opencv-python-headless"} if "jetson" in name else set())
    assert re.search(r"^numpy==1\.", (DEPLOY / "requirements-jetson.txt").read_text(), re.MULTILINE)


def test_the_compose_file_fits_its_container() -> None:
    """It builds our file; its ports are those of the image, its variables are settings."""
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["sranogan"]
    file = ROOT / service["build"]["dockerfile"]
    assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
    exposed = next(rest for word, rest in instructions(file) if word == "EXPOSE").split()
    assert [port.rpartition(":")[2] for port in service["ports"]] == exposed
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    found = read_settings(DEPLOY / "sranogan.toml", service["environment"])
    assert found.page.serve == "0.0.0.0:8080"
    assert found.log.format == "json"


def test_no_other_registry_is_named() -> None:
    """Base images come from the default registry; packages from where pip is set up to look."""
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            hosts = set(re.findall(r"\b(?:[a-z0-9-]+\.)+(?:io|com|org|net|dev)\b", file.read_text()))
            assert not hosts, file


def test_the_drop_ins_are_sections_of_a_service() -> None:
    """Each has one section, and sets only what a service has."""
    for file in (DEPLOY / "drop-ins").iterdir():
        parsed = configparser.ConfigParser(strict=False, interpolation=None)
        parsed.read_string(file.read_text())
        assert parsed.sections() == ["Service"], file


def test_the_guide_names_what_there_is() -> None:
    """In docs/guide/device.md files, links, commands, options and extras exist."""
    guide = ROOT / "docs" / "guide" / "device.md"
    text = guide.read_text(encoding="utf-8")
    for name in re.findall(r"edge/deploy/[\w./-]*\w", text):
        assert (ROOT / name).exists(), name
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (guide.parent / link).exists(), link
    commands = re.findall(
        r"^(?:sudo (?:-u \w+ )?)?/opt/sranogan/\S+/bin/(sranogan-\w+) (.*)$", text, re.MULTILINE
    )
    assert len(commands) > 5
    for command, arguments in commands:
        assert command in project()["scripts"]
        module = project()["scripts"][command].partition(":")[0]
        helped = CliRunner().invoke(importlib.import_module(module).app, ["--help"]).output
        assert set(re.findall(r" (--[a-z-]+)", arguments)) <= {*re.findall(r"--[a-z-]+", helped)}, command
    installs = re.findall(r"pip install (.*)", text)
    besides = ("pylibjpeg-libjpeg", '"tensorrt-cu13')
    assert all("--no-deps" in one or one.startswith(besides) for one in installs)
    assert "pylibjpeg-libjpeg" in project()["optional-dependencies"]["dicom-jpeg"][0]
    steps = [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1))
