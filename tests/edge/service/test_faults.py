"""The runner whose device fails, or whose images break it: what waits, and what is given up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.feed import Arrival
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.service.delivery import ResultsLog
from tests.support.service_bench import Bench, Camera, images, lines, wait_for


def test_a_fault_is_tried_again_and_a_lasting_one_dead_lettered(bench: Bench) -> None:
    """One failure of the device costs an attempt; three cost the object, not the others."""
    bench.detector.faults = [MemoryError("no memory")]
    log = bench.root / "results.jsonl"
    assert bench.build(feed_of(str(images(bench.root / "in", 10))).open(), log=ResultsLog(log)).run() == 0
    bench.detector.faults = [RuntimeError("driver lost")] * 3
    service = bench.build(feed_of(str(images(bench.root / "in", 20, 30))).open(), log=ResultsLog(log))
    assert service.run() == ExitCode.SOME_FAILED
    found = {Path(r["file"]).name: r for r in lines(log)}
    assert found["10.png"]["score"] == 10
    assert "given up after 3 attempts" in found["20.png"]["error"]
    assert "RuntimeError: driver lost" in found["20.png"]["error"]
    assert found["30.png"]["score"] == 30


def test_a_device_that_fails_costs_no_object(bench: Bench) -> None:
    """While the golden cases fail as well, all wait, however often it is tried; then each is scored."""
    bench.detector.lost = RuntimeError("driver lost")
    log = bench.root / "results.jsonl"
    service = bench.build(feed_of(str(images(bench.root / "in", 10, 20, 30))).open(), log=ResultsLog(log))
    stop = bench.in_background(service)
    wait_for(lambda: bench.detector.calls >= 4)
    (alarm,) = service.alarms.now
    assert "(RuntimeError: driver lost), nor can the bundle's golden cases: RuntimeError" in alarm
    wait_for(lambda: bench.spool.waiting() == 3)
    stop()
    bench.detector.lost = None
    service = bench.build(log=ResultsLog(log))
    assert service.run() == ExitCode.OK
    assert [r["score"] for r in lines(log)] == [10, 20, 30]
    assert not service.alarms.now


def test_what_breaks_the_device_each_time_is_given_up(bench: Bench) -> None:
    """Such an object would hold up the others for ever: after three restarts it is dead-lettered."""
    folder = images(bench.root / "in", 10, 20)
    measure = bench.detector.measure

    def break_at_10(frame: Frame, pulse: Callable[[], object] = lambda: None) -> Measurement:
        if frame.pixels.mean() == 10:
            bench.detector.lost = RuntimeError("the context is lost")
        return measure(frame, pulse)

    bench.detector.measure = break_at_10  # type: ignore[method-assign]
    for attempt in range(1, 4):
        calls = bench.detector.calls
        stop = bench.in_background(bench.build(feed_of(str(folder)).open()))
        wait_for(lambda calls=calls: bench.detector.calls > calls + 1)  # type: ignore[misc]
        stop()
        assert bench.spool.entry(1).attempts == attempt
        bench.detector.lost = None
    bench.build(feed_of(str(folder)).open()).run()
    assert bench.spool.counts() == {"received": 0, "scoring": 0, "done": 1, "dead": 1}


def test_a_fault_on_a_camera_frame_is_one_frame(bench: Bench) -> None:
    """It is counted with its reason and an alarm; after the pause the next one is scored, and it is over."""
    bench.detector.faults = [RuntimeError("driver lost")]
    told: list[str] = []

    class Slow(Camera):
        def __iter__(self) -> Iterator[Arrival]:
            first, second = super().__iter__()
            yield first
            wait_for(lambda: service.failed == 1)
            told.extend(service.alarms.now)
            wait_for(lambda: not service._scoring.faults.pause_s)
            yield second

    log = bench.root / "results.jsonl"
    service = bench.build(Slow(2), log=ResultsLog(log))
    assert service.run() == ExitCode.SOME_FAILED
    assert [r["score"] for r in lines(log)] == [None, 2]
    assert lines(log)[0]["error"] == "RuntimeError: driver lost"
    assert told[0].startswith("frame 1 cannot be scored (RuntimeError: driver lost), but the device works.")
    assert not service.alarms.now


def test_a_dead_letter_is_tried_again(bench: Bench) -> None:
    """Its bytes, copied from dead/ into a watched folder, are another object."""
    bench.detector.faults = [RuntimeError("driver lost")] * 3
    log = ResultsLog(bench.root / "results.jsonl")
    bench.build(feed_of(str(images(bench.root / "in", 20))).open(), log=log).run()
    (dead,) = (path for path in (bench.spool.folder / "dead").iterdir() if path.suffix != ".txt")
    watched = images(bench.root / "again")
    stop = bench.in_background(
        bench.build(WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open(), log=log)
    )
    shutil.copy(dead, watched / "20.png")
    wait_for((watched / "done" / "20.png").exists)
    assert stop() == ExitCode.OK
    assert [r["score"] for r in lines(log.path)] == [None, 20]
