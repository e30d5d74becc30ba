"""SIGKILL at random moments while files arrive: each file ends scored exactly once, or dead-lettered.

Everything is the real runner but the neural networks, for which ``folder_runner.py`` has a stand-in.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RUNNER = Path(__file__).with_name("folder_runner.py")
POISON = 13  # the stand-in ends its process on an image of this mean
MOST_FILES_A_LIFE, LONGEST_LIFE_S = 12, 5.0
PATIENCE_S = 120.0


@dataclass
class Plant:
    """A watched folder, what was dropped into it, and the runner beside it."""

    root: Path
    dropped: dict[str, int] = field(default_factory=dict)  # mean by path inside the folder; -1: no image
    random: random.Random = field(default_factory=lambda: random.Random(5))

    def __post_init__(self) -> None:
        self.watched = self.root / "watched"
        self.watched.mkdir()
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(str(self.root / "notify"))
        self.notices.settimeout(PATIENCE_S)

    def drop(self, count: int, mean: int | None = None) -> None:
        """Let files arrive: some renamed when complete, some written in place, some in sub-folders."""
        for _ in range(count):
            kind = self.random.random()
            name = f"{'ward/' if kind < 0.3 else ''}{len(self.dropped):05d}.png"
            value = mean or self.random.randint(POISON + 1, 255)
            target = self.watched / name
            target.parent.mkdir(exist_ok=True)
            if mean is None and kind > 0.95:
                value = -1
                target.write_bytes(b"no image")
            elif kind < 0.6:
                image(value).save(target.with_name(f"{target.name}.part"), format="png")
                target.with_name(f"{target.name}.part").rename(target)
            else:
                image(value).save(target)
            self.dropped[name] = value

    def start(self) -> subprocess.Popen[bytes]:
        """Start the runner."""
        arguments = (self.watched, self.root / "out", self.root / "spool", "2")
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.root / "notify")}
        with (self.root / "log").open("ab") as log:
            command = [sys.executable, str(RUNNER), *map(str, arguments)]
            return subprocess.Popen(command, stderr=log, env=environment)

    def live_and_die(self) -> None:
        """Start the runner and kill it: mostly while it works, sometimes while it starts."""
        with self.start() as runner:
            if self.random.random() < 0.15:
                time.sleep(self.random.uniform(0, 1))
            else:
                self.wait_until_ready(runner)
                self.wait_until_moved(self.random.randint(0, MOST_FILES_A_LIFE))
                time.sleep(self.random.uniform(0, 0.03))
            runner.kill()

    def wait_until_moved(self, count: int) -> None:
        """Wait until so many more files have their result, or for a while: kills keep step with the work."""
        begun, deadline = self.moved(), time.monotonic() + LONGEST_LIFE_S
        while self.moved() - begun < count and time.monotonic() < deadline:
            time.sleep(0.002)

    def moved(self) -> int:
        """Files in done/ and failed/."""
        folders = (self.watched / "done", self.watched / "failed")
        return sum(len(files) for folder in folders for _, _, files in os.walk(folder))

    def wait_until_ready(self, runner: subprocess.Popen[bytes]) -> None:
        """Wait for the word that systemd would get, or until the poison ended the runner."""
        ready = f"READY=1\nMAINPID={runner.pid}".encode()
        deadline = time.monotonic() + PATIENCE_S
        self.notices.settimeout(1.0)
        while runner.poll() is None:
            assert time.monotonic() < deadline
            with suppress(TimeoutError):
                if self.notices.recv(1000) == ready:
                    return
        assert runner.returncode == -signal.SIGKILL, (self.root / "log").read_text()

    def finish(self) -> None:
        """Let the runner live until nothing is left, through the deaths by poison; stop it cleanly."""
        deadline = time.monotonic() + PATIENCE_S
        runner = self.start()
        self.wait_until_ready(runner)
        while self.left() or runner.poll() is not None:
            assert time.monotonic() < deadline, self.left()
            if runner.poll() is not None:
                assert runner.returncode == -signal.SIGKILL, (self.root / "log").read_text()
                runner = self.start()
                self.wait_until_ready(runner)
            with suppress(TimeoutError):
                self.notices.recv(1000)
        runner.terminate()
        assert runner.wait(PATIENCE_S) == 0

    def left(self) -> list[str]:
        """Files that are neither in done/ nor in failed/, but for the lock."""
        found = []
        for folder, names, files in os.walk(self.watched):  # a folder that goes meanwhile is no error
            if Path(folder) == self.watched:
                names[:] = [name for name in names if name not in ("done", "failed")]
            found += [f"{folder}/{name}" for name in files if name != "lock"]
        return found


def image(mean: int) -> Image.Image:
    """A small grey image."""
    return Image.fromarray(np.full((20, 20), mean, np.uint8))


def check(plant: Plant) -> Counter[str]:
    """Compare the spool, the results and the folder with what was dropped; return the counts."""
    with sqlite3.connect(plant.root / "spool" / "spool.sqlite") as database:
        objects = database.execute("SELECT source, state, reason FROM objects").fetchall()
        results = database.execute("SELECT COUNT(*), COUNT(DISTINCT sequence) FROM results").fetchone()
    expected = sorted(str(plant.watched / name) for name in plant.dropped)
    assert sorted(source for source, *_ in objects) == expected
    assert results == (len(expected), len(expected))
    lines = [json.loads(line) for line in (plant.root / "out" / "results.jsonl").read_text().splitlines()]
    assert sorted(line["file"] for line in lines) == expected
    assert [line["number"] for line in lines] == list(range(1, len(expected) + 1))
    states = {source: (state, reason) for source, state, reason in objects}
    for line in lines:
        name = str(Path(line["file"]).relative_to(plant.watched))
        state, reason = states[line["file"]]
        assert (plant.watched / ("done" if state == "done" else "failed") / name).is_file()
        if state == "done":
            assert line["score"] == plant.dropped[name]
        else:
            assert plant.dropped[name] in (-1, POISON) or "given up after 3 attempts" in reason
    assert plant.moved() == len(expected)
    return Counter(state for _, state, _ in objects)


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_at_random_moments(tmp_path: Path, kills: int) -> None:
    """Nothing is lost and nothing is scored twice; what cannot be scored is dead-lettered with its reason."""
    plant = Plant(tmp_path)
    plant.drop(30)
    plant.drop(1, mean=POISON)
    for _ in range(kills):
        plant.drop(8)
        plant.live_and_die()
    worked = plant.moved()
    plant.finish()
    counts = check(plant)
    print(f"{kills} kills, {len(plant.dropped)} files, {worked} ended before the last kill: {dict(counts)}")
    assert counts["done"] + counts["dead"] == len(plant.dropped)
    assert counts["dead"] >= 1
    assert worked > kills / 2


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
    """It says which process holds the spool, and leaves with 6; the first one goes on."""
    plant = Plant(tmp_path)
    with plant.start() as first:
        plant.wait_until_ready(first)
        arguments = [str(plant.watched), str(tmp_path / "out"), str(tmp_path / "spool")]
        command = [sys.executable, str(RUNNER), *arguments]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 6
        assert f"in use by another runner (process {first.pid})" in second.stderr
        first.terminate()
    assert first.returncode == 0
