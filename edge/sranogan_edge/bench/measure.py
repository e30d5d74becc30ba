"""How fast a bundle is on this device: every configuration in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge import errors
from sranogan_edge.bench.peak import Peak
from sranogan_edge.bench.settings import BenchSettings
from sranogan_edge.bench.worker import Samples
from sranogan_edge.errors import BackendError, SranoganError
from sranogan_edge.runtime.threads import of_numpy
from sranogan_edge.terminal import counted

Advance = Callable[[int], None]

BEFORE_X = ("align", "preprocess")  # stages that make x of a frame; the first where images are aligned
LIMIT_S = 900  # a configuration that takes longer hangs
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Configuration:
    """What one measurement is of: a backend as asked for, CPU threads, and search steps."""

    backend: str
    threads: int
    steps: int

    def __str__(self) -> str:
        return f"{self.backend}, {counted(self.threads, 'thread')}, {counted(self.steps, 'step')}"


@dataclass(frozen=True)
class Distribution:
    """Of times in milliseconds."""

    p50: float
    p95: float
    p99: float
    mean: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution:
        """Summarise at least one value; percentiles lie between the two nearest of them."""
        quantiles = (round(float(q), 4) for q in np.percentile(values, PERCENTILES))
        ends = (round(float(one), 4) for one in (np.mean(values), np.min(values), np.max(values)))
        return cls(*quantiles, *ends)


@dataclass(frozen=True)
class Measured:
    """One configuration: its samples, or the error that kept it from being measured."""

    configuration: Configuration
    samples: Samples | None = None
    error: SranoganError | None = None

    def milliseconds(self) -> dict[str, Distribution]:
        """Return the times by stage in the pipeline's order, and ``from_x``: total without what makes x."""
        if self.samples is None:
            return {}
        taken = self.samples.milliseconds
        before = np.sum([taken[stage] for stage in BEFORE_X if stage in taken], axis=0)
        from_x = np.subtract(taken["total"], before).tolist()
        return {stage: Distribution.of(values) for stage, values in {**taken, "from_x": from_x}.items()}


def measure_configuration(
    bundle: Path, configuration: Configuration, settings: BenchSettings, advance: Advance
) -> Measured:
    """Measure in a fresh process; what goes wrong there is the result's error."""
    task = {
        "kind": "score",
        "bundle": str(bundle),
        "backend": configuration.backend,
        "threads": configuration.threads,
        "steps": configuration.steps,
        "repeats": settings.repeats,
        "warm_up": settings.warm_up,
        "frame": settings.frame,
    }
    try:
        return Measured(configuration, Samples(**run_task(task, advance)))
    except SranoganError as error:
        return Measured(configuration, error=error)


def measure_peak(backend: str, threads: int) -> Peak:
    """Measure the machine's peak in a fresh process; a crash there is the reason for having none."""
    try:
        return Peak(**run_task({"kind": "peak", "backend": backend, "threads": threads}))
    except SranoganError as error:
        return Peak(None, None, None, str(error))


def run_task(
    task: Mapping[str, Any],
    advance: Advance = lambda done: None,
    *,
    limit_s: float = LIMIT_S,
    module: str = "sranogan_edge.bench.worker",
) -> dict[str, Any]:
    """Run the worker on ``task``.

    Raises:
        SranoganError: the one that the worker met.
        BackendError: the worker crashed, or took longer than ``limit_s``.
    """
    environment = {**of_numpy(), **os.environ}  # as the commands have it
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        worker = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment,
        )
        timer = threading.Timer(limit_s, worker.kill)
        timer.daemon = True  # an interruption may come before it can be cancelled
        try:
            timer.start()
            last = _exchange(worker, {**task, "started": time.time()}, advance)
        finally:
            hung = not timer.is_alive()
            timer.cancel()
            worker.kill()
            worker.wait()
        if "result" in last:
            return dict(last["result"])
        if "error" in last:
            kind = getattr(errors, last["error"], SranoganError)
            raise kind(last["message"])
        stderr.seek(0)
        raise _crashed(worker.returncode, stderr.read(), limit_s if hung else None)


def _exchange(worker: subprocess.Popen[str], task: Mapping[str, Any], advance: Advance) -> dict[str, Any]:
    """Give the task, follow the messages, return the last one (empty where there was none)."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    message: dict[str, Any] = {}
    try:
        worker.stdin.write(json.dumps(task) + "\n")
        worker.stdin.close()
    except BrokenPipeError:
        return message
    with worker.stdout as lines:
        for line in lines:
            message = json.loads(line)
            if "done" in message:
                advance(message["done"])
    return message


def _crashed(code: int, stderr: str, limit_s: float | None) -> BackendError:
    """Return what to say of a worker that ended without an answer."""
    if limit_s is not None:
        return BackendError(
            f"the measuring process gave no answer within {limit_s:.0f} s and was ended. Choose another "
            "--backend, or fewer frames with --repeat."
        )
    how = f"exit code {code}"
    if code < 0:
        known = {int(one): one.name for one in signal.Signals}
        how = f"signal {known.get(-code, -code)}"
    said = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = f" Its last words: {said[-1][:300]}" if said else ""
    return BackendError(
        f"the measuring process ended with {how}: the backend crashed, or memory ran out. Choose another "
        f"--backend.{last}"
    )
