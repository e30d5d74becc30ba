"""``watch:DIR``: complete files only, each once, in done/ or failed/ at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sranogan_edge.errors import FeedError, SettingsError, SpoolInUseError
from sranogan_edge.feeds.feed import Arrival
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.watch import WatchFeed, WatchFeedSettings
from sranogan_edge.feeds.watch_names import free_name
from tests.support.disks import synced_by
from tests.support.remote_results import Clock


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[WatchFeed]:
    """Give a feed on an empty folder, quick enough for tests."""
    feed = WatchFeedSettings(f"watch:{tmp_path}", settle_s=0.1, poll_s=0.02).open()
    yield feed
    feed.close()


def taken(feed: WatchFeed, count: int, within_s: float = 20.0) -> list[Arrival]:
    """The next arrivals: ``count`` of them, or those that came until the time was over."""
    timer = threading.Timer(within_s, feed.close)
    timer.start()
    found: list[Arrival] = []
    for arrival in feed:
        found.append(arrival)
        if len(found) == count:
            feed.close()
    timer.cancel()
    return found


def tree(folder: Path) -> list[str]:
    """The files below ``folder``, but for the lock."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "lock")


def test_files_are_taken_and_moved(watch: WatchFeed, tmp_path: Path) -> None:
    """Sub-folders too; what was scored lies in done/, what was not in failed/, no claim is left."""
    (tmp_path / "ward" / "a").mkdir(parents=True)
    for name in ("one.png", "ward/a/two.dcm", "ward/notes.png"):
        (tmp_path / name).write_text(name)
    arrivals = taken(watch, 3)
    assert {a.frame_source for a in arrivals} == {
        str(tmp_path / n) for n in ("one.png", "ward/a/two.dcm", "ward/notes.png")
    }
    assert len({a.key for a in arrivals}) == 3
    for arrival in arrivals:
        assert arrival.path == arrival.origin
        assert arrival.path is not None
        assert arrival.path.read_text() in arrival.frame_source
        arrival.settle("notes" not in arrival.frame_source)
    assert tree(tmp_path) == ["done/one.png", "done/ward/a/two.dcm", "failed/ward/notes.png"]
    assert [p.name for p in (tmp_path / ".sranogan").iterdir()] == ["lock"]
    assert watch.health.state == "closed"


