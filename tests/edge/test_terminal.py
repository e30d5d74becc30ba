"""What every command does where standard output takes no text, or its folder is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sranogan_edge.errors import ExitCode

FULL = Path("/dev/full")
COMMANDS = {
    "sranogan-score": "sranogan_edge.commands.score:score_main",
    "sranogan-calibrate": "sranogan_edge.commands.calibrate:calibrate_main",
    "sranogan-bench": "sranogan_edge.commands.bench:bench_main",
    "sranogan-train": "keras_sranogan.cli:train_main",
    "sranogan-evaluate": "keras_sranogan.cli:evaluate_main",
    "sranogan-audit": "keras_sranogan.cli:audit_main",
    "sranogan-export": "sranogan_export.cli:export_main",
    "sranogan-demo": "sranogan_export.demo:demo_main",
}


def command(name: str, *arguments: object) -> list[str]:
    """A command as its entry point runs it."""
    module, _, function = COMMANDS[name].partition(":")
    code = f"import sys; from {module} import {function} as main; sys.exit(main())"
    return [sys.executable, "-c", code, *map(str, arguments)]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Give a folder of a few images."""
    folder, rng = tmp_path / "films", np.random.default_rng(0)
    folder.mkdir()
    for number in range(5):
        values = rng.integers(60, 200, (12, 12), np.uint8)
        Image.fromarray(values).resize((48, 48)).save(folder / f"{number}.png")
    return folder


def ended(arguments: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    """Run to the end; standard error is kept."""
    run: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "check": False, **options}
    return subprocess.run(arguments, text=True, timeout=300, **run)  # type: ignore[call-overload]


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("option", ["--help", "--version"])
@pytest.mark.parametrize("name", ["sranogan-score", "sranogan-calibrate", "sranogan-bench"])
def test_a_full_disk_behind_standard_output(name: str, option: str) -> None:
    """What is printed before any work is one message and exit code 6, too."""
    with FULL.open("w") as full:
        done = ended(command(name, option), stdout=full)
    assert done.returncode == ExitCode.CANNOT_WRITE, done.stderr
    assert done.stderr.startswith(
        "error: standard output cannot be written to (No space left on device). Free"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_ends_so(name: str) -> None:
    """Training, export and the demonstration, too; their start takes seconds."""
    if name not in ("sranogan-score", "sranogan-calibrate", "sranogan-bench"):
        pytest.importorskip("tensorflow", reason="no TensorFlow here")
    with FULL.open("w") as full:
        done = ended(command(name, "--version"), stdout=full)
    assert done.returncode == ExitCode.CANNOT_WRITE, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_the_table_cannot_be_printed(tiny_bundle: Path, films: Path, tmp_path: Path) -> None:
    """Lines and figures are whole, the exit code is 6, and there is no traceback."""
    asked = ("sranogan-score", tiny_bundle, films, "--out", tmp_path / "out", "--json", tmp_path / "f.json")
    with FULL.open("w") as full:
        done = ended(command(*asked), stdout=full)
    assert done.returncode == ExitCode.CANNOT_WRITE, done.stderr
    assert done.stderr.count("standard output cannot be written to") == 1
    assert "Traceback" not in done.stderr
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 5
    assert json.loads((tmp_path / "f.json").read_text())["images"] == 5


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_errors_that_cannot_be_printed_keep_their_code(tiny_bundle: Path, tmp_path: Path) -> None:
    """Where standard error is full, the exit code still tells a missing file."""
    with FULL.open("w") as full:
        done = ended(command("sranogan-score", tiny_bundle, tmp_path / "none.png"), stderr=full)
    assert (done.returncode, done.stdout) == (ExitCode.BAD_DATA, "")


def test_a_reader_that_went(tiny_bundle: Path, films: Path, tmp_path: Path) -> None:
    """A closed pipe, as behind ``| head``, is exit code 6 without a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    done = ended(command("sranogan-score", tiny_bundle, films, "--out", tmp_path / "out"), stdout=writing)
    os.close(writing)
    assert done.returncode == ExitCode.CANNOT_WRITE, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "asked",
    [
        ("sranogan-score", "BUNDLE", "FILMS"),
        ("sranogan-score", "BUNDLE", "FILMS", "--spool", "spool"),
        ("sranogan-score", "BUNDLE", "FILMS", "--check-config"),
        ("sranogan-score", "BUNDLE", "watch:."),
        ("sranogan-score", "BUNDLE", "."),
        ("sranogan-score", "--config", "service.toml"),
        ("sranogan-calibrate", "BUNDLE", ".", "--false-alarm-rate", "0.2"),
        ("sranogan-calibrate", "BUNDLE", "FILMS", "--false-alarm-rate", "0.2", "--out", "site.json"),
    ],
)
def test_a_current_folder_that_was_deleted(
    tiny_bundle: Path, films: Path, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    """One message, an exit code of the table, no traceback."""
    places = {"BUNDLE": tiny_bundle, "FILMS": films}
    gone = tmp_path / "gone"
    gone.mkdir()
    inside = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    arguments = command(asked[0], *(places.get(one, one) for one in asked[1:]))
    done = ended(["sh", "-c", inside, "sh", str(gone), *arguments])
    assert done.returncode in (ExitCode.USAGE, ExitCode.BAD_DATA, ExitCode.CANNOT_WRITE), done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr


def test_whole_paths_do_without_the_current_folder(tiny_bundle: Path, films: Path, tmp_path: Path) -> None:
    """A service whose folder was deleted works on."""
    (tmp_path / "gone").mkdir()
    inside = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    arguments = command("sranogan-score", tiny_bundle, films, "--out", tmp_path / "out")
    done = ended(["sh", "-c", inside, "sh", str(tmp_path / "gone"), *arguments])
    assert done.returncode == ExitCode.OK, done.stderr
