"""The kill proof of the watched folder: files arrive while the runner is killed."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.runner.killing.lives import PATIENCE_S, POISON, KillReport, Lives

FILES_A_LIFE, MOST_FILES_A_LIFE = 8, 12
NO_IMAGE = -1


class Plant(Lives):
    """A watched folder, what was dropped into it, and the runner beside it."""

    def __init__(self, root: Path, seed: int = 5) -> None:
        self.watched = root / "watched"
        self.watched.mkdir()
        self.dropped: dict[str, int] = {}  # mean by path inside the folder
        super().__init__(root, f"watch:{self.watched}", seed)

    def drop(self, count: int, mean: int | None = None) -> None:
        """Let files arrive: some renamed when complete, some written in place, some in sub-folders."""
        for _ in range(count):
            kind = self.random.random()
            name = f"{'ward/' if kind < 0.3 else ''}{len(self.dropped):05d}.png"
            value = mean or self.random.randint(POISON + 1, 255)
            target = self.watched / name
            target.parent.mkdir(exist_ok=True)
            if mean is None and kind > 0.95:
                value = NO_IMAGE
                target.write_bytes(b"no image")
            elif kind < 0.6:
                image(value).save(target.with_name(f"{target.name}.part"), format="png")
                target.with_name(f"{target.name}.part").rename(target)
            else:
                image(value).save(target)
            self.dropped[name] = value

    def work(self, runner: subprocess.Popen[bytes]) -> None:
        """Wait until some files more have their result, and a moment: kills keep step with the work."""
        count = self.random.randint(0, MOST_FILES_A_LIFE)
        begun, deadline = self.moved(), time.monotonic() + PATIENCE_S
        while self.moved() - begun < count and runner.poll() is None and self.left():
            if time.monotonic() > deadline:
                break
            time.sleep(0.002)
        time.sleep(self.random.uniform(0, 0.03))

    def moved(self) -> int:
        """Files in done/ and failed/."""
        folders = (self.watched / "done", self.watched / "failed")
        return sum(len(files) for folder in folders for _, _, files in os.walk(folder))

    def left(self) -> bool:
        """Whether there are files that are neither in done/ nor in failed/, but for the lock."""
        for folder, names, files in os.walk(self.watched):  # a folder that goes meanwhile is no error
            if Path(folder) == self.watched:
                names[:] = [name for name in names if name not in ("done", "failed")]
            if any(name != "lock" for name in files):
                return True
        return False

    def report(self, ended_before_last_kill: int) -> KillReport:
        """Compare the spool, the results and the folder with what was dropped."""
        states = {s: (state, why) for s, state, why in self.rows("SELECT source, state, reason FROM objects")}
        results = Counter(
            source for (source,) in self.rows("SELECT source FROM results JOIN objects USING (sequence)")
        )
        lines = self.lines()
        assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
        told = Counter(line["file"] for line in lines)
        kinds: Counter[str] = Counter()
        for line in lines:
            name = str(Path(line["file"]).relative_to(self.watched))
            kinds[self._kind(self.dropped[name], line["score"], *states[line["file"]])] += 1
            place = "failed" if line["score"] is None else "done"
            assert (self.watched / place / name).is_file()
        paths = [str(self.watched / name) for name in self.dropped]
        return KillReport(
            feed="watch",
            kills=self.kills,
            kills_while_starting=self.kills_while_starting,
            deaths_by_poison=self.deaths_by_poison,
            objects=len(paths),
            sendings=len(paths),
            acknowledged=sum(path in states for path in paths),
            done=kinds["done"],
            dead_poison=kinds["poison"],
            dead_unreadable=kinds["unreadable"],
            dead_by_kills=kinds["killed"],
            lost=sum(not results[path] or not told[path] for path in paths),
            twice=sum(results[path] > 1 or told[path] > 1 for path in paths) + self.moved() - len(paths),
            wrong=kinds["wrong"],
            ended_before_last_kill=ended_before_last_kill,
            sink_repeats=self.sink_repeats(),
            seconds=time.monotonic() - self.began,
        )

    @staticmethod
    def _kind(value: int, score: float | None, state: str, reason: str) -> str:
        if state == "done":
            return "done" if score == value else "wrong"
        if value == NO_IMAGE:
            return "unreadable"
        if "given up after 3 attempts" not in reason:
            return "wrong"
        return "poison" if value == POISON else "killed"


def prove(root: Path, kills: int, seed: int = 5) -> KillReport:
    """Kill the runner so often while files arrive; return what became of them."""
    plant = Plant(root, seed)
    plant.drop(30)
    plant.drop(1, mean=POISON)
    while plant.kills < kills:
        plant.drop(FILES_A_LIFE)
        plant.live_and_die()
    before = plant.moved()
    plant.finish()
    return plant.report(before)


def image(mean: int) -> Image.Image:
    """A small grey image."""
    return Image.fromarray(np.full((20, 20), mean, np.uint8))
