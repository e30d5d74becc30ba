"""The process that measures one thing: its peak memory and start-up are its own, a crash ends it alone.

``python -m sranogan_edge.bench.worker`` takes a task as JSON on standard input and writes messages on
standard output, one JSON object a line: ``{"done": n}`` on the way, then ``{"result": ...}`` or
``{"error": KIND, "message": TEXT}``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.bench.peak import measure_peak
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.backend import choose_backend
from sranogan_edge.detector.detector import Detector, check_golden
from sranogan_edge.device import load_average, temperatures
from sranogan_edge.errors import SranoganError
from sranogan_edge.image.colour import as_rgb
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.tiles import plan_tiles
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_edge.scoring.measurement import Clock

Tell = Callable[[dict[str, Any]], None]
EVERY_S = 0.2  # between two messages of progress
MOST_FRAME_PIXELS = 2**26  # of all frames together, one at least: more golden inputs are left out
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Samples:
    """What one configuration took.

    Attributes:
        backend: name of the backend in use.
        label: its runtime and version.
        fallback_reason: why it is not the GPU that ``auto`` found; None where nothing fell back.
        milliseconds: of each frame, by stage, in the pipeline's order.
        seconds: of all these frames.
        cpu_seconds: of all threads during them.
        startup_ms: of each part: Python and its imports, bundle read and verified, backend chosen, graphs
            loaded, golden cases proven.
        memory_mib: resident memory after the imports, when ready, and the highest of all.
        load: load average at the end.
        temperatures: degrees Celsius by sensor, at the end.
        tiles: that a frame is covered with; 1 where it is judged as a whole.
    """

    backend: str
    label: str
    fallback_reason: str | None
    milliseconds: dict[str, list[float]]
    seconds: float
    cpu_seconds: float
    startup_ms: dict[str, float]
    memory_mib: dict[str, float]
    load: float | None
    temperatures: dict[str, float]
    tiles: int = 1


def measure(task: dict[str, Any], tell: Tell, started: float) -> Samples:
    """Start as ``sranogan-score`` does, warm up, score frames; ``started`` is when this process was begun."""
    cv2.setNumThreads(task["threads"])  # else it takes all cores, whatever the graphs may take
    imports = (time.time() - started) * 1000
    memory = {"imported": resident_mib("VmRSS")}
    clock = Clock()
    bundle = read_bundle(Path(task["bundle"])).with_steps(task["steps"])
    clock.lap("read")
    name, fallback_reason = choose_backend(bundle, task["backend"], task["threads"])
    clock.lap("choose")
    detector = Detector(bundle, open_graphs(bundle, name, task["threads"]))
    clock.lap("load")
    check_golden(detector, bundle.golden)
    clock.lap("prove")
    memory["ready"] = resident_mib("VmRSS")
    frames = make_frames(bundle, *task["frame"])
    for number in range(task["warm_up"]):
        detector.score(frames[number % len(frames)])
    laps, seconds, cpu_seconds = score_all(detector, frames, task["repeats"], tell)
    return Samples(
        backend=detector.backend.name,
        label=detector.backend.label,
        fallback_reason=fallback_reason,
        milliseconds={stage: [lap[stage] for lap in laps] for stage in laps[0]},
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        startup_ms={"imports": imports, **clock.laps},
        memory_mib={**memory, "peak": peak_mib()},
        load=load_average(),
        temperatures=temperatures(),
        tiles=tiles_of(bundle, *task["frame"]),
    )


def tiles_of(bundle: Bundle, height: int, width: int | None = None) -> int:
    """Return how many squares of a frame are judged: its tiles, the whole beside them; or the whole alone."""
    spec = bundle.preprocess
    if not spec.tiled:
        return 1
    return len(plan_tiles(height, width or height, spec, "the frame (--frame)")) + spec.tile_whole


def score_all(
    detector: Detector, frames: list[Frame], repeats: int, tell: Tell
) -> tuple[list[dict[str, float]], float, float]:
    """Score ``repeats`` frames; return the laps of each, and wall and CPU seconds of all."""
    laps = []
    told = started = time.perf_counter()
    cpu = time.process_time()
    for number in range(repeats):
        laps.append(dict(detector.score(frames[number % len(frames)]).milliseconds))
        if time.perf_counter() > told + EVERY_S:
            tell({"done": number + 1})
            told = time.perf_counter()
    return laps, time.perf_counter() - started, time.process_time() - cpu


def make_frames(bundle: Bundle, height: int, width: int | None = None) -> list[Frame]:
    """Enlarge the bundle's synthetic golden inputs to 8-bit frames, grey or colour."""
    colour = bundle.preprocess.colour
    photometric = Photometric.RGB if colour else Photometric.MONOCHROME2

    def pixels(x: NDArray[np.float32]) -> NDArray[np.uint8]:
        image = as_rgb(x) if colour else x[..., 0]
        large = cv2.resize(image, (width or height, height), interpolation=cv2.INTER_CUBIC)
        return np.asarray((large * 255).clip(0, 255), dtype=np.uint8)

    few = max(1, MOST_FRAME_PIXELS // (height * (width or height)))
    return [Frame(pixels(x), 8, photometric, source="a golden input") for x in bundle.golden_x[:few]]


def peak_mib() -> float:
    """Return the highest resident memory that this process had.

    The kernel's own mark of this process comes first: ``getrusage`` also counts the process that it was
    forked from.
    """
    if STATUS.exists():
        return resident_mib("VmHWM")
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def resident_mib(name: str) -> float:
    """Return ``VmRSS`` or ``VmHWM`` of this process; 0 where the system does not tell."""
    lines: Iterable[str] = STATUS.read_text().splitlines() if STATUS.exists() else ()
    found = next((line.split() for line in lines if line.startswith(f"{name}:")), None)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Do the task on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the process that asked says that it was interrupted
    messages = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a driver prints is no message

    def tell(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=messages, flush=True)

    task = json.loads(sys.stdin.readline())
    try:
        if task["kind"] == "peak":
            tell({"result": asdict(measure_peak(task["backend"], task["threads"]))})
        else:
            tell({"result": asdict(measure(task, tell, task["started"]))})
    except SranoganError as error:
        tell({"error": type(error).__name__, "message": str(error)})


if __name__ == "__main__":
    main()
