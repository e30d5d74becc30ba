"""Cameras of the tests: the real decoder process, whose OpenCV capture is a few lines of Python."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from sranogan_edge.feeds.feed import Arrival
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.feeds.video_source import source_of

PATIENCE_S = 60.0  # a machine that other work keeps busy

FAKE = """
import os, sys, time
import cv2
import numpy as np
from sranogan_edge.feeds import video_worker

class Capture:
    number = 0
    def isOpened(self): return OPENED
    def getBackendName(self): return "FAKE"
    def get(self, prop): return 0.0
    def read(self):
        self.number += 1
        return read(self.number)

def grey(value, height=48, width=64):
    return np.full((height, width, 3), value, np.uint8)

OPENED = True
{body}
video_worker.open_capture = lambda task: Capture()
video_worker.main()
"""


def decoder(tmp_path: Path, body: str) -> tuple[str, ...]:
    """The command of a worker whose camera's ``read(number)`` is ``body``."""
    script = tmp_path / "decoder.py"
    script.write_text(FAKE.replace("{body}", body))
    return (sys.executable, str(script))


def camera(tmp_path: Path, body: str, **options: Any) -> VideoFeed:
    """A live feed of such a worker."""
    usual = {"retry_s": (0.05, 0.2), "open_s": PATIENCE_S, "stall_s": PATIENCE_S}
    uri = "camera:/dev/video9"
    settings = VideoFeedSettings(uri, **{**usual, **options})
    return VideoFeed(source_of(uri), settings, decoder(tmp_path, body))


def take(feed: VideoFeed, count: int) -> list[Arrival]:
    """The first ``count`` arrivals; the feed is closed after."""
    arrivals: list[Arrival] = []
    guard = threading.Timer(2 * PATIENCE_S, feed.close)  # a test that hangs ends as a failure
    guard.start()
    for arrival in feed:
        arrivals.append(arrival)
        if len(arrivals) == count:
            feed.close()
    guard.cancel()
    assert len(arrivals) == count, feed.health
    return arrivals