def test_what_is_no_image_stays_and_is_told(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Hidden files, unfinished transfers, what is no image, and done/ stay; the log counts them once."""
    feed, clock = unhurried
    kept = [
        ".hidden.png",
        "film.png.part",
        "~lock.png",
        "Thumbs.db",
        "done/old.png",
        ".git/x.png",
        "notes.txt",
    ]
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to("nowhere.png")
    caplog.set_level("DEBUG", "sranogan_edge")
    for clock.now in (0.0, 9.0, 10.0, 100.0, 1000.0):
        assert feed._complete() == []
    assert set(kept) <= set(tree(tmp_path))
    counts = "passed over: 2 hidden, 1 of the system, 2 unfinished, 2 not images; they stay"
    assert caplog.messages.count(f"feed watch:{tmp_path}: {counts}") == 1
    begin = f"feed watch:{tmp_path}:"
    assert f"{begin} passed over: {tmp_path / 'notes.txt'}: not an image" in caplog.messages
    why = "leads nowhere: its target nowhere.png is not there. Mend or remove the link."
    assert caplog.messages.count(f"{begin} {tmp_path / 'broken.png'}: {why}") == 1
    assert feed.health.message == f"1 unreadable, such as {tmp_path / 'broken.png'}: {why}"


def test_what_a_link_leads_to_is_scored_once_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to another folder: it is not moved, has one key, and comes again once it is another."""
    (tmp_path / "in").mkdir()
    (tmp_path / "store" / "a").mkdir(parents=True)
    for name in ("store/a/one.png", "store/two.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "in" / "ct").symlink_to("../store/a")
    (tmp_path / "in" / "two.png").symlink_to("../store/two.png")
    clock = Clock()
    monkeypatch.setattr("sranogan_edge.feeds.watch.time", SimpleNamespace(monotonic=clock, time=time.time))

    def looked() -> list[Arrival]:
        """All that arrives in a hundred seconds."""
        found = []
        for _ in range(100):
            clock.now += 1
            found += [arrival for path in feed._complete() for arrival in feed._take(path)]
        return found

    keys = set()
    for _ in range(2):
        feed = WatchFeedSettings(f"watch:{tmp_path / 'in'}", settle_s=10.0).open()
        arrivals = looked()
        assert [a.frame_source for a in arrivals] == [
            str(tmp_path / "in" / name) for name in ("ct/one.png", "two.png")
        ]
        keys |= {a.key for a in arrivals}
        for arrival in arrivals:
            arrival.settle(True)
        assert looked() == []
        feed.close()
    assert len(keys) == 2
    assert tree(tmp_path / "store") == ["a/one.png", "two.png"]
    assert tree(tmp_path / "in") == ["two.png"]
    feed = WatchFeedSettings(f"watch:{tmp_path / 'in'}", settle_s=10.0).open()
    assert {a.key for a in looked()} == keys
    (tmp_path / "store" / "two.png").write_bytes(b"another")
    [again] = looked()
    assert again.key not in keys
    feed.close()


@pytest.mark.parametrize("name", ["a" * 251 + ".png", "é" * 125 + "x.png", "b." + "c" * 253])
def test_the_longest_names(tmp_path: Path, name: str) -> None:
    """A second file of a name of 255 bytes is moved under a name that is no longer, suffix and all."""
    free = [free_name(tmp_path / name)]
    for _ in range(11):
        free[-1].touch()
        free.append(free_name(tmp_path / name))
    assert free[0].name == name
    assert len({path.name for path in free}) == 12
    assert all(len(os.fsencode(path.name)) <= 255 for path in free)
    if name.endswith(".png"):
        assert all(path.suffix == ".png" for path in free)


def test_two_files_of_the_longest_name(tmp_path: Path) -> None:
    """Both end in done/, and no claim is left."""
    name = "a" * 251 + ".png"
    for text in "ab":
        (tmp_path / name).write_text(text)
        feed = WatchFeedSettings(f"watch:{tmp_path}", settle_s=0.01, poll_s=0.01).open()
        [arrival] = taken(feed, 1)
        arrival.settle(True)
        assert feed.health.message == ""
    assert tree(tmp_path) == [f"done/{'a' * 249}-2.png", f"done/{name}"]
    assert [path.name for path in (tmp_path / ".sranogan").iterdir()] == ["lock"]


def test_a_file_is_whole_before_it_is_taken(watch: WatchFeed, tmp_path: Path) -> None:
    """While somebody writes, it waits; what comes then has every byte."""
    done = threading.Event()

    def write() -> None:
        with (tmp_path / "slow.png").open("wb", buffering=0) as file:
            for _ in range(20):
                file.write(bytes(100))
                time.sleep(0.02)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    [arrival] = taken(watch, 1)
    assert done.is_set()
    assert arrival.path is not None
    assert arrival.path.stat().st_size == 2000
    writer.join()


def rewritten(path: Path, content: bytes) -> None:
    """Other bytes in the place of a file's, a second later by its time of change."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    assert path.stat().st_ino == before.st_ino


@pytest.mark.parametrize("content", [b"more bytes", b"other"], ids=["another size", "the same size"])
def test_a_file_that_is_written_again_waits_again(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path, content: bytes
) -> None:
    """Its time begins with the last change, of whatever size it is then."""
    feed, clock = unhurried
    (tmp_path / "film.png").write_bytes(b"bytes")
    for now, complete in ((0.0, 0), (9.9, 0), (10.0, 1)):
        clock.now = now
        assert len(feed._complete()) == complete
    rewritten(tmp_path / "film.png", content)
    for now, complete in ((10.1, 0), (20.0, 0), (20.2, 1)):
        clock.now = now
        assert len(feed._complete()) == complete


@pytest.mark.parametrize("content", [b"more bytes", b"other"], ids=["another size", "the same size"])
def test_a_file_that_changes_between_the_look_and_the_rename_stays(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path, content: bytes
) -> None:
    """Somebody writes to it still: it is not taken, and waits its time; then it comes with its last bytes."""
    feed, clock = unhurried
    film = tmp_path / "film.png"
    film.write_bytes(b"bytes")
    for clock.now in (0.0, 10.0):
        complete = feed._complete()
    assert complete == [film]
    rewritten(film, content)
    assert list(feed._take(film)) == []
    assert tree(tmp_path) == ["film.png"]
    for clock.now in (11.0, 20.9):
        assert feed._complete() == []
    clock.now = 21.0
    assert feed._complete() == [film]
    [arrival] = feed._take(film)
    assert arrival.opened is not None
    with arrival.opened() as file:
        assert file.read() == content
    assert not film.exists()


def test_names_are_on_the_disk_when_a_file_moves(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim's folder once it has the file, and ``done`` once that has it."""
    feed, clock = unhurried
    (tmp_path / "film.png").write_bytes(b"bytes")
    for clock.now in (0.0, 10.0):
        complete = feed._complete()
    synced = synced_by(monkeypatch)
    [arrival] = feed._take(*complete)
    assert arrival.path is not None
    assert synced == [arrival.path.parent.name]
    arrival.settle(True)
    assert synced[1:] == ["done"]


def test_a_renamed_file_is_taken(watch: WatchFeed, tmp_path: Path) -> None:
    """The way that writers should go: another name until it is complete."""
    (tmp_path / "film.png.part").write_bytes(b"x")
    threading.Timer(0.3, lambda: (tmp_path / "film.png.part").rename(tmp_path / "film.png")).start()
    assert [a.frame_source for a in taken(watch, 1)] == [str(tmp_path / "film.png")]


def test_one_name_many_times(tmp_path: Path) -> None:
    """Each is an object of its own; in done/ they stand side by side."""
    keys = set()
    for text in "abc":
        (tmp_path / "film.png").write_text(text)
        [arrival] = taken(WatchFeedSettings(f"watch:{tmp_path}", settle_s=0.01, poll_s=0.01).open(), 1)
        keys.add(arrival.key)
        arrival.settle(True)
    assert len(keys) == 3
    assert tree(tmp_path) == ["done/film-2.png", "done/film-3.png", "done/film.png"]
    assert (tmp_path / "done" / "film-3.png").read_text() == "c"


def test_what_was_taken_and_not_settled_comes_again(watch: WatchFeed, tmp_path: Path) -> None:
    """After a crash the file has the same key: the spool knows whether it was scored."""
    (tmp_path / "film.png").write_bytes(b"x")
    (tmp_path / ".sranogan" / "00000009-empty" / "sub").mkdir(parents=True)  # killed before the rename
    [before] = taken(watch, 1)
    [after] = taken(WatchFeedSettings(f"watch:{tmp_path}", settle_s=0.01, poll_s=0.01).open(), 1)
    assert (before.key, before.frame_source) == (after.key, after.frame_source)
    after.settle(True)
    assert tree(tmp_path) == ["done/film.png"]
    assert not (tmp_path / ".sranogan" / "00000009-empty").exists()


def test_a_folder_that_goes_and_comes_back(watch: WatchFeed, tmp_path: Path) -> None:
    """A share that was unplugged is a state with its reason, not an end."""
    away = tmp_path.with_name("away")
    found: list[Arrival] = []
    thread = threading.Thread(target=lambda: found.extend(taken(watch, 1)))
    tmp_path.rename(away)
    thread.start()
    deadline = time.monotonic() + 20
    while watch.health.state != "stalled" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert watch.health.message == f"{tmp_path / '.sranogan'}: cannot be read (No such file or directory)"
    away.rename(tmp_path)
    (tmp_path / "film.png").write_bytes(b"x")
    thread.join()
    assert len(found) == 1


def test_a_file_that_cannot_be_moved_stays_claimed(watch: WatchFeed, tmp_path: Path) -> None:
    """It is scored all the same, the health says so, and the next start moves it."""
    (tmp_path / "film.png").write_bytes(b"x")
    [arrival] = taken(watch, 1)
    (tmp_path / "done").rmdir()
    (tmp_path / "done").write_text("a file in the way")
    arrival.settle(True)
    assert watch.health.message == "film.png: is scored but cannot be moved (Not a directory)"
    (tmp_path / "done").unlink()
    [again] = taken(WatchFeedSettings(f"watch:{tmp_path}", settle_s=0.01, poll_s=0.01).open(), 1)
    again.settle(True)
    assert tree(tmp_path) == ["done/film.png"]


def test_what_cannot_be_watched(watch: WatchFeed, tmp_path: Path) -> None:
    """No folder, no right to write, a second runner, no time: each in words."""
    with pytest.raises(FeedError) as refused:
        feed_of(f"watch:{tmp_path / 'none'}").open()
    assert str(refused.value) == (f"watch:{tmp_path / 'none'}: no such folder. Make it, or correct the path.")
    with pytest.raises(FeedError) as refused:
        feed_of("watch:/proc/self").open()
    assert str(refused.value) == (
        "watch:/proc/self: may not be written to (No such file or directory); scored files are moved to "
        "done/ and failed/ inside it, which are this user's own folders and no links. Give this user the "
        "right to write, or copy the files."
    )
    with pytest.raises(SettingsError, match="settle_s"):
        feed_of(f"watch:{tmp_path}", settle_s=0).open()
    with pytest.raises(SpoolInUseError, match="watch another folder"):
        feed_of(f"watch:{tmp_path}").open()
    script = f"from sranogan_edge.feeds.kinds import feed_of; feed_of('watch:{tmp_path}').open()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"process {os.getpid()}" in done.stderr
