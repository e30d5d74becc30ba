"""SIGKILL at random moments while files arrive: each file ends scored exactly once, or dead-lettered.

Everything is the real runner but the neural networks: ``benchmarks/runner/killing/runner.py`` has a stand-in.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.runner.killing.folder import Plant, image, prove
from benchmarks.runner.killing.lives import PATIENCE_S, RUNNER


@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_at_random_moments(tmp_path: Path, kills: int) -> None:
    """Nothing is lost and nothing is scored twice; what cannot be scored is dead-lettered with its reason."""
    report = prove(tmp_path, kills)
    print(report)
    assert report.broken() == []
    assert report.dead_poison == 1
    assert report.kills == kills
    assert report.ended_before_last_kill > kills / 2


def test_a_stop_finishes_the_object_in_hand(tmp_path: Path) -> None:
    """SIGTERM during a slow image: it gets its result, the next one waits, the exit code is 0."""
    plant = Plant(tmp_path)
    for name in ("a.png", "b.png"):
        image(50).save(plant.watched / name)
    arguments = [str(plant.watched), str(tmp_path / "out"), str(tmp_path / "spool"), "2000"]
    runner = subprocess.Popen([sys.executable, str(RUNNER), *arguments])
    deadline = time.monotonic() + PATIENCE_S
    while in_states(tmp_path) != {"scoring": 1, "received": 1}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    runner.terminate()
    assert runner.wait(PATIENCE_S) == 0
    assert in_states(tmp_path) == {"done": 1, "received": 1}
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 1


def in_states(root: Path) -> dict[str, int]:
    """Objects by state, as another process sees them."""
    try:
        with sqlite3.connect(f"file:{root / 'spool' / 'spool.sqlite'}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT state, COUNT(*) FROM objects GROUP BY state").fetchall()
            return {str(row[0]): int(row[1]) for row in rows}
    except sqlite3.OperationalError:  # not made yet
        return {}


def test_the_second_runner_is_refused(tmp_path: Path) -> None:
    """It says which process holds spool or results, and leaves with 6; the first one goes on."""
    plant = Plant(tmp_path)
    with plant.start() as first:
        assert plant.is_ready(first)
        arguments = [str(plant.watched), str(tmp_path / "out"), str(tmp_path / "spool")]
        command = [sys.executable, str(RUNNER), *arguments]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 6
        assert f"in use by another runner (process {first.pid})" in second.stderr
        (tmp_path / "in2").mkdir()
        arguments = [str(tmp_path / "in2"), str(tmp_path / "out"), str(tmp_path / "spool2")]
        command = [sys.executable, str(RUNNER), *arguments]
        third = subprocess.run(command, capture_output=True, text=True, check=False)
        assert third.returncode == 6
        assert f"(process {first.pid}); two would mix their results" in third.stderr
        first.terminate()
    assert first.returncode == 0
