"""Frames on their way to the detector: the newest is scored, each camera in its turn, all are counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.feed import Arrival, FeedHealth
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.service import frames
from sranogan_edge.service.delivery import ResultsLog
from sranogan_edge.service.frames import Frames
from tests.support.service_bench import PATIENCE_S, Bench, Camera, images, lines, wait_for
from tests.support.video_fakes import camera


class Moments:
    """A camera whose picture is the present moment; time passes only while an image is scored."""

    def __init__(self, name: str) -> None:
        self.name, self.health = name, FeedHealth()
        self.now, self.ends = 1, False
        self.given = self.left_out = 0
        self._change = threading.Condition()

    def pass_by(self) -> None:
        """Ten frames later."""
        with self._change:
            self.now += 10
            self._change.notify_all()

    def __iter__(self) -> Iterator[Arrival]:
        seen = 0
        while True:
            with self._change:
                self._change.wait_for(lambda last=seen: self.now > last or self.ends)  # type: ignore[misc]
                if self.ends:
                    return
                seen = self.now
            self.given += 1
            frame = Frame(np.full((20, 20), seen, np.uint16), 16, Photometric.MONOCHROME2)
            yield Arrival(
                f"{self.name}@{seen}",
                0.0,
                frame=frame,
                outdated=partial(self._is_past, seen),
                leave_out=self._leave_out,
            )

    def close(self) -> None:
        """End."""
        with self._change:
            self.ends = True
            self._change.notify_all()

    def _is_past(self, moment: int) -> bool:
        return self.now > moment

    def _leave_out(self) -> None:
        self.left_out += 1


def test_what_is_scored_is_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long images take and whatever else waits: no frame is older than its camera's newest."""
    monkeypatch.setattr(frames, "_RENEWAL_S", PATIENCE_S)
    bench, cameras = Bench(tmp_path), [Moments("one"), Moments("two")]
    measure, scored, late = bench.detector.measure, [], []

    def slowly(frame: Frame, pulse: Callable[[], object] = lambda: None) -> Measurement:
        made = measure(frame, pulse)
        if frame.pixels.dtype == np.uint16:
            scored.append(made.score)
            late.append(made.score not in [moments.now for moments in cameras])
        for moments in cameras:
            moments.pass_by()
        return made

    bench.detector.measure = slowly  # type: ignore[method-assign]
    files = feed_of(str(images(tmp_path / "in", *range(1, 6)))).open()
    stop = bench.in_background(bench.build(*cameras, files, log=ResultsLog(tmp_path / "results.jsonl")))
    wait_for(lambda: len(scored) >= 30 and bench.spool.counts()["done"] == 5)
    assert stop() == ExitCode.OK
    assert not any(late)
    given, left_out = (sum(getattr(one, n) for one in cameras) for n in ("given", "left_out"))
    assert left_out > 0
    assert len(scored) + left_out <= given <= len(scored) + left_out + len(cameras)  # in hand at the stop
    assert len([r for r in lines(tmp_path / "results.jsonl") if "@" in r["file"]]) == len(scored)
    bench.spool.close()


def test_each_camera_in_its_turn() -> None:
    """While frames of three cameras wait, they are taken in turn; one without a frame is passed over."""
    feeds = [Camera(6), Camera(6), Camera(3)]
    for number, feed in enumerate(feeds):
        feed.name = f"camera:{number}"
    waiting = Frames(feeds, lambda: None)

    def follow(feed: Camera) -> None:
        for arrival in feed:
            waiting.offer(feed, arrival)

    def enough(count: int) -> bool:
        return sum(slot.arrival is not None for slot in waiting._slots.values()) == count

    threads = [threading.Thread(target=follow, args=(feed,), daemon=True) for feed in feeds]
    for thread in threads:
        thread.start()
    taken: list[str] = []
    for count in (3,) * 9 + (2,) * 5 + (1,):
        wait_for(partial(enough, count))
        found = waiting.take()
        assert found
        taken.append(found[0][-1])
    assert "".join(taken) == "012" * 3 + "01" * 3
    assert waiting.take() is None
    assert not waiting


def test_a_camera_counts_what_came_back(tmp_path: Path) -> None:
    """A frame is outdated as soon as the decoder has a newer one; left out, it is dropped and not given."""
    feed = camera(tmp_path, "def read(n):\n    time.sleep(0.01)\n    return True, grey(n % 250)")
    for count, arrival in enumerate(feed, start=1):
        wait_for(arrival.outdated)
        if count in (2, 3):
            arrival.leave_out()
        if count == 5:
            feed.close()
    counts = feed.counts
    assert count == 5
    assert counts.given == 3
    assert counts.read == counts.given + counts.thinned + counts.dropped
