"""How long a lost camera is left alone: ever longer, and anew once it has lasted."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sranogan_edge.feeds import video
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.feeds.video_process import WorkerGone
from sranogan_edge.feeds.video_source import source_of
from sranogan_edge.image.frame import Frame, Photometric
from tests.support.remote_results import Clock

URI = "camera:/dev/video9"


class Decoder:
    """A decoder's process whose camera gives so many frames, one a second, and is gone."""

    def __init__(self, frames: int, clock: Clock) -> None:
        self.left, self.clock = frames, clock
        self.counters = SimpleNamespace(read=0, thinned=0, newest=0)
        self.is_open = False

    def ask(self) -> None:
        """Its next answer is a frame."""

    def answer(self, _: float) -> dict[str, Any]:
        if not self.is_open:
            self.is_open = True
            return {"opened": True}
        if not self.left:
            raise WorkerGone("unplugged")
        self.left -= 1
        self.counters.read += 1
        self.clock.now += 1
        return {"frame": {"read_at": time.time(), "number": self.counters.read}}

    def frame(self, stated: dict[str, Any], source: str) -> Frame:
        pixels = np.full((8, 8), stated["number"] % 250, np.uint8)
        return Frame(pixels, 8, Photometric.MONOCHROME2, source=source)

    def kill(self) -> None:
        """It is no process."""

    release = kill


def pauses(monkeypatch: pytest.MonkeyPatch, lives: list[int]) -> list[float]:
    """The pauses after cameras that give so many frames each; pauses of 1 to 8 s, and 10 s are stable."""
    clock, waits, left = Clock(), [], list(lives)

    class Closing(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            if not left:
                self.set()
            return self.is_set()

    monkeypatch.setattr(video, "time", SimpleNamespace(monotonic=clock, time=time.time))
    monkeypatch.setattr(video, "VideoProcess", lambda *_: Decoder(left.pop(0), clock))
    feed = VideoFeed(source_of(URI), VideoFeedSettings(URI, retry_s=(1.0, 8.0), stable_s=10.0))
    feed._closing = Closing()
    assert len(list(feed)) == sum(lives)
    assert feed.counts.given == sum(lives)
    return waits


@pytest.mark.parametrize(
    ("lives", "longest"),
    [
        ([0, 0, 0, 0, 0], [1, 2, 4, 8, 8]),
        ([1, 1, 1, 1, 1], [1, 2, 4, 8, 8]),
        ([9, 9, 9, 9], [1, 2, 4, 8]),
        ([1, 1, 1, 12, 1, 1], [1, 2, 4, 1, 2, 4]),
        ([12, 12, 12], [1, 1, 1]),
    ],
    ids=["never there", "one frame each", "nine seconds each", "stable in between", "always stable"],
)
def test_pauses_grow_until_a_camera_lasts(
    monkeypatch: pytest.MonkeyPatch, lives: list[int], longest: list[float]
) -> None:
    """They double, and are drawn from the upper half; ten seconds of frames end that, no single frame."""
    found = pauses(monkeypatch, lives)
    assert len(found) == len(longest)
    for pause_s, most in zip(found, longest, strict=True):
        assert most / 2 <= pause_s <= most
