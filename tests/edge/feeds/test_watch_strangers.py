"""A watched folder that strangers may write to: they neither read nor write by the runner's rights."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import FeedError, SpoolError
from sranogan_edge.feeds.feed import Arrival
from sranogan_edge.feeds.watch import WatchFeed, WatchFeedSettings
from sranogan_edge.feeds.watch_folder import DropFolder
from sranogan_edge.feeds.watch_look import begins_as_dicom
from sranogan_edge.spool.lock import FolderLock, holder_of
from tests.support.remote_results import wait_until

SECRET = b"the runner's own secret\n"
STRANGER, OTHER = 65_534, 65_533


def watching(folder: Path) -> WatchFeed:
    """A feed quick enough for tests."""
    return WatchFeedSettings(f"watch:{folder}", settle_s=0.02, poll_s=0.01).open()


def taken(feed: WatchFeed, within_s: float = 1.0) -> list[Arrival]:
    """What arrives until the time is over, or the first arrival."""
    timer = threading.Timer(within_s, feed.close)
    timer.start()
    found = []
    for arrival in feed:
        found.append(arrival)
        feed.close()
    timer.cancel()
    return found


def looked(feed: WatchFeed, found: list[Arrival]) -> bool:
    """Whether something arrived, after another look."""
    found += [arrival for path in feed._complete() for arrival in feed._take(path)]
    return bool(found)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a watched folder, and beside it a spool and a secret of the runner's."""
    (tmp_path / "in").mkdir()
    (tmp_path / "spool").mkdir()
    (tmp_path / "secret").write_bytes(SECRET)
    return tmp_path / "in"


@pytest.mark.parametrize("name", [".sranogan", "done", "failed"])
def test_a_link_in_the_place_of_an_own_folder_is_refused(place: Path, name: str) -> None:
    """At the start: whatever it leads to, nothing is moved there."""
    (place / name).symlink_to("../spool")
    with pytest.raises(FeedError, match="no links"):
        watching(place)
    assert list((place.parent / "spool").iterdir()) == []


@pytest.mark.parametrize("scored", [True, False])
def test_a_link_that_takes_the_place_later_is_refused_too(place: Path, scored: bool) -> None:
    """What was scored stays claimed, and the health says why; where the link leads stays as it was."""
    feed = watching(place)
    (place / "threshold.png").write_text("9")
    [arrival] = taken(feed)
    for name in ("done", "failed"):
        (place / name).rename(place / f"{name}.old")
        (place / name).symlink_to("../spool")
    arrival.settle(scored)
    assert "cannot be moved" in feed.health.message
    assert list((place.parent / "spool").iterdir()) == []
    assert arrival.opened is not None
    with arrival.opened() as file:
        assert file.read() == b"9"


