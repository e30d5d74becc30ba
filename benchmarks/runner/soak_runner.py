"""The runner that benchmarks/runner/soak.py watches: ``python -m benchmarks.runner.soak_runner TASK.json``.

It is ``serve_settings``, as ``sranogan-score`` calls it. Without a bundle the neural networks are a stand-in
that takes no time; all the rest (decoder's process, spool, sinks, drift, board, page) is real.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.detector.in_force import Site
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import CalibrationSettings
from sranogan_edge.feeds.feed import Arrival, FeedHealth, FeedSettings
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.frame import Frame
from sranogan_edge.results.line import Scorer
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from sranogan_edge.service.run import log_to_stderr, serve_settings
from sranogan_edge.settings.tree import PageSettings, Settings, SpoolSettings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.site.drift import DriftSettings
from sranogan_edge.spool.retention import Retention

SIDE_PX, GRID_PX = 128, 32
THRESHOLD = 2.0
RETENTION = Retention(max_count=500, max_frames=2000)
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
            self._feed = VideoFeedSettings(self.film).open()
            yield from self._feed

    def close(self) -> None:
        """End the iteration soon."""
        self._over = True
        if self._feed:
            self._feed.close()


@dataclass(frozen=True)
class LoopSettings(FeedSettings):
    """A film that begins again at its end."""

    def open(self, without: Sequence[Path] = ()) -> Loop:
        """Nothing is opened before the first arrival is asked for."""
        return Loop(self.uri)


class StandIn:
    """Takes the place of the networks: arrays of the real shapes, made from the image itself."""

    def __init__(self) -> None:
        self._draws = np.random.default_rng(3)

    def measure(self, frame: Frame, pulse: Callable[[], object] = lambda: None) -> Measurement:
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


def serve(task: Mapping[str, Any]) -> int:
    """Run as ``sranogan-score`` does until a signal comes."""
    out, bundle = Path(task["out"]), task.get("bundle")
    film = VideoFeedSettings(task["film"]) if bundle else LoopSettings(task["film"])
    settings = Settings(
        bundle=Path(bundle or "stand-in.sranogan"),
        feeds=(film, WatchFeedSettings(f"watch:{task['watched']}", settle_s=0.2, poll_s=0.1)),
        out=out,
        sinks=tuple(map(sink_of, task["sinks"])),
        calibration=CalibrationSettings(Path(task["calibration"]) if bundle else None),
        drift=DRIFT,
        spool=SpoolSettings(folder=out / "spool"),
        retention=RETENTION,
        page=PageSettings(task["page"]),
    )
    return int(serve_settings(settings, judge=None if bundle else stand_in()))


if __name__ == "__main__":
    log_to_stderr()
    sys.exit(serve(json.loads(Path(sys.argv[1]).read_text())))
