"""``sranogan-bench`` as a command: options, exit codes, files, and interruptions."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.commands.bench import app
from sranogan_edge.commands.bench_bundle import configurations, write_figures
from sranogan_edge.errors import ExitCode, ResultsError, SettingsError

FEW = ("--repeat", 2, "--warm-up", 1, "--frame", 64)
NONE = "delegate:/no/such/library.so"


def bench(*arguments: object) -> Result:
    """Run the command inside this process (the measuring has its own all the same)."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def figures(path: Path) -> dict[str, Any]:
    """Read a report as strict JSON."""
    return dict(json.loads(path.read_text(), parse_constant=pytest.fail))


def test_a_bundle_is_benched(tiny_bundle: Path, tmp_path: Path) -> None:
    """Every combination of backend and threads has its row, in the table and in the JSON."""
    json_file = tmp_path / "bench.json"
    arguments = (tiny_bundle, *FEW, "--backend", "xnnpack", "--threads", 1, "--threads", 2)
    done = bench(*arguments, "--json", json_file)
    assert done.exit_code == ExitCode.OK, done.output
    found = figures(json_file)
    assert found["complete"] is True
    rows = [(one["backend"], one["threads"], one["frames"]) for one in found["configurations"]]
    assert rows == [("xnnpack", 1, 2), ("xnnpack", 2, 2)] * len(found["bundle"]["budgets"])
    assert [(peak["backend"], peak["threads"]) for peak in found["peaks"]] == [("xnnpack", 1), ("xnnpack", 2)]
    assert "from frame to score" in done.stdout
    assert list(tmp_path.iterdir()) == [json_file]


def test_some_that_fail(tiny_bundle: Path, tmp_path: Path) -> None:
    """A backend that is not here does not keep the others from being measured; the exit code tells."""
    steps = read_bundle(tiny_bundle).steps
    options = ("--backend", NONE, "--backend", "xnnpack", "--steps", steps)
    done = bench(tiny_bundle, *FEW, *options, "--json", tmp_path / "b.json")
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    failed, measured = figures(tmp_path / "b.json")["configurations"]
    assert failed["error"]["kind"] == "BackendError"
    assert measured["error"] is None
    assert "not measured" in done.stdout


def test_all_that_fail(tiny_bundle: Path, tmp_path: Path) -> None:
    """Where nothing could be measured the command ends with the error and its exit code."""
    done = bench(tiny_bundle, *FEW, "--backend", NONE, "--json", tmp_path / "b.json")
    assert done.exit_code == ExitCode.NO_BACKEND, done.output
    assert "/no/such/library.so" in done.stderr
    assert figures(tmp_path / "b.json")["configurations"][0]["error"]


def test_what_is_no_bundle(tmp_path: Path) -> None:
    """A bundle that is refused is exit code 5 before anything is measured."""
    (tmp_path / "x.sranogan").write_text("no bundle")
    done = bench(tmp_path / "x.sranogan", *FEW)
    assert done.exit_code == ExitCode.BUNDLE_REFUSED
    assert "x.sranogan" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("--backend", "cuda"),
        ("--steps", 9999),
        ("--threads", 0),
        ("--repeat", 0),
        ("--frame", 1),
        ("--frame", "4000x"),
        ("--frame", "64x9000"),
    ],
)
def test_wrong_usage(tiny_bundle: Path, wrong: tuple[object, ...]) -> None:
    """A backend, a budget or a number that cannot be is exit code 2, before anything is measured."""
    done = bench(tiny_bundle, *FEW, *wrong)
    assert done.exit_code == ExitCode.USAGE, done.output
    assert not done.stdout


@pytest.mark.parametrize("place", ["", "file/below.json", "none/below.json"])
def test_a_report_that_cannot_be_written(tiny_bundle: Path, tmp_path: Path, place: str) -> None:
    """A folder, or a place that is not there, is refused before the minutes of measuring."""
    (tmp_path / "file").touch()
    done = bench(tiny_bundle, *FEW, "--json", tmp_path / place)
    assert done.exit_code == ExitCode.CANNOT_WRITE
    assert "--json" in done.stderr
    assert not done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_report_stays_whole_on_a_full_disk(small_disk: Path) -> None:
    """What does not fit leaves the earlier report as it was."""
    path = small_disk / "b.json"
    write_figures(path, {"a": 1})
    with pytest.raises(ResultsError, match="No space left"):
        write_figures(path, {"a": "x" * 100_000})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [one.name for one in small_disk.iterdir()] == ["b.json"]


def test_combinations(tiny_bundle: Path) -> None:
    """All budgets unless some are named; doubles once; a budget that is not there is named."""
    bundle = read_bundle(tiny_bundle)
    every = configurations(bundle, ["xnnpack"], [1, 1], None)
    assert [one.steps for one in every] == sorted(bundle.budgets)
    assert [one.threads for one in configurations(bundle, ["xnnpack"], [2, 1], [bundle.steps])] == [2, 1]
    with pytest.raises(SettingsError, match="no budget of 9999"):
        configurations(bundle, ["xnnpack"], [1], [9999])


def test_help_tells_the_exit_codes() -> None:
    """--help explains every exit code that the command can end with."""
    text = bench("--help").stdout
    assert all(re.search(rf"\b{code}\s+\w", text) for code in (0, 2, 4, 5, 6, 8, 130))


# A shell makes its background jobs, and so their children, ignore Ctrl-C; this undoes it for one command.
HEEDING_INTERRUPTS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from sranogan_edge.commands.bench import bench_main
sys.argv[0] = "sranogan-bench"
bench_main()
"""


def measures(process: int) -> bool:
    """Whether one of its children is the one that measures (others look at the machine, before that)."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    with contextlib.suppress(OSError):  # a child that has ended
        return any("bench.worker" in Path(f"/proc/{one}/cmdline").read_text() for one in children)
    return False


def test_an_interruption_reports_what_was_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    """Ctrl-C is exit code 130; the report holds what was finished and says that it is not complete."""
    json_file = tmp_path / "bench.json"
    arguments = [tiny_bundle, "--repeat", 10_000_000, "--backend", "xnnpack", "--json", json_file]
    running = subprocess.Popen(
        [sys.executable, "-c", HEEDING_INTERRUPTS, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not measures(running.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=60)
    assert running.returncode == ExitCode.INTERRUPTED, errors
    assert "Traceback" not in errors
    assert "interrupted" in output
    assert figures(json_file)["complete"] is False
