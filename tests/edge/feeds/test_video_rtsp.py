"""A real RTSP server on loopback, killed and started again."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.video import VideoFeed

SERVER = Path(__file__).parents[2] / "services" / "rtsp_server.py"

PATIENCE_S = 90.0


class Server:
    """The server's process."""

    def __init__(self, python: str) -> None:
        self.python = python
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.process: subprocess.Popen[str] | None = None

    def start(self, width: int, height: int) -> None:
        command = [self.python, str(SERVER), str(self.port), str(width), str(height)]
        bare = {"PATH": "/usr/bin:/bin"}  # PYTHONPATH is for the tests' own Python
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=bare)
        assert self.process.stdout
        assert self.process.stdout.readline() == "serving\n"

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture
def server(gst_python: str) -> Iterator[Server]:
    """One that is running."""
    made = Server(gst_python)
    made.start(320, 240)
    yield made
    made.stop()


def test_a_stream_whose_server_dies_and_comes_back_with_another_size(server: Server) -> None:
    """Frames come, the loss is noticed and told, the feed opens the stream again and takes the new size."""
    feed = feed_of(
        f"rtsp://nurse:word@127.0.0.1:{server.port}/test", stall_s=4.0, open_s=30.0, retry_s=(0.2, 1.0)
    ).open()
    assert isinstance(feed, VideoFeed)
    shapes, told = [], []
    guard = threading.Timer(PATIENCE_S, feed.close)  # a stream without frames ends as a failure
    guard.start()
    for arrival in feed:
        assert arrival.frame is not None
        shapes.append(arrival.frame.pixels.shape)
        told.append(feed.health.message)
        if len(shapes) == 10:
            server.stop()
            server.start(160, 120)
        if shapes.count((120, 160, 3)) == 10:
            feed.close()
    guard.cancel()
    assert len(shapes) >= 20, feed.health
    assert shapes[:10] == [(240, 320, 3)] * 10
    assert feed.health.reconnects >= 1
    assert "the picture's size changed from 320 x 240 to 160 x 120 pixels" in told
    assert feed.counts.read == feed.counts.given + feed.counts.dropped
    assert "word" not in feed.name
