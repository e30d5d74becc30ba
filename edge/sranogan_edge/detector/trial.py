"""A bundle proven in a process of its own first: a graph that crashes its runtime takes nothing with it.

``python -m sranogan_edge.detector.trial TASK`` reads, opens and proves as the runner would, and says what it
found, one JSON object. Hashes and a signature tell who made a bundle, not what its graphs do to a runtime.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sranogan_edge import errors
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import BackendError, BundleCrashError, SranoganError
from sranogan_edge.runtime.backends import DELEGATE, ONNX, TENSORRT

__all__ = ["Trial", "tried"]

LIMIT_S, BUILDING_S = 120.0, 3600.0  # TensorRT builds engines, by many threads
MEMORY_BYTES = 2 * 2**30  # beside what the runtimes take; a search of 100 steps takes 0.1 GB
ON_THE_GPU = ("gpu", "auto")  # the GPU is tried by sranogan_edge.detector.probe
BY_DRIVERS = (DELEGATE, f"{ONNX}:", TENSORRT)  # these reserve as much address space as they like


@dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
        bundle: the file.
        key: that must have signed it.
        backend: as asked for.
        threads: of the CPU.
        steps: of the search, one of the bundle's budgets; None is its default.
        every_budget: whether all of its budgets are, for one of them will be chosen by its time.
    """

    bundle: Path
    key: Path | None = None
    backend: str = "auto"
    threads: int = 1
    steps: int | None = None
    every_budget: bool = False

    @property
    def limit_s(self) -> float:
        """Seconds that it may take."""
        return BUILDING_S if self.backend == TENSORRT else LIMIT_S

    @property
    def memory_bytes(self) -> int:
        """Bytes that it may take beside the runtimes; 0 leaves them to the system."""
        return 0 if self.backend.startswith(BY_DRIVERS) else MEMORY_BYTES


def tried(trial: Trial, limit_s: float | None = None) -> str:
    """Prove the bundle in another process, within ``limit_s`` seconds; return the SHA-256 of what was proven.

    Raises:
        BundleCrashError: that process crashed, or took too much time or memory.
        BackendError: no process could be started.
        SranoganError: what proving it here would raise.
    """
    try:
        how, said = _run(trial, trial.limit_s if limit_s is None else limit_s)
    except OSError as error:
        raise BackendError(f"{trial.bundle}: cannot be proven in a process of its own: {error}") from error
    found: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        found = json.loads(said)
    if "error" in found:
        kind, text = found["error"]
        raise getattr(errors, kind, BundleCrashError)(text)
    if how or "sha256" not in found:
        raise BundleCrashError(
            f"{trial.bundle}: the process that proved it {how or 'said nothing'}: a graph in it is not what "
            "this runtime can bear. Export the bundle again, and take bundles only from whom you trust."
        )
    return str(found["sha256"])


def _run(trial: Trial, limit_s: float) -> tuple[str, bytes]:
    """Run the other process; return how it ended, empty where it ended well, and what it said."""
    task = [str(trial.bundle), str(trial.key or ""), trial.backend, trial.threads, trial.steps]
    command = [sys.executable, "-m", __name__, json.dumps([*task, trial.every_budget, limit_s])]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, start_new_session=True
    ) as child:
        try:
            said, _ = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            return f"was ended after {limit_s:g} s", b""
        finally:
            child.kill()
    code = child.returncode
    return (
        f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}" if code else "",
        said,
    )


def _prove(trial: Trial) -> str:
    """In the other process: what the runner does with the bundle."""
    bundle = read_bundle(trial.bundle, trial.key)
    backend = "xnnpack" if trial.backend in ON_THE_GPU else trial.backend
    budgets = sorted(bundle.budgets) if trial.every_budget else [trial.steps]
    for steps in budgets:
        open_detector(bundle, backend=backend, threads=trial.threads, steps=steps)
    return bundle.sha256


def _main(task: str) -> None:
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a runtime prints is no answer
    bundle, key, backend, threads, steps, every_budget, limit_s = json.loads(task)
    trial = Trial(Path(bundle), Path(key) if key else None, backend, threads, steps, every_budget)
    with contextlib.suppress(ImportError):  # not on Windows, where the clock alone bounds it
        from sranogan_edge.decoding import confine

        confine.go_first()
        confine.bound_cpu(limit_s * threads)
        if trial.memory_bytes:
            confine.bound_memory(trial.memory_bytes)
    try:
        found: dict[str, Any] = {"sha256": _prove(trial)}
    except SranoganError as error:
        found = {"error": [type(error).__name__, str(error)]}
    except MemoryError:
        found = {"error": [BundleCrashError.__name__, f"{bundle}: it takes more memory than it may."]}
    with answer:
        json.dump(found, answer)


if __name__ == "__main__":
    _main(sys.argv[1])
