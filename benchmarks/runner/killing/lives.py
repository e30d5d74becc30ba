"""A runner that is started and killed, again and again: what the kill proofs of all feeds have in common."""

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
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RUNNER = Path(__file__).with_name("runner.py")
POISON = 13  # the stand-in ends its process on an image of this mean
PATIENCE_S = 120.0
FINISH_S = 300.0  # for all that is left after the last kill, on a busy machine
KILLED_WHILE_STARTING = 0.15  # share of the kills
STAND_IN_MS = 2


@dataclass(frozen=True)
class KillReport:
    """The counts of one proof; :meth:`broken` says what they prove not.

    Attributes:
        feed: that the objects came by.
        kills: SIGKILLs at random moments.
        kills_while_starting: of them, those before the runner was ready.
        deaths_by_poison: lives that an object ended.
        objects: that were sent or dropped.
        sendings: attempts to hand one over; more than ``objects`` where no answer came.
        acknowledged: objects that the runner said it has (a file: that it took).
        done: scored exactly once, with the score that the object must have.
        dead_poison: dead-lettered because they end the runner.
        dead_unreadable: dead-lettered because they cannot be decoded.
        dead_by_kills: good ones that happened to be in hand at three kills.
        lost: acknowledged, without a result.
        twice: with more than one result, in the spool or in ``results.jsonl``.
        wrong: with the score of another object, or dead-lettered without such a reason.
        ended_before_last_kill: objects with a result when the last kill came.
        sink_repeats: results that the JSONL sink got again (it is promised each at least once).
        seconds: that all of it took.
    """

    feed: str
    kills: int
    kills_while_starting: int
    deaths_by_poison: int
    objects: int
    sendings: int
    acknowledged: int
    done: int
    dead_poison: int
    dead_unreadable: int
    dead_by_kills: int
    lost: int
    twice: int
    wrong: int
    ended_before_last_kill: int
    sink_repeats: int
    seconds: float

    @property
    def dead(self) -> int:
        """All that were dead-lettered."""
        return self.dead_poison + self.dead_unreadable + self.dead_by_kills

    def broken(self) -> list[str]:
        """Promises that were not kept; empty when all were."""
        promises = {
            "nothing acknowledged is lost": self.lost == 0,
            "nothing is scored twice": self.twice == 0,
            "every score is that of its object, every dead letter has its reason": self.wrong == 0,
            "every object was acknowledged in the end": self.acknowledged == self.objects,
            "each is scored or dead-lettered": self.done + self.dead == self.objects,
        }
        return [promise for promise, kept in promises.items() if not kept]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "seconds": round(self.seconds, 1), "broken": self.broken()}


class Lives(ABC):
    """Starts and kills the runner of one feed; everything of it lies in ``root``."""

    def __init__(self, root: Path, feed: str, seed: int) -> None:
        self.root, self.feed = root, feed
        self.random = random.Random(seed)
        self.kills = self.kills_while_starting = self.deaths_by_poison = 0
        self.began = time.monotonic()
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(str(root / "notify"))

    def start(self) -> subprocess.Popen[bytes]:
        """Start the runner."""
        arguments = (self.feed, str(self.root / "out"), str(self.root / "spool"), str(STAND_IN_MS))
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.root / "notify")}
        with (self.root / "log").open("ab") as log:
            command = [sys.executable, str(RUNNER), *arguments]
            return subprocess.Popen(command, stderr=log, env=environment)

    def live_and_die(self) -> None:
        """Start the runner and kill it: mostly while it works, sometimes while it starts.

        A life that the poison ends first is no kill.
        """
        with self.start() as runner:
            starting = self.random.random() < KILLED_WHILE_STARTING
            if starting:
                time.sleep(self.random.uniform(0, 1))
            elif self.is_ready(runner):
                self.work(runner)
            if runner.poll() is None:
                runner.kill()
                self.kills += 1
                self.kills_while_starting += starting
                return
        self.note_poison(runner)

    @abstractmethod
    def work(self, runner: subprocess.Popen[bytes]) -> None:
        """Wait for the random moment to kill it."""

    @abstractmethod
    def left(self) -> bool:
        """Whether anything is still without its result."""

    def is_ready(self, runner: subprocess.Popen[bytes]) -> bool:
        """Wait for the word that systemd would get; False where the poison ended the runner first."""
        ready = f"READY=1\nMAINPID={runner.pid}".encode()
        deadline = time.monotonic() + PATIENCE_S
        self.notices.settimeout(1.0)
        while runner.poll() is None:
            assert time.monotonic() < deadline, self.log()
            with suppress(TimeoutError):
                if self.notices.recv(1000) == ready:
                    return True
        return False

    def note_poison(self, runner: subprocess.Popen[bytes]) -> None:
        """Count a life that ended by itself: nothing but the poison may do that."""
        assert runner.returncode == -signal.SIGKILL, self.log()
        self.deaths_by_poison += 1

    def finish(self) -> None:
        """Let the runner live until nothing is left, through the deaths by poison; stop it cleanly."""
        deadline = time.monotonic() + FINISH_S
        runner = self.start()
        while True:
            ready = self.is_ready(runner)
            while ready and runner.poll() is None and self.left():
                assert time.monotonic() < deadline, self.log()
                with suppress(TimeoutError):
                    self.notices.recv(1000)
            if runner.poll() is None:
                break
            self.note_poison(runner)
            runner = self.start()
        runner.terminate()
        assert runner.wait(PATIENCE_S) == 0, self.log()

    def log(self) -> str:
        """What the runner said on standard error, the last of it."""
        return (self.root / "log").read_text()[-4000:]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the spool's database, as another process."""
        try:
            path = self.root / "spool" / "spool.sqlite"
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30) as database:
                return database.execute(sql).fetchall()
        except sqlite3.OperationalError:  # not made yet
            return []

    def lines(self) -> list[dict[str, Any]]:
        """All of ``results.jsonl``."""
        return [json.loads(line) for line in (self.root / "out" / "results.jsonl").read_text().splitlines()]

    def sink_repeats(self) -> int:
        """Results that the JSONL sink got more than once; raises where it misses one."""
        files = sorted((self.root / "out" / "sink").glob("*.jsonl*"))
        got = [json.loads(line)["file"] for path in files for line in path.read_text().splitlines()]
        assert set(got) == {line["file"] for line in self.lines()}
        return len(got) - len(set(got))
