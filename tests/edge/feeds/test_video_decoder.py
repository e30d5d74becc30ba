"""Decoders of video feeds that hang, crash, die or ask for too much memory: real processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.support.remote_results import wait_until
from tests.support.video_fakes import PATIENCE_S, camera, take


def test_a_decoder_that_hangs_is_stopped_and_started_again(tmp_path: Path) -> None:
    """Every decoder gives three frames and hangs; the runner gets nine, and knows of two new starts."""
    body = "def read(n):\n    time.sleep(3600 if n > 3 else 0.3)\n    return True, grey(n)"
    feed = camera(tmp_path, body, stall_s=1.0)
    assert len(take(feed, 9)) == 9
    assert feed.decoder_starts >= 3
    assert feed.health.reconnects == feed.decoder_starts - 1


def test_a_decoder_that_hangs_while_it_opens(tmp_path: Path) -> None:
    """The health says what is wrong while the feed tries again, and closing it does not wait."""
    feed = camera(tmp_path, "time.sleep(3600)", open_s=1.0, retry_s=(30.0, 60.0))
    runner = threading.Thread(target=lambda: list(feed))
    runner.start()
    wait_until(lambda: feed.health.state == "stalled")
    assert "no frame for 1 s, so its decoder was stopped; attempt 2 in" in feed.health.message
    closed = time.monotonic()
    feed.close()
    runner.join(PATIENCE_S)
    assert not runner.is_alive()
    assert time.monotonic() - closed < 10
    assert feed.health.state == "closed"


def test_a_decoder_that_was_killed(tmp_path: Path) -> None:
    """SIGKILL in the middle: the feed goes on with another decoder, and every frame is accounted for."""
    feed = camera(tmp_path, "def read(n):\n    time.sleep(0.02)\n    return True, grey(n % 250)")
    taken = 0
    for _ in feed:
        taken += 1
        if taken == 3:
            assert feed._process is not None
            os.kill(feed._process.pid, signal.SIGKILL)
        if taken == 6:
            feed.close()
    assert taken == 6
    assert feed.decoder_starts == 2
    assert feed.counts.read == feed.counts.given + feed.counts.dropped


def test_a_decoder_that_crashes_says_how(tmp_path: Path) -> None:
    """A segmentation fault ends the decoder, never the runner; the health names the signal."""
    body = "import signal\ndef read(n):\n    os.kill(os.getpid(), signal.SIGSEGV)"
    feed = camera(tmp_path, body, retry_s=(30.0, 60.0))
    runner = threading.Thread(target=lambda: list(feed))
    runner.start()
    wait_until(lambda: feed.health.state == "stalled")
    feed.close()
    runner.join(PATIENCE_S)
    assert "was ended by signal 11" in feed.health.message


def test_a_picture_above_the_budget(tmp_path: Path) -> None:
    """Its size is refused with the cure, and nothing is written past the shared memory."""
    body = "def read(n):\n    return True, grey(n, 2000, 2000)"
    feed = camera(tmp_path, body, max_pixels=1000, retry_s=(30.0, 60.0))
    runner = threading.Thread(target=lambda: list(feed))
    runner.start()
    wait_until(lambda: feed.health.state == "stalled")
    feed.close()
    runner.join(PATIENCE_S)
    assert "2000 x 2000 pixels is above the budget" in feed.health.message


def test_no_decoder_outlives_its_feed(tmp_path: Path) -> None:
    """A runner that just stops iterating leaves no process behind."""
    feed = camera(tmp_path, "def read(n):\n    time.sleep(0.02)\n    return True, grey(n)")
    frames = iter(feed)
    next(frames)
    assert feed._process is not None
    pid = feed._process.pid
    frames.close()  # type: ignore[attr-defined]  # the iterator is a generator
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
