"""The runner that benchmarks/runner/soak.py watches: ``python -m benchmarks.runner.soak_runner TASK.json``.

With a bundle it is ``serve_settings``, as ``sranogan-score`` calls it. Without one the neural networks are a
stand-in that takes no time; all the rest (decoder's process, spool, sinks, drift, board, page) is real.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.detector.judge import Judge
from sranogan_edge.feeds.feed import Arrival, FeedHealth
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.frame import Frame
from sranogan_edge.page.access import parse_address
from sranogan_edge.page.board import Board
from sranogan_edge.page.server import serving
from sranogan_edge.results.line import Scorer
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from sranogan_edge.service.delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service.loop import Service, ServiceSettings, stopped_by_signals
from sranogan_edge.service.run import log_to_stderr, serve_settings
from sranogan_edge.settings.tree import (
    CalibrationSettings,
    DomainSettings,
    PageSettings,
    Settings,
    SpoolSettings,
)
from sranogan_edge.sinks.kinds import SINKS, sink_of
from sranogan_edge.sinks.sink import SinkContext
from sranogan_edge.site.drift import DriftSettings
from sranogan_edge.site.in_force import Site
from sranogan_edge.spool.retention import Retention
from sranogan_edge.spool.spool import Spool

SIDE_PX, GRID_PX = 128, 32
THRESHOLD = 2.0
RETENTION = Retention(max_count=500, max_frames=2000)
PRUNE_EVERY_S = 5.0
DRIFT = DriftSettings(window=100, frame_stride=10)


class Loop:
    """A video feed that begins again at the film's end: its decoder's process is a new one each time."""

    def __init__(self, film: str) -> None:
        self.film, self.name = film, "film"
        self._feed: VideoFeed | None = None
        self._over = False

    @property
    def health(self) -> FeedHealth:
        """The present film's."""
        return self._feed.health if self._feed else FeedHealth()

    def __iter__(self) -> Iterator[Arrival]:
        """Yield frames until closed."""
        while not self._over:
            self._feed = feed_of(self.film).open()
            yield from self._feed

    def close(self) -> None:
        """End the iteration soon."""
        self._over = True
        if self._feed:
            self._feed.close()


class StandIn:
    """Takes the place of the networks: arrays of the real shapes, made from the image itself."""

    def __init__(self) -> None:
        self._draws = np.random.default_rng(3)

    def measure(self, frame: Frame) -> Measurement:
        """Give a score that depends on chance alone."""
        score = float(self._draws.normal())
        plain = frame.pixels if frame.pixels.ndim == 2 else frame.pixels[..., 0]
        rows, columns = (np.linspace(0, n - 1, SIDE_PX).astype(int) for n in plain.shape)
        x = (plain[rows[:, None], columns] / np.float32(255)).astype(np.float32)
        step = SIDE_PX // GRID_PX
        grid = x[::step, ::step]
        made = Reconstruction(x[..., None], grid, grid, x[..., None], {}, np.stack([grid, grid]), 0.0, {})
        return Measurement(score, {}, 3 * x, made, {"total": 1.0})


def measure(frame: Frame, made: Measurement) -> Mapping[str, float]:
    """Give statistics without drift: all of them by chance."""
    return {"brightness": abs(made.score), "score": made.score}


def stand_in() -> Judge:
    """Give a judge with a site's calibration of 200 normals."""
    scores = np.random.default_rng(4).normal(size=200)
    columns = {"brightness": tuple(np.abs(scores).tolist()), "score": tuple(scores.tolist())}
    site = SiteCalibration("0" * 64, 1, "stand-in", 0.05, columns, "-", "chance")
    scorer = Scorer("0" * 64, 1, "stand-in")
    in_force = Site(site, "1" * 64, None, measure)
    return Judge(StandIn(), scorer, 1_000_000, 1.0, in_force.rule, in_force)


def serve_stand_in(task: Mapping[str, Any]) -> int:
    """Run until a signal comes."""
    out, judge = Path(task["out"]), stand_in()
    with ExitStack() as parts:
        spool = Spool(out / "spool")
        parts.callback(spool.close)
        readers: dict[str, Reader] = {"results.jsonl": ResultsLog(out / "results.jsonl")}
        for uri in task["sinks"]:
            readers[uri] = SinkReader(sink_of(uri).open(SinkContext(out / "spool" / "sinks")))
        feeds = [Loop(task["film"]), feed_of(f"watch:{task['watched']}", settle_s=0.2, poll_s=0.1).open()]
        for feed in feeds:
            parts.callback(feed.close)
        board = Board(judge.rule.calibration, 1.0, {"bundle": "a stand-in for the networks"})
        how = ServiceSettings(out, RETENTION, PRUNE_EVERY_S, DRIFT)
        service = Service(judge, spool, feeds, readers, how, board=board)
        parts.enter_context(serving(board, parse_address(task["page"])))
        with stopped_by_signals(service):
            return int(service.run())


def serve_bundle(task: Mapping[str, Any]) -> int:
    """Run as ``sranogan-score`` does."""
    out = Path(task["out"])
    settings = Settings(
        bundle=Path(task["bundle"]),
        feeds=(
            VideoFeedSettings(task["film"]),
            WatchFeedSettings(f"watch:{task['watched']}", settle_s=0.2, poll_s=0.1),
        ),
        out=out,
        sinks=tuple(SINKS[uri.partition(":")[0]](uri) for uri in task["sinks"]),
        calibration=CalibrationSettings(Path(task["calibration"])),
        domain=DomainSettings(),
        drift=DRIFT,
        spool=SpoolSettings(folder=out / "spool"),
        retention=RETENTION,
        page=PageSettings(task["page"]),
    )
    return int(serve_settings(settings))


if __name__ == "__main__":
    log_to_stderr()
    given = json.loads(Path(sys.argv[1]).read_text())
    sys.exit(serve_bundle(given) if given.get("bundle") else serve_stand_in(given))
