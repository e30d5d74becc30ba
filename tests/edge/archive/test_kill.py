"""Real runs killed at any moment and given again: every image has one row, as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

from sranogan_edge.errors import ExitCode
from tests.support.archives import draw_archive, left_over, rows_in
from tests.support.cli_runs import lines_in, score

PATIENCE_S = 600
SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell makes its background jobs ignore Ctrl-C
from sranogan_edge.commands.score import score_main
score_main()
"""


def command(bundle: Path, archive: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own."""
    options = ["--engine", "local", "--workers", "2", "--part-images", "4", "--out", str(out)]
    arguments = [sys.executable, "-c", SCRIPT, str(bundle), str(archive), *options]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(arguments, stdin=quiet, stdout=quiet, stderr=quiet)


def killed_when(
    run: subprocess.Popen[bytes],
    seen: Callable[[], bool],
    delay_s: float,
    how: signal.Signals = signal.SIGKILL,
) -> bool:
    """Kill the run ``delay_s`` after something is ``seen``; false where it had ended."""
    deadline = time.monotonic() + PATIENCE_S
    while not seen() and run.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(delay_s)
    alive = run.poll() is None
    run.send_signal(how)
    run.wait(PATIENCE_S)
    return alive


def parts(out: Path) -> int:
    """How many parts are committed."""
    return len(list(out.glob("part-*.parquet")))


def has_parts(out: Path, count: int) -> bool:
    """Whether so many are."""
    return parts(out) >= count


def test_a_killed_run_goes_on(tiny_bundle: Path, tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """Killed with some parts done, and given again, it leaves them and does the rest, each image once."""
    archive, out = draw_archive(tmp_path / "films", 24, make_dicom), tmp_path / "out"
    assert killed_when(command(tiny_bundle, archive, out), partial(has_parts, out, 2), 0.0)
    done = {path: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    assert 2 <= len(done) < 8
    assert command(tiny_bundle, archive, out).wait(PATIENCE_S) == ExitCode.SOME_FAILED
    assert {path: path.stat().st_mtime_ns for path in done} == done
    score(tiny_bundle, archive, "--out", tmp_path / "whole")
    lines = sorted((line["file"], line["score"], line["error"]) for line in lines_in(tmp_path / "whole"))
    assert [(row["source"], row["score"], row["error"]) for row in rows_in(out)] == lines
    assert left_over(out) == []


@pytest.mark.slow
def test_killed_at_random_moments(
    tiny_bundle: Path, tmp_path: Path, make_dicom: Callable[..., bytes]
) -> None:
    """However often it is killed, from the first moment to the last, the rows are those of one run."""
    archive, seed = draw_archive(tmp_path / "films", 90, make_dicom), random.randrange(10**9)
    rng, out, kills = random.Random(seed), tmp_path / "out", 0
    score(tiny_bundle, archive, "--engine", "local", "--out", tmp_path / "whole")
    expected = rows_in(tmp_path / "whole")
    for _ in range(40):
        before = parts(out)
        more, delay_s = (0, rng.uniform(0, 4)) if rng.random() < 0.4 else (1, rng.uniform(0, 0.5))
        enough = partial(has_parts, out, before + more)
        kills += killed_when(command(tiny_bundle, archive, out), enough, delay_s)
        assert parts(out) >= before
        if len(rows_in(out)) == len(expected):
            break
    assert command(tiny_bundle, archive, out).wait(PATIENCE_S) == ExitCode.SOME_FAILED
    assert kills >= 5, seed
    assert rows_in(out) == expected, seed
    assert left_over(out) == []


@pytest.mark.slow
def test_ctrl_c_ends_it_and_it_goes_on(tiny_bundle: Path, tmp_path: Path) -> None:
    """Interrupted, it leaves at once with its exit code and whole parts, and goes on."""
    archive, out = draw_archive(tmp_path / "films", 40), tmp_path / "out"
    run = command(tiny_bundle, archive, out)
    assert killed_when(run, partial(has_parts, out, 1), 0.0, signal.SIGINT)
    assert run.returncode == ExitCode.INTERRUPTED
    assert 1 <= parts(out) < 12
    assert left_over(out) == []
    assert command(tiny_bundle, archive, out).wait(PATIENCE_S) == ExitCode.SOME_FAILED
    assert len(rows_in(out)) == 40 + 5


@pytest.mark.slow
def test_a_killed_run_leaves_no_worker(tiny_bundle: Path, tmp_path: Path) -> None:
    """Workers and their decoders end by themselves when the run is gone."""
    archive, out = draw_archive(tmp_path / "films", 60), tmp_path / "out"
    run = command(tiny_bundle, archive, out)
    assert killed_when(run, partial(has_parts, out, 1), 0.0)
    deadline = time.monotonic() + 60
    while left := _workers_of(out.parent):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _workers_of(folder: Path) -> list[str]:
    """The workers that have a file below ``folder`` open, or were told of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            here = os.readlink(process / "cwd") == os.getcwd()
        except OSError:
            continue
        if "sranogan_edge.archive.worker" in told and parent == 1 and here:
            found.append(told)
    return found
