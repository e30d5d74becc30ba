"""A backend tried in a process of its own, so that a driver that hangs or crashes takes nothing with it.

The child reads the bundle, loads every graph, and re-scores the golden inputs, as the scoring process
would; it leaves its findings in a file, because drivers write to standard output as they like.
"""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.bundle.bundle import Bundle, read_bundle, write_bundle
from sranogan_edge.detector.detector import Detector, check_golden
from sranogan_edge.errors import BackendError, ResultsError, SranoganError
from sranogan_edge.runtime.graphs import open_graphs

LIMIT_S = 120.0  # compiling a search for a GPU takes seconds to a minute
REAPING_S = 5.0  # a process that hangs inside a driver may not even die
HOPELESS = 10.0  # times as long as another backend
BUNDLE, REPORT = "probed.sranogan", "report.json"


@dataclass(frozen=True)
class Report:
    """What a probe found.

    Attributes:
        failure: why the last backend cannot be used; None where it can.
        milliseconds: median of scoring one golden input, by backend.
    """

    failure: str | None
    milliseconds: Mapping[str, float] = field(default_factory=dict)


def probe(bundle: Bundle, threads: int, backends: Sequence[str], limit_s: float = LIMIT_S) -> Report:
    """Try ``backends`` one after the other in another process; all of them within ``limit_s``.

    Where there is no room for the bundle's copy, or no process, that is the report's failure.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="sranogan-probe-", ignore_cleanup_errors=True) as place:
            folder = Path(place)
            write_bundle(replace(bundle, onnx={}), folder / BUNDLE)
            command = [sys.executable, "-m", __name__, place, str(threads), *backends]
            return _read(folder / REPORT, _run(command, folder, limit_s), backends, limit_s)
    except (OSError, ResultsError) as error:
        return Report(f"it cannot be tried out in a process of its own: {error}")


def _run(command: Sequence[str], folder: Path, limit_s: float) -> int | None:
    """Return the exit code, None where the time limit came first."""
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        command, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        return child.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if child.returncode is None:
            child.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(REAPING_S)


def _read(path: Path, ended: int | None, backends: Sequence[str], limit_s: float) -> Report:
    found: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
    milliseconds = found.get("milliseconds", {})
    if found.get("failure"):
        return Report(found["failure"], milliseconds)
    if backends[-1] in milliseconds:
        return Report(None, milliseconds)
    where = next(backend for backend in backends if backend not in milliseconds)
    if ended is None:
        return Report(f"{where} had not scored the golden cases after {limit_s:g} s", milliseconds)
    how = f"signal {-ended}" if ended < 0 else f"exit code {ended}"
    return Report(f"the process that tried {where} ended with {how}", milliseconds)


def _try(folder: Path, threads: int, backends: Sequence[str]) -> None:
    """In the child: score the golden cases on each backend, and write the report after each."""
    bundle = read_bundle(folder / BUNDLE)
    milliseconds: dict[str, float] = {}
    for backend in backends:
        failure = None
        try:
            detector = Detector(bundle, open_graphs(bundle, backend, threads))
            detector.measure_x(bundle.golden.x[0])  # the first run compiles and allocates
            once = detector.measure_x(bundle.golden.x[0]).milliseconds
            _check_worth_it(sum(once.values()), min(milliseconds.values(), default=math.inf), detector)
            milliseconds[backend] = float(np.median(check_golden(detector, bundle.golden)))
        except SranoganError as error:
            failure = str(error)
        report = {"failure": failure, "milliseconds": milliseconds}
        (folder / REPORT).write_text(json.dumps(report), encoding="utf-8")


def _check_worth_it(taken_ms: float, best_ms: float, detector: Detector) -> None:
    """Give up on a backend that is far behind another: software that plays a GPU takes minutes to prove."""
    if taken_ms > HOPELESS * best_ms:
        raise BackendError(
            f"{detector.backend.label} takes {taken_ms:.0f} ms an image, another backend {best_ms:.0f} ms"
        )


if __name__ == "__main__":
    _try(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
