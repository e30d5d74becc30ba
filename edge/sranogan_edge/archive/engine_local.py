"""The local engine: so many processes of this machine, one shard each at a time."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.connection import wait
from typing import Any

from sranogan_edge.archive.engine import Died, Done, Event, Moved, Work, refusal
from sranogan_edge.archive.task import Task
from sranogan_edge.errors import BackendError, SettingsError

__all__ = ["LocalEngine", "cores", "workers_of"]

WORKER = "sranogan_edge.archive.worker"
A_CORE = 4  # workers of a core, at most: more only wait for each other
LEAST_MOST = 8
STARTS = 3  # deaths before a first word, one after the other: nothing can be scored here
ENDING_S = 5.0
SILENT_S = 1800.0  # a worker that says of no image that it is done is ended, as one that died
_TOLD = 500  # characters of what a worker that died said last


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_of(asked: int | None) -> int:
    """Return how many workers there are: as asked for, or one a core; SettingsError where it is too many."""
    most = max(LEAST_MOST, A_CORE * cores())
    if asked is not None and not 1 <= asked <= most:
        raise SettingsError(
            f"--workers is from 1 to {most} on this machine, which has {cores()} cores: each is a process "
            f"with a detector of its own. Received: {asked}."
        )
    return asked or cores()


class LocalEngine:
    """Scores shards in processes of its own (:class:`sranogan_edge.archive.engine.Engine`)."""

    def __init__(self, task: Task, workers: int) -> None:
        """Nothing is started yet: a worker is when there is a shard for it."""
        self._task, self._most = task, workers
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def wants(self) -> bool:
        """Whether a worker is idle or may be started."""
        return len(self._workers) < self._most or any(one.work is None for one in self._workers)

    def submit(self, work: Work) -> None:
        """Give a shard to an idle worker, or to a new one."""
        idle = next((one for one in self._workers if one.work is None), None)
        if idle is None:
            idle = _Worker(self._task)
            self._workers.append(idle)
        idle.begin(work)

    def events(self, timeout_s: float) -> list[Event]:
        """Wait for workers (:class:`Engine`)."""
        heard = wait([one.channel for one in self._workers], timeout_s)
        for worker in self._workers:
            if worker.work and worker.channel not in heard and worker.silent_s > SILENT_S:
                worker.kill()
        found: list[Event] = []
        for worker in [one for one in self._workers if one.channel in heard]:
            try:
                event = worker.hear()
                self._failed_starts = 0
            except (EOFError, OSError):
                event = self._lost(worker)
            found += [event] if event else []
        return found

    def close(self) -> None:
        """End all workers; what they have in hand is lost."""
        for worker in self._workers:
            worker.end(now=True)
        self._workers.clear()

    def _lost(self, worker: _Worker) -> Event | None:
        self._workers.remove(worker)
        why = worker.end()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise BackendError(f"workers end before they score anything: {why}")
        return Died(worker.work.number, worker.moved if worker.ready else -1, why) if worker.work else None


class _Worker:
    """One process.

    Attributes:
        channel: to it.
        work: what it has in hand.
        moved: how many images of it are scored.
        ready: whether it has said that it takes work.
    """

    def __init__(self, task: Task) -> None:
        self.channel, theirs = multiprocessing.Pipe()
        self.work: Work | None = None
        self.moved, self.ready = 0, False
        self._heard = time.monotonic()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - until the process ends
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", WORKER, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the run, which ends it
            )
        except OSError as error:
            raise BackendError(f"a worker cannot be started: {error}. Name fewer --workers.") from error
        finally:
            theirs.close()
        self._send(task.to_json())

    def begin(self, work: Work) -> None:
        """Hand over a shard."""
        self.work, self.moved, self._heard = work, 0, time.monotonic()
        self._send({"number": work.number, "items": [item.to_json() for item in work.items]})

    def hear(self) -> Event | None:
        """Return what a message tells; EOFError where the process is gone; raises what refused it."""
        said: Mapping[str, Any] = json.loads(self.channel.recv_bytes())
        self._heard = time.monotonic()
        if "refused" in said:
            raise refusal(*said["refused"])
        if "ready" in said:
            self.ready = True
        elif self.work and "moved" in said:
            self.moved += 1
            return Moved(self.work.number, str(said["moved"]))
        elif self.work and "done" in said:
            done = Done(self.work.number, self.channel.recv_bytes())
            self.work = None
            return done
        return None

    def end(self, *, now: bool = False) -> str:
        """Let it end, or kill it ``now``; return how it ended."""
        self.channel.close()
        if now:
            self.kill()
        code = self._code()
        if code is None:
            self.kill()
            code = self._code()
        if code is None:
            return "does not even end when it is killed: a disk or a share hangs"
        with self._said as said:
            size = said.seek(0, os.SEEK_END)
            said.seek(max(0, size - _TOLD))
            last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}: {last}" if code > 0 and last else how

    @property
    def silent_s(self) -> float:
        """Seconds since it said anything, or was given work."""
        return time.monotonic() - self._heard

    def kill(self) -> None:
        """End it at once, where the system can."""
        self._process.kill()

    def _code(self) -> int | None:
        try:
            return self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return None

    def _send(self, values: Mapping[str, Any]) -> None:
        try:
            self.channel.send_bytes(json.dumps(values).encode())
        except OSError:  # it is gone: so hear will tell
            return
