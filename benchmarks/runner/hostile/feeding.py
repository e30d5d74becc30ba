"""Hostile files in a real runner's watched folder, good ones among them; and what became of each."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.runner.hostile.kinds import Kind, Rng, draws, of_target
from benchmarks.runner.hostile.world import World

__all__ = ["Feeding", "Films", "LinesOf"]

PATIENCE_S = 300.0
PENDING = 300  # files that wait at once
GOOD_EVERY = 20
LOOK_S = 0.05
LONGEST_STANDSTILL_S = 10.0
ENDED = "the process that decodes it"


@dataclass
class Films:
    """What became of the files.

    Attributes:
        inputs: hostile ones.
        by_kind: outcome by kind: scored, or the error's kind, and how many.
        good: ones among them, all of whose scores are right.
        ended_decoders: files that ended one.
        longest_standstill_s: in which no result came while files waited.
        stood_still_at: the kind of the file that was in hand then.
        longest_wait_s: of a good file, from being put there to its result; up to 300 others wait with it.
        wrong: promises that were broken, in words.
    """

    inputs: int = 0
    by_kind: dict[str, dict[str, int]] = field(default_factory=dict)
    good: int = 0
    ended_decoders: int = 0
    longest_standstill_s: float = 0.0
    stood_still_at: str = ""
    longest_wait_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


class LinesOf:
    """New lines of ``results.jsonl``, again and again."""

    def __init__(self, root: Path) -> None:
        self._log, self._read_to = root / "out" / "results.jsonl", 0

    def __call__(self) -> list[dict[str, Any]]:
        """Those that came since the last call."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_to += len(whole)
        return [json.loads(text) for text in whole.splitlines()]


class Feeding:
    """The files that a runner was given, and the lines that came of them."""

    def __init__(self, world: World, rng: Rng) -> None:
        self.world, self.rng, self.report = world, rng, Films()
        self.kinds = of_target("film")
        self.put: dict[str, tuple[Kind | None, float]] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self._lines, self._progress = LinesOf(world.root), time.monotonic()

    def feed(self, until: float) -> None:
        """Put files until then, and wait for their lines."""
        drawn, number, self._progress = draws(self.kinds, self.rng), 0, time.monotonic()
        over = threading.Event()
        looking = threading.Thread(target=self._look_until, args=(over,))
        looking.start()
        try:
            while time.monotonic() < until and self.world.alive():
                if len(self.put) - len(self.ended) >= PENDING:
                    time.sleep(0.02)
                    continue
                number += 1
                self._put(number, None if number % GOOD_EVERY == 0 else next(drawn))
            deadline = time.monotonic() + PATIENCE_S
            while len(self.put) > len(self.ended) and time.monotonic() < deadline and self.world.alive():
                time.sleep(0.02)
        finally:
            over.set()
            looking.join()

    def _put(self, number: int, kind: Kind | None) -> None:
        name = f"{number:06d}.png"  # what it is, its bytes tell
        aside = self.world.root / name
        if kind is None:
            Image.fromarray(np.full((64, 64), 20 + number % 200, np.uint8)).save(aside)
        else:
            aside.write_bytes(kind.make(self.rng))
        self.put[name] = kind, time.monotonic()
        aside.rename(self.world.watched / name)

    def _look_until(self, over: threading.Event) -> None:
        while not over.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        report, now = self.report, time.monotonic()
        lines = self._lines()
        stood = round(now - self._progress, 2)
        if len(self.put) > len(self.ended) and stood > report.longest_standstill_s:
            report.longest_standstill_s = stood
            report.stood_still_at = self._kind_of(lines[0]) if lines else ""
        if lines or len(self.put) == len(self.ended):
            self._progress = now
        for line in lines:
            name = Path(line["file"]).name
            if name not in self.put:  # by DICOM
                continue
            if name in self.ended:
                report.wrong.append(f"{name}: two results")
            self.ended[name] = line
            if self.put[name][0] is None:
                report.longest_wait_s = round(max(report.longest_wait_s, now - self.put[name][1]), 2)

    def _kind_of(self, line: dict[str, Any]) -> str:
        kind, _ = self.put.get(Path(line["file"]).name, (None, 0.0))
        return kind.name if kind else "a good file"

    def counted(self) -> Films:
        """What became of each."""
        report = self.report
        counts: dict[str, Counter[str]] = {kind.name: Counter() for kind in self.kinds}
        for name, (kind, _) in self.put.items():
            self._count(name, kind, counts)
        report.by_kind = {name: dict(sorted(count.items())) for name, count in counts.items()}
        if report.longest_standstill_s > LONGEST_STANDSTILL_S:
            report.wrong.append(
                f"no result came for {report.longest_standstill_s} s: {report.stood_still_at}"
            )
        return report

    def _count(self, name: str, kind: Kind | None, counts: dict[str, Counter[str]]) -> None:
        report, line = self.report, self.ended.get(name)
        if line is None:
            report.wrong.append(f"{name} ({kind.name if kind else 'good'}): no result")
            return
        if kind is None:
            report.good += 1
            if line["score"] != 20 + int(name[:6]) % 200:
                report.wrong.append(f"{name}: a good file scores {line['score']} ({line['error']})")
            return
        report.inputs += 1
        error = str(line["error"] or "")
        counts[kind.name][error.partition(":")[0] if error else "scored"] += 1
        report.ended_decoders += ENDED in error
        if error and name not in error:
            report.wrong.append(f"{name} ({kind.name}): its error does not name it: {error}")
        if kind.refused and not error:
            report.wrong.append(f"{name} ({kind.name}): was scored")