def test_the_lock_is_made_in_the_folder_that_was_looked_at(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that takes its place after the look leads to no lock of ours elsewhere."""
    look = DropFolder.lock_place

    def exchanged(drop: DropFolder) -> int:
        found = look(drop)
        (place / ".sranogan").rename(place / "away")
        (place / ".sranogan").symlink_to("../spool")
        return found

    monkeypatch.setattr(DropFolder, "lock_place", exchanged)
    watching(place).close()
    assert (place / "away" / "lock").is_file()
    assert list((place.parent / "spool").iterdir()) == []


def test_a_link_in_a_claim_is_not_read(place: Path) -> None:
    """What somebody puts beside a claimed film, a link to a secret, never arrives, nor is it moved."""
    (place / "film.png").write_text("x")
    first = watching(place)
    [arrival] = taken(first)
    claim = next(path for path in (place / ".sranogan").iterdir() if path.is_dir())
    (claim / "z.png").symlink_to(place.parent / "secret")
    (claim / "deep").symlink_to(place.parent)
    again = taken(watching(place))
    assert [one.frame_source for one in again] == [arrival.frame_source]
    again[0].settle(True)
    assert (place.parent / "secret").read_bytes() == SECRET
    assert not list(place.rglob("z.png")) or (claim / "z.png").is_symlink()


def test_a_claim_s_folder_that_is_exchanged_leads_nowhere(place: Path) -> None:
    """Between the taking and the reading somebody puts a folder of links in the place of ``.sranogan``."""
    (place / "film.png").write_text("x")
    feed = watching(place)
    [arrival] = taken(feed)
    assert arrival.path is not None
    assert arrival.opened is not None
    (place / ".sranogan").rename(place / "away")
    arrival.path.parent.parent.symlink_to(place.parent / "elsewhere")
    (place.parent / "elsewhere" / arrival.path.parent.name).mkdir(parents=True)
    (place.parent / "elsewhere" / arrival.path.parent.name / "film.png").symlink_to(place.parent / "secret")
    assert arrival.path.read_bytes() == SECRET  # where the path leads now
    with pytest.raises(OSError, match="Not a directory"):
        arrival.opened()


def test_a_sub_folder_that_is_exchanged_moves_nothing(place: Path) -> None:
    """A link to the spool in a sub-folder's place, after the look: the spool's files stay."""
    (place / "ward").mkdir()
    (place / "ward" / "film.png").write_text("x")
    (place.parent / "spool" / "film.png").write_text("an object that waits")
    feed = watching(place)
    take = feed._drop.take

    def exchanged(inside: Path, claim: str) -> None:
        (place / "ward").rename(place.parent / "ward")
        (place / "ward").symlink_to("../spool")
        try:
            take(inside, claim)
        finally:
            (place / "ward").unlink()

    feed._drop.take = exchanged  # type: ignore[method-assign]  # the moment that a stranger waits for
    assert taken(feed) == []
    assert (place.parent / "spool" / "film.png").read_text() == "an object that waits"
    assert [path.name for path in (place / ".sranogan").iterdir()] == ["lock"]


def test_a_file_that_becomes_a_link_or_a_pipe_is_not_taken(place: Path) -> None:
    """Exchanged between the look and the rename: it does not arrive, and holds up nobody."""
    feed = watching(place)
    take = feed._drop.take
    kinds: dict[str, Callable[[Path], None]] = {
        "link.png": lambda path: path.symlink_to("../secret"),
        "pipe.png": os.mkfifo,
    }
    for name in kinds:
        (place / name).write_text("x")

    def exchanged(inside: Path, claim: str) -> None:
        (place / inside).unlink()
        kinds[inside.name](place / inside)
        take(inside, claim)

    feed._drop.take = exchanged  # type: ignore[method-assign]  # the moment that a stranger waits for
    assert taken(feed) == []
    assert (place.parent / "secret").read_bytes() == SECRET
    assert [path.name for path in (place / ".sranogan").iterdir()] == ["lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to another user")
@pytest.mark.parametrize("by", ["file", "folder", "two links"])
@pytest.mark.parametrize(
    ("link_of", "file_of", "read"),
    [(STRANGER, 0, False), (STRANGER, OTHER, False), (STRANGER, STRANGER, True), (0, OTHER, True)],
)
def test_a_stranger_s_link_leads_to_his_own_files_alone(
    place: Path, link_of: int, file_of: int, read: bool, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Else he would read by the runner's rights; the runner's own links and root's go anywhere."""
    store = place.parent / "store"
    store.mkdir()
    (store / "film.png").write_bytes(SECRET)
    os.chown(store / "film.png", file_of, -1)
    if by == "two links":
        (place.parent / "middle").symlink_to("store")
    link = place / ("film.png" if by == "file" else "ward")
    link.symlink_to({"file": str(store / "film.png"), "folder": "../store", "two links": "../middle"}[by])
    os.lchown(link, link_of, -1)
    feed, found = watching(place), list[Arrival]()
    wait_until(lambda: looked(feed, found) or "is not followed" in caplog.text)
    feed.close()
    assert len(found) == read
    if read:
        opened = found[0].opened
        assert opened is not None
        with opened() as file:
            assert file.read() == SECRET
    else:
        path = link if by == "file" else link / "film.png"
        why = f"a link of user {STRANGER} to a file of user {file_of} is not followed"
        assert f"feed watch:{place}: {path}: passed over: {why}" in caplog.messages


def test_a_pipe_in_a_file_s_place_is_not_waited_for(tmp_path: Path) -> None:
    """Exchanged between the list and the look at its beginning."""
    os.mkfifo(tmp_path / "film")
    assert begins_as_dicom(tmp_path / "film") is False
    (tmp_path / "film").unlink()
    (tmp_path / "film").write_bytes(bytes(128) + b"DICM")
    assert begins_as_dicom(tmp_path / "film") is True


@pytest.mark.parametrize("linked", [False, True])
def test_a_lack_of_handles_costs_no_film(place: Path, linked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the rename and the reading, too: it arrives once something can be opened again."""
    (place.parent / "film.png").write_text("x")
    if linked:
        (place / "film.png").symlink_to("../film.png")
    else:
        (place.parent / "film.png").rename(place / "film.png")
    feed = watching(place)
    name = "open_linked" if linked else "claimed"
    act, failures = getattr(feed._drop, name), [OSError(24, "Too many open files")] * 3

    def failing(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return act(*arguments)

    monkeypatch.setattr(feed._drop, name, failing)
    [arrival] = taken(feed, within_s=20.0)
    assert Path(arrival.frame_source).name == "film.png"
    assert not failures


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_a_stranger_s_is_not_ours(place: Path) -> None:
    """``done/`` that somebody else made and may fill is refused at the start, with the cure."""
    (place / "done").mkdir()
    os.chown(place / "done", STRANGER, -1)
    with pytest.raises(
        FeedError, match=f"done belongs to user {STRANGER}, not to user 0: give it"
    ) as refused:
        watching(place)
    assert isinstance(refused.value.__cause__, PermissionError)
    assert refused.value.__cause__.errno == errno.EPERM


def test_own_folders_are_closed_to_others(place: Path) -> None:
    """Those of an earlier version, that others might write to, too."""
    (place / "failed").mkdir()
    (place / "failed").chmod(0o777)
    watching(place).close()
    modes = {name: (place / name).stat().st_mode & 0o777 for name in (".sranogan", "done", "failed")}
    assert modes[".sranogan"] == 0o700
    assert not any(mode & 0o022 for mode in modes.values())


def test_a_service_that_may_not_set_the_group_s_bit_closes_its_folders_too(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bit goes then, and nobody else may write."""
    (place / "done").mkdir()
    (place / "done").chmod(0o2777)
    change = os.fchmod

    def refused(handle: int, mode: int) -> None:
        if mode & 0o2000:
            raise PermissionError(1, "Operation not permitted")
        change(handle, mode)

    monkeypatch.setattr(os, "fchmod", refused)
    watching(place).close()
    assert (place / "done").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_lock_in_the_place_of_something_else(tmp_path: Path, kind: str) -> None:
    """A lock file that is a link truncates nothing, and tells nothing; one that is a pipe holds up nobody."""
    (tmp_path / "secret").write_bytes(SECRET)
    if kind == "link":
        (tmp_path / "lock").symlink_to("secret")
        with pytest.raises(SpoolError, match="cannot make the lock file"):
            FolderLock(tmp_path, "two would be two")
    else:
        os.mkfifo(tmp_path / "lock")
    assert holder_of(tmp_path) == ""
    assert (tmp_path / "secret").read_bytes() == SECRET
