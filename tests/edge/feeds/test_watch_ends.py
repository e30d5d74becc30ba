"""A watched folder at its end, and in trouble: what stays, what comes again, what is told."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from sranogan_edge.errors import SpoolInUseError
from sranogan_edge.feeds.watch import WatchFeed, WatchFeedSettings
from sranogan_edge.feeds.watch_folder import DropFolder
from tests.support.remote_results import Clock, wait_until


@pytest.mark.parametrize("gone", [True, False])
def test_a_file_that_another_took_is_no_trouble(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """Gone when it is to be renamed, it is somebody else's; there and not to be renamed, it is told."""
    feed, clock = unhurried
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    feed._complete()
    clock.now += 10

    def take(inside: Path, claim: str) -> None:
        if gone:
            path.unlink()
        raise FileNotFoundError(errno.ENOENT, "no such file")

    monkeypatch.setattr(feed._drop, "take", take)
    assert [list(feed._take(one)) for one in feed._complete()] == [[]]
    why = "" if gone else f"{path}: cannot be taken (no such file)"
    assert (feed.health.message, feed.health.state) == (why, "running" if gone else "stalled")


def test_files_that_nobody_took_before_the_end_stay(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path
) -> None:
    """Closed with the first of three complete files in hand, the feed takes no other."""
    feed, clock = unhurried
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    feed._complete()
    clock.now += 10
    before = time.time()
    for arrival in feed:
        assert arrival.frame_source == str(tmp_path / "a.png")
        assert feed.health.last_arrival is not None
        assert before <= feed.health.last_arrival <= time.time()
        feed.close()
    assert sorted(path.name for path in tmp_path.glob("*.png")) == names[1:]
    assert feed.health.state == "closed"


def test_claims_that_cannot_be_read_now_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run took comes once a share that was away is back, and the health says so meanwhile."""
    drop = DropFolder(tmp_path)
    drop.prepare()
    (tmp_path / "a.png").write_bytes(b"x")
    drop.take(Path("a.png"), "00000001-a")
    feed = WatchFeedSettings(f"watch:{tmp_path}", settle_s=0.01, poll_s=0.01).open()
    claims, seen = feed._drop.claims, list[str]()

    def away_twice() -> list[str]:
        if len(seen) == 2:
            return claims()
        seen.append(f"{feed.health.state} {feed.health.message}".strip())
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(feed._drop, "claims", away_twice)
    ends = threading.Timer(20.0, feed.close)
    ends.start()
    arrivals = iter(feed)
    first = next(arrivals, None)
    ends.cancel()
    assert first is not None
    assert first.frame_source == str(tmp_path / "a.png")
    assert (feed.health.state, feed.health.last_arrival) == ("running", first.received_at)
    assert seen == ["starting", f"stalled {tmp_path / '.sranogan'}: cannot be read (Input/output error)"]
    feed.close()


def test_a_feed_that_ends_while_its_claims_cannot_be_read_is_done(
    unhurried: tuple[WatchFeed, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed meanwhile, it asks for them no more."""
    feed, _ = unhurried
    asked = list[int]()

    def away() -> list[str]:
        asked.append(1)
        if len(asked) == 3:
            return []
        feed.close()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(feed._drop, "claims", away)
    assert (list(feed), len(asked)) == ([], 1)


class Waits(threading.Event):
    """An event that nobody waits for in vain: it notes how long they wanted to."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Note it."""
        self.noted.append(timeout)
        return self.is_set()


def test_what_is_closed_in_the_middle_is_let_go_at_its_end(tmp_path: Path) -> None:
    """Another runner may watch the folder once the last arrival of this one is done with."""
    settings = WatchFeedSettings(f"watch:{tmp_path}", settle_s=1e-9, poll_s=0.01)
    feed = settings.open()
    (tmp_path / "film.png").write_bytes(b"x")
    for _ in feed:
        feed.close()
        with pytest.raises(SpoolInUseError):
            settings.open()
    settings.open().close()


