"""The Ray engine: so many actors of a cluster, one shard each at a time.

An actor is what a process of the local engine is: one interpreter, one detector, one decoder. Rows come back
to the run, which alone writes. A node that goes takes its actors with it: their shards are scored by others.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from sranogan_edge import __version__
from sranogan_edge.archive.engine import Died, Done, Event, Moved, Work, refusal
from sranogan_edge.archive.item import Item
from sranogan_edge.archive.output import packed, table_of
from sranogan_edge.archive.scoring import Scoring, check_version
from sranogan_edge.archive.task import Task
from sranogan_edge.errors import BackendError, FeedError, SettingsError, SranoganError
from sranogan_edge.extras import needs_extra

__all__ = ["RayEngine", "loaded"]

REACH_S, HEALTH_S = 10.0, 60.0  # until the head has to take a connection, and to answer
STARTS = 3  # deaths before a first word, one after the other


def loaded() -> Any:
    """Return the package; raises MissingExtraError where it is not installed."""
    with needs_extra("ray", "--engine ray"):
        import ray
        import ray.exceptions
    return ray


class _Actor:
    """A worker, on whichever node it is placed. Errors go back as values: Ray wraps what is raised."""

    def __init__(self, told: str) -> None:
        self._refusal: list[str] = []
        try:
            task = Task.from_json(json.loads(told))
            check_version(task)
            self._scoring = Scoring(task)
        except SranoganError as error:
            self._refusal = _said(error)

    def ready(self) -> dict[str, Any]:
        """Say who refuses, or what scores."""
        return {"refused": self._refusal, "version": __version__}

    def score(self, items: list[Any]) -> Iterator[Any]:
        """Yield the kind of error of each image, then all rows."""
        rows = []
        try:
            for row in self._scoring.rows([Item.from_json(one) for one in items]):
                rows.append(row)
                yield row["error_kind"] or ""
        except SranoganError as error:
            yield {"refused": _said(error)}
            return
        yield packed(table_of(rows))


def _said(error: SranoganError) -> list[str]:
    where = f"on {socket.gethostname()}: "
    return [type(error).__name__, where + str(error)]


class RayEngine:
    """Scores shards in actors (:class:`sranogan_edge.archive.engine.Engine`)."""

    def __init__(self, task: Task, workers: int | None, address: str | None) -> None:
        """Connect; without an address to the cluster that the environment names, or to one begun here.

        Raises:
            FeedError: nothing answers at the address, or it is no head of this Ray.
            SettingsError: there are not so many cores for ``workers``.
        """
        self._told = json.dumps(task.to_json())
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._ray = loaded()
        _connect(self._ray, address or os.environ.get("RAY_ADDRESS"))
        try:
            self._most = _workers_of(self._ray, workers)
        except BaseException:
            self._ray.shutdown()
            raise

    def wants(self) -> bool:
        """Whether a worker is idle or may be started."""
        return len(self._workers) < self._most or any(one.work is None for one in self._workers)

    def submit(self, work: Work) -> None:
        """Give a shard to an idle worker, or to a new one."""
        free = [one for one in self._workers if one.work is None]
        idle = max(free, key=lambda one: one.ready, default=None)
        if idle is None:
            idle = _Worker(self._ray, self._told)
            self._workers.append(idle)
        idle.begin(work)

    def events(self, timeout_s: float) -> list[Event]:
        """Wait for actors (:class:`Engine`)."""
        self._hand_over()
        waiting = {one.awaited: one for one in self._workers if one.awaited is not None}
        if not waiting:
            time.sleep(timeout_s)
            return []
        heard, _ = self._ray.wait(list(waiting), num_returns=1, timeout=timeout_s, fetch_local=False)
        found: list[Event] = []
        errors_of_ray = self._ray.exceptions
        for worker in [waiting[one] for one in heard]:
            try:
                event = worker.hear()
            except (errors_of_ray.RayActorError, errors_of_ray.RayTaskError) as error:
                event = self._lost(worker, str(error).partition("\n")[0])
            except errors_of_ray.RayError as error:
                raise FeedError(f"the Ray cluster fails: {error}. Give the same command again.") from error
            found += [event] if event else []
        return found

    def _hand_over(self) -> None:
        """Let workers that are idle take what others hold that have no place yet: theirs may never come."""
        idle = [one for one in self._workers if one.ready and one.work is None]
        for worker in [one for one in self._workers if not one.ready and one.work]:
            if idle and worker.work:
                idle.pop().begin(worker.work)
                worker.work = None

    def close(self) -> None:
        """End all actors, and leave the cluster."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._ray.shutdown()

    def _lost(self, worker: _Worker, why: str) -> Event | None:
        self._workers.remove(worker)
        worker.end()
        self._failed_starts = 0 if worker.ready else self._failed_starts + 1
        if self._failed_starts >= STARTS:
            raise BackendError(f"workers end before they score anything: {why}")
        return Died(worker.work.number, worker.moved if worker.ready else -1, why) if worker.work else None


