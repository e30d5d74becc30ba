"""A runner whose detector is a stand-in: it reads the image's mean and waits a few milliseconds.

``python runner.py FEED OUT SPOOL [MILLISECONDS]``; FEED is a URI or a folder to watch. All but the
neural networks is real. An image of mean 13 ends the process, as a crash in a decoder or a driver would.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sranogan_edge.commands.options import feeds_of, sinks_of
from sranogan_edge.errors import SranoganError
from sranogan_edge.feeds.kinds import is_feed_uri
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS
from sranogan_edge.results.line import Scorer
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from sranogan_edge.scoring.rule import Rule
from sranogan_edge.service.run import log_to_stderr, serve_settings
from sranogan_edge.service.scoring import Judge
from sranogan_edge.settings.tree import Settings, SpoolSettings

POISON = 13


class StandIn:
    """Scores an image by its mean."""

    def __init__(self, milliseconds: float = 0.0) -> None:
        self.seconds = milliseconds / 1000

    def measure(self, frame: Frame, pulse: Callable[[], object] = lambda: None) -> Measurement:
        """Give the mean as the score; end the process on the poison."""
        score = float(frame.pixels.mean())
        time.sleep(self.seconds)
        if score == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        flat = np.zeros((8, 8), np.float32)
        made = Reconstruction(flat[..., None], flat, flat, flat, {}, flat, 0.0, {})
        return Measurement(score, {}, flat, made, {"total": 1.0})


def stand_in(milliseconds: float = 0.0) -> Judge:
    """Give a judge for tests."""
    rule = Rule(Calibration((200.0,), 0.5))  # anomalous above 200
    return Judge(StandIn(milliseconds), Scorer("0" * 64, 1, "stand-in"), DEFAULT_MAX_PIXELS, None, rule)


def settings_of(feed: str, out: Path, spool: Path, *sinks: str) -> Settings:
    """Give the settings of a runner with a stand-in; it looks at a folder more often than by default."""
    (found,) = feeds_of([feed], None, None)
    if isinstance(found, WatchFeedSettings):
        found = replace(found, settle_s=0.05, poll_s=0.02)
    return Settings(
        Path("stand-in.sranogan"),
        (found,),
        out,
        sinks_of(sinks),
        spool=SpoolSettings(folder=spool, min_free_bytes=0),
    )


def main() -> int:
    """Score the feed until a signal comes."""
    feed, out, spool = sys.argv[1:4]
    log_to_stderr()
    try:
        judge = stand_in(float(sys.argv[4]) if len(sys.argv) > 4 else 3.0)
        uri = feed if is_feed_uri(feed) else f"watch:{feed}"
        settings = settings_of(uri, Path(out), Path(spool), f"jsonl:{out}/sink")
        return int(serve_settings(settings, judge=judge))
    except SranoganError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
