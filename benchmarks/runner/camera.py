r"""A camera of 640 x 480 at 30 frames a second: does the runner keep up, and how old is a result?

::

    python -m benchmarks.runner.camera gradient-int8.sranogan learned-int8.sranogan --seconds 60 --threads 2

A film of phantoms (``benchmarks/film.py``) is played in real time: its decoder, in a process of its own,
gives a frame every 1/30 s whether or not the runner is ready. The latency is from the moment at which the
decoder had the frame to the moment at which its result had been stored and came to a sink. A frame is dropped
where a newer one came before it was asked for. Drops of the first ``--warm-up`` seconds are counted apart.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from benchmarks.film import write_film
from benchmarks.record import Record
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.open import open_detector
from sranogan_edge.device import load_average
from sranogan_edge.feeds.feed import Arrival, FeedHealth
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.results.line import ResultLine
from sranogan_edge.service.delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service.loop import Service, ServiceSettings
from sranogan_edge.spool.spool import Spool

FPS = 30.0


@dataclass(frozen=True)
class Timed:
    """When one frame was read and had its result, in seconds since the epoch."""

    number: int  # of the frame in the film
    read_at: float
    got_at: float
    scoring_ms: float


class Stopwatch:
    """A feed and a sink in one: passes the feed's frames on and sees their results come."""

    def __init__(self, feed: VideoFeed) -> None:
        self.feed, self.name = feed, feed.name
        self.read_at: dict[str, float] = {}
        self.results: list[Timed] = []

    @property
    def health(self) -> FeedHealth:
        """The feed's."""
        return self.feed.health

    def __iter__(self) -> Iterator[Arrival]:
        """Yield the feed's frames."""
        for arrival in self.feed:
            self.read_at[arrival.frame_source] = arrival.received_at
            yield arrival

    def write(self, line: ResultLine) -> None:
        """Note when the result of one frame came."""
        number = int(line.file.rpartition("#")[2])
        read_at = self.read_at.pop(line.file)
        self.results.append(Timed(number, read_at, time.time(), line.milliseconds.get("total", 0.0)))

    def close(self) -> None:
        """Close the feed."""
        self.feed.close()


def play(judge: Judge, film: Path, root: Path) -> tuple[Stopwatch, float, float]:
    """Score the film in real time; returns results, seconds, and seconds of CPU (decoder included)."""
    watch = Stopwatch(VideoFeedSettings(str(film), real_time=True).open())
    with_decoder = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    before, began = sum(_cpu_s(who) for who in with_decoder), time.monotonic()
    spool = Spool(root / "spool")
    readers: dict[str, Reader] = {
        "results.jsonl": ResultsLog(root / "results.jsonl"),
        "stopwatch": SinkReader(watch),
    }
    Service(judge, spool, [watch], readers, ServiceSettings(out=root)).run()
    spool.close()
    taken = time.monotonic() - began
    return watch, taken, sum(_cpu_s(who) for who in with_decoder) - before


def _cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def figures(watch: Stopwatch, seconds: float, cpu_s: float, warm_up_s: float) -> dict[str, Any]:
    """Sum up one run."""
    first = int(warm_up_s * FPS)
    steady = [one for one in watch.results if one.number > first]
    latency = np.array([1000 * (one.got_at - one.read_at) for one in steady])
    scoring = np.array([one.scoring_ms for one in steady])
    counts = watch.feed.counts
    span = max(one.number for one in steady) - first
    return {
        "frames": counts.read,
        "results": len(watch.results),
        "dropped": counts.dropped,
        "dropped_after_warm_up": span - len(steady),
        "results_per_s": round(len(steady) / (span / FPS), 2),
        "latency_ms": {f"p{q}": round(float(np.percentile(latency, q)), 1) for q in (50, 95, 99)},
        "scoring_ms": {f"p{q}": round(float(np.percentile(scoring, q)), 1) for q in (50, 95, 99)},
        "seconds": round(seconds, 1),
        "cpu_cores_used": round(cpu_s / seconds, 2),
    }


def main(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles to try one after the other.")],
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of the film.")] = 60.0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the detector.")] = 1,
    warm_up: Annotated[float, typer.Option(min=0.0, help="Seconds whose drops are counted apart.")] = 2.0,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path(
        "benchmarks/results/camera_30fps.json"
    ),
) -> None:
    """Play the film to each bundle and write the latencies."""
    record, runs = Record("camera", 11), []
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="sranogan-camera-") as folder:
        film = write_film(Path(folder) / "film.avi", int(seconds * FPS), FPS)
        for path in bundles:
            root = Path(folder) / path.stem
            root.mkdir()
            detector = open_detector(read_bundle(path), backend="xnnpack", threads=threads)
            load = load_average()
            made = figures(*play(Judge.of(detector), film, root), warm_up)
            run = {"bundle": path.name, "steps": detector.bundle.steps, "threads": threads, **made}
            runs.append({**run, "load_average": [load, load_average()], "nice": os.nice(0)})
            print(runs[-1], flush=True)
    record.write(out, width=640, height=480, fps=FPS, runs=runs)


if __name__ == "__main__":
    typer.run(main)