class _Worker:
    """One actor, and what is awaited of it.

    Attributes:
        awaited: what Ray is asked to wait for; None while it has nothing to do.
        work: what it has in hand.
        moved: how many images of it are scored.
        ready: whether it has said that it takes work.
    """

    def __init__(self, ray: ModuleType, told: str) -> None:
        self._ray: Any = ray
        made = self._ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._actor: Any = made.remote(told)
        self.awaited: Any = self._actor.ready.remote()
        self.work: Work | None = None
        self.moved, self.ready = 0, False

    def begin(self, work: Work) -> None:
        """Hand over a shard."""
        self.work, self.moved = work, 0
        if self.ready:
            self._ask()

    def hear(self) -> Event | None:
        """Return what came; raises what refused it, and RayActorError where it is gone."""
        if not self.ready:
            said = self._ray.get(self.awaited)
            _refuse(said["refused"])
            self.ready, self.awaited = True, None
            if self.work:
                self._ask()
            return None
        assert self.work is not None
        said = self._ray.get(next(self.awaited))
        if isinstance(said, dict):
            _refuse(said["refused"])
        if isinstance(said, bytes):
            done = Done(self.work.number, said)
            self.work = self.awaited = None
            return done
        self.moved += 1
        return Moved(self.work.number, str(said))

    def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)

    def _ask(self) -> None:
        assert self.work is not None
        items = [item.to_json() for item in self.work.items]
        self.awaited = self._actor.score.options(num_returns="streaming").remote(items)


def _refuse(said: list[str]) -> None:
    if said:
        raise refusal(*said)


def _connect(ray: Any, address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address and address not in ("auto", "local"):
        _check_reach(address)
    try:
        ray.init(address=address, include_dashboard=None if address else False, **quiet)
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise FeedError(
            f"{where} does not take this run ({str(error).strip().splitlines()[0]}). Is it of Ray "
            f"{ray.__version__} and this Python, and is this machine one of its nodes?"
        ) from error


def _check_reach(address: str) -> None:
    """Raise FeedError where no Ray head answers at ``address`` within a minute: Ray itself tries for long."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise SettingsError(
            f"--address is HOST:PORT of a Ray head, such as 10.0.0.1:6379. Received: {address!r}"
        )
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
        if "://" not in address:
            asked = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
            subprocess.run(asked, timeout=HEALTH_S, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        why = error.strerror or error if isinstance(error, OSError) else "what answers there is none"
        raise FeedError(
            f"no Ray head answers at {address} ({why}). Start one there with ray start --head --port {port}, "
            "or check the address."
        ) from error


def _workers_of(ray: Any, asked: int | None) -> int:
    found = int(ray.cluster_resources().get("CPU", 0))
    if found < 1:
        raise SettingsError(
            "the Ray cluster has no cores. Start nodes with ray start --address, or --num-cpus."
        )
    if asked is not None and not 1 <= asked <= found:
        raise SettingsError(
            f"--workers is from 1 to {found}, the cores of the Ray cluster, one each. Received: {asked}."
        )
    return asked or found
