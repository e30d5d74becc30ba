"""Feeds that fail under the runner: files that may not be read, films that are none, a spool that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.errors import ExitCode, FeedError, SpoolError
from sranogan_edge.feeds.feed import Feed
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.service.delivery import ResultsLog
from tests.support.service_bench import Bench, Camera, images, lines, wait_for

NOBODY = 65534


@pytest.fixture
def warm_decoder() -> Iterator[Decoder]:
    """Give one that runs already: the tests' own Python may be closed to another user."""
    made = Decoder()
    made.warm()
    yield made
    made.close()


def test_files_that_may_not_be_read(warm_decoder: Decoder, as_nobody: Path) -> None:
    """Each has its line and counts as failed; one that stays where it is is scored once it may be read."""
    folder, watched = images(as_nobody / "in", 40, 50), images(as_nobody / "watched", 20, 30)
    for closed in (folder / "50.png", watched / "30.png"):
        closed.chmod(0)
    bench, log = Bench(as_nobody), as_nobody / "results.jsonl"
    bench.decoder = warm_decoder
    service = bench.build(feed_of(str(folder)).open(), log=ResultsLog(log))
    assert service.run() == ExitCode.SOME_FAILED
    assert (service.scored, service.failed) == (1, 1)
    (folder / "50.png").chmod(0o600)
    assert bench.build(feed_of(str(folder)).open(), log=ResultsLog(log)).run() == ExitCode.OK
    feed = WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open()
    stop = bench.in_background(bench.build(feed, log=ResultsLog(log)))
    wait_for(lambda: (watched / "done" / "20.png").exists() and (watched / "failed" / "30.png").exists())
    assert stop() == ExitCode.OK
    bench.spool.close()
    found = [(Path(r["file"]).name, r["score"]) for r in lines(log)]
    assert set(found) == {("40.png", 40), ("50.png", None), ("50.png", 50), ("20.png", 20), ("30.png", None)}
    assert len(found) == 5
    assert all("(Permission denied)" in r["error"] for r in lines(log) if r["score"] is None)


def test_a_feed_that_fails_for_good(bench: Bench) -> None:
    """The only one ends the runner with its error; what came before is scored and delivered."""
    log = bench.root / "results.jsonl"
    with pytest.raises(FeedError, match="unplugged"):
        bench.build(Camera(3, FeedError("unplugged")), log=ResultsLog(log)).run()
    assert [r["score"] for r in lines(log)] == [1, 2, 3]


def test_a_feed_that_fails_ends_alone(bench: Bench) -> None:
    """A film that cannot be read is an alarm and an exit code; scanners and folders go on."""
    log = bench.root / "results.jsonl"
    (bench.root / "film.mp4").write_bytes(bytes(5000))

    def failing() -> tuple[Feed, Feed]:
        return feed_of(str(bench.root / "film.mp4")).open(), Camera(2, FeedError("unplugged"))

    files = feed_of(str(images(bench.root / "in", 10, 20))).open()
    assert bench.build(*failing(), files, log=ResultsLog(log)).run() == ExitCode.SOME_FAILED
    assert sorted(r["score"] for r in lines(log)) == [1, 2, 10, 20]
    with pytest.raises(FeedError):
        bench.build(*failing(), log=ResultsLog(log)).run()
    watched = images(bench.root / "watched", 30)
    feed = WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open()
    service = bench.build(*failing(), feed, log=ResultsLog(log))
    stop = bench.in_background(service)
    wait_for(lambda: len(service.alarms.now) == 2)
    assert all(word in " ".join(service.alarms.now) for word in ("cannot be opened", "unplugged"))
    images(watched, 40)
    wait_for((watched / "done" / "40.png").exists)
    assert stop() == ExitCode.OK


def test_a_spool_that_fails_ends_all(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a feed's own trouble is not left to the others."""

    def broken(*_: object, **__: object) -> None:
        raise SpoolError("the disk is gone")

    monkeypatch.setattr(bench.spool, "put", broken)
    watched = images(bench.root / "watched")
    feeds = (
        feed_of(str(images(bench.root / "in", 10))).open(),
        WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open(),
    )
    with pytest.raises(SpoolError, match="the disk is gone"):
        bench.build(*feeds, log=ResultsLog(bench.root / "results.jsonl")).run()
