"""``gst:`` with a real GStreamer: the decoder runs under Debian's Python, whose OpenCV has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import pytest

import sranogan_edge
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.feeds.video_source import source_of
from tests.support.video_fakes import PATIENCE_S, take

PYTHON = "/usr/bin/python3"
HAS_GSTREAMER = "import cv2, sys; sys.exit(not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER))"
TO_US = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1"
pytestmark = pytest.mark.services


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The decoder's command; the runner's own OpenCV has no GStreamer, and is told that it has."""
    try:
        missing = subprocess.run([PYTHON, "-c", HAS_GSTREAMER], capture_output=True, check=False).returncode
    except OSError:
        missing = 1
    if missing:
        pytest.skip("no OpenCV with GStreamer here: apt install python3-opencv gstreamer1.0-plugins-good")
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda backend: True)
    package = Path(sranogan_edge.__path__[0]).parent
    return ("/usr/bin/env", f"PYTHONPATH={package}", PYTHON, "-m", "sranogan_edge.feeds.video_worker")


def opened(pipeline: str, command: tuple[str, ...]) -> VideoFeed:
    """A feed of ``pipeline``."""
    uri = f"gst:{pipeline} ! {TO_US}"
    settings = VideoFeedSettings(uri, retry_s=(0.05, 0.2), open_s=PATIENCE_S, stall_s=PATIENCE_S)
    return VideoFeed(source_of(uri), settings, command)


def test_a_pipeline_is_a_camera(command: tuple[str, ...]) -> None:
    """Frames come in R, G, B order, and all that were read are accounted for."""
    feed = opened("videotestsrc is-live=true pattern=red ! video/x-raw,width=320,height=240", command)
    for arrival in take(feed, 10):
        assert arrival.frame is not None
        assert arrival.frame.pixels.shape == (240, 320, 3)
        assert arrival.frame.pixels.reshape(-1, 3).mean(0) == pytest.approx([255, 0, 0], abs=4)
    assert feed.health.reconnects == 0
    assert feed.counts.read == feed.counts.given + feed.counts.dropped


def test_a_pipeline_that_ends_is_started_again(command: tuple[str, ...]) -> None:
    """A source that ends after five frames is a camera that was lost: it comes back."""
    feed = opened("videotestsrc num-buffers=5 is-live=true ! video/x-raw,width=64,height=48", command)
    take(feed, 12)
    assert feed.health.reconnects >= 2