def test_claims_are_numbered_in_the_order_of_their_taking(tmp_path: Path) -> None:
    """So that those of an earlier run come in that order."""
    feed = WatchFeedSettings(f"watch:{tmp_path}", settle_s=1e-9, poll_s=0.01).open()
    keys = list[str]()
    for number in range(3):
        (tmp_path / f"{9 - number}.png").write_bytes(b"x")
        os.utime(tmp_path / f"{9 - number}.png", (number, number))
    for arrival in feed:
        keys.append(arrival.key)
        if len(keys) == 3:
            feed.close()
    assert [key[:9] for key in keys] == ["00000001-", "00000002-", "00000003-"]
    assert [key.rpartition("/")[2] for key in keys] == ["9.png", "8.png", "7.png"]


def test_a_feed_leaves_alone_what_others_write_inside_its_folder(tmp_path: Path) -> None:
    """Results and heat maps, wherever its settings are opened without."""
    (tmp_path / "out").mkdir()
    for name in ("out/heat.png", "film.png"):
        (tmp_path / name).write_bytes(b"x")
    feed = WatchFeedSettings(f"watch:{tmp_path}", settle_s=1e-9, poll_s=0.01).open([tmp_path / "out"])
    feed._complete()
    assert feed._complete() == [tmp_path / "film.png"]
    feed.close()


def test_a_feed_waits_where_nothing_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks; after a look that found something it looks again at once."""
    feed = WatchFeedSettings(f"watch:{tmp_path}", settle_s=1e-9, poll_s=7.0).open()
    feed._closed = closed = Waits()
    looks, look = list[int](), feed._complete

    def looked() -> list[Path]:
        looks.append(len(closed.noted))
        if len(looks) == 4:
            (tmp_path / "film.png").write_bytes(b"x")
        elif len(looks) == 7:
            feed.close()
        return look()

    monkeypatch.setattr(feed, "_complete", looked)
    assert len(list(feed)) == 1
    assert looks == [0, 1, 2, 3, 4, 4, 5]
    assert set(closed.noted) == {7.0}


def test_a_claim_that_cannot_be_read_stays_for_the_next_start(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the disk is told and not waited for; want of handles is, until the feed is closed."""
    feed, _ = unhurried
    troubles = [OSError(errno.EIO, "Input/output error")]

    def claimed(claim: str) -> list[Path]:
        raise troubles.pop()

    monkeypatch.setattr(feed._drop, "claimed", claimed)
    assert list(feed._claimed("1")) == []
    why = f"{tmp_path / '.sranogan' / '1'}: cannot be read (Input/output error)"
    assert (feed.health.state, feed.health.message, troubles) == ("stalled", why, [])
    feed.close()
    troubles.append(OSError(errno.EMFILE, "Too many open files"))
    assert list(feed._claimed("1")) == []


def test_a_share_that_is_away_is_told_until_it_is_back(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path
) -> None:
    """Looked at while it is gone, and again."""
    feed, _ = unhurried
    away = tmp_path.with_name(f"{tmp_path.name}-away")
    tmp_path.rename(away)
    assert feed._complete() == []
    why = f"{tmp_path}: cannot be read (No such file or directory)"
    assert (feed.health.state, feed.health.message) == ("stalled", why)
    away.rename(tmp_path)
    assert feed._complete() == []
    assert (feed.health.state, feed.health.message) == ("waiting", "")


def test_a_feed_lets_settled_files_go_while_it_watches(tmp_path: Path) -> None:
    """With keep_s it looks after done/ and failed/ by itself; without it they stay."""
    for keep_s in (None, 0.05):
        settings = WatchFeedSettings(f"watch:{tmp_path}", settle_s=0.02, poll_s=0.01, keep_s=keep_s)
        feed = settings.open()
        (tmp_path / "done" / "old.png").touch()
        watching = threading.Thread(target=list, args=(feed,), daemon=True)
        watching.start()
        if keep_s:
            wait_until(lambda: not (tmp_path / "done" / "old.png").exists())
        else:
            time.sleep(0.2)
            assert (tmp_path / "done" / "old.png").exists()
        feed.close()
        watching.join(30)
