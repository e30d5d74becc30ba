"""A watched folder step by step: what is looked at, in which order files come, and when they go again."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sranogan_edge.errors import SpoolInUseError
from sranogan_edge.feeds.watch import WatchFeed, WatchFeedSettings
from sranogan_edge.feeds.watch_folder import CLAIMS, DropFolder
from sranogan_edge.feeds.watch_keep import SettledFiles
from sranogan_edge.feeds.watch_names import free_name
from tests.support.disks import synced_by
from tests.support.remote_results import Clock

STRANGER, OTHER = 65_534, 65_533


def test_own_folders_are_on_the_disk_before_anything_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the three, by its name in the watched folder."""
    synced = synced_by(monkeypatch)
    DropFolder(tmp_path).prepare()
    assert synced == [tmp_path.name] * 3
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {".sranogan": 0o700, "done": 0o750, "failed": 0o750}


def test_what_changed_first_comes_first(unhurried: tuple[WatchFeed, Clock], tmp_path: Path) -> None:
    """By the time of the last change, then by name."""
    feed, clock = unhurried
    for name, changed in (("a.png", 30), ("b.png", 10), ("d.png", 20), ("c.png", 20)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (changed, changed))
    for clock.now in (0.0, 10.0):
        found = feed._complete()
    assert [path.name for path in found] == ["b.png", "c.png", "d.png", "a.png"]
    assert feed.health.state == "running"


def test_a_file_in_the_place_of_another_waits_its_own_time(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path
) -> None:
    """Though it has the size and the time of the one before."""
    feed, clock = unhurried
    film, other = tmp_path / "film.png", tmp_path / "other.part"
    for path, content in ((film, b"bytes"), (other, b"other")):
        path.write_bytes(content)
        os.utime(path, (1e9, 1e9))
    feed._complete()
    clock.now = 9.0
    other.replace(film)
    for clock.now, complete in ((9.5, 0), (10.0, 0), (19.4, 0), (19.5, 1)):
        assert len(feed._complete()) == complete


def test_a_change_of_rights_is_no_change(unhurried: tuple[WatchFeed, Clock], tmp_path: Path) -> None:
    """Nobody writes to the file by that."""
    feed, clock = unhurried
    (tmp_path / "film.png").write_bytes(b"bytes")
    feed._complete()
    clock.now = 9.0
    (tmp_path / "film.png").chmod(0o600)
    clock.now = 10.0
    assert len(feed._complete()) == 1


def test_a_feed_that_was_closed_before_it_began_lets_go(tmp_path: Path) -> None:
    """Another runner may watch the folder then, and not before."""
    settings = WatchFeedSettings(f"watch:{tmp_path}")
    feed = settings.open()
    with pytest.raises(SpoolInUseError) as refused:
        settings.open()
    assert str(refused.value) == (
        f"{tmp_path / CLAIMS} is in use by another runner (process {os.getpid()}); two would score twice. "
        "Stop that one, or let this one watch another folder."
    )
    feed.close()
    feed.close()
    settings.open().close()


@pytest.mark.parametrize(("keep_s", "look_s"), [(10.0, 10.0), (600.0, 600.0), (5000.0, 600.0)])
def test_settled_files_are_looked_for_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_s: float, look_s: float
) -> None:
    """Every ten minutes, or as often as they are kept where that is shorter."""
    drop, clock, looks = DropFolder(tmp_path), Clock(), list[float]()

    def looked(before_s: float) -> int:
        looks.append(before_s)
        return 0

    times = SimpleNamespace(monotonic=lambda: clock.now, time=lambda: 2e9 + clock.now)
    monkeypatch.setattr("sranogan_edge.feeds.watch_keep.time", times)
    monkeypatch.setattr(drop, "prune", looked)
    settled = SettledFiles(drop, keep_s)
    for clock.now in (0.0, look_s - 0.5, look_s, look_s + 0.5):
        settled.prune()
    assert looks == [2e9 - keep_s, 2e9 + look_s - keep_s]
    SettledFiles(drop, None).prune()
    assert len(looks) == 2


def test_what_becomes_of_settled_files_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """How many went, or why they stay; where nothing went, nothing is said."""
    drop = DropFolder(tmp_path)
    drop.prepare()
    caplog.set_level("INFO", "sranogan_edge")
    SettledFiles(drop, 1000.0).prune()
    assert caplog.messages == []
    (tmp_path / "done" / "a.png").touch()
    SettledFiles(drop, 1e-9).prune()
    (tmp_path / "failed").rmdir()
    SettledFiles(drop, 1.0).prune()
    assert caplog.messages == [
        f"feed watch:{tmp_path}: 1 old files were removed from done/ and failed/",
        f"feed watch:{tmp_path}: old files stay (No such file or directory)",
    ]


def test_a_folder_that_becomes_a_link_after_the_look_is_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way to what a link leads to: the owner of this one was never asked."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "film").write_bytes(b"x")
    (tmp_path / "ward").symlink_to("real")
    real, folder = os.stat, os.stat(tmp_path / "real")

    def looked(name: str, **more: Any) -> os.stat_result:
        return folder if name == "ward" else real(name, **more)

    monkeypatch.setattr(os, "stat", looked)
    with pytest.raises(OSError, match="Not a directory"):
        DropFolder(tmp_path).open_linked(tmp_path / "ward" / "film")


def test_files_stay_from_when_they_came(tmp_path: Path) -> None:
    """A film of 2001 that came a moment ago is new; what came before is removed, with folders empty then."""
    drop = DropFolder(tmp_path)
    drop.prepare()
    for name in ("done/ward/a.png", "failed/b.png", "done/lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (1e9, 1e9))
    ((inside, came, opened),) = drop.settled("done")
    assert inside == Path("ward/a.png")
    assert came == (tmp_path / "done" / "ward" / "a.png").stat().st_ctime > 1.7e9
    with opened() as file:
        assert file.read() == b"x"
    assert drop.prune(came - 1) == 0
    assert drop.prune(time.time() + 60) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".sranogan", "done", "failed", "lock"]


def test_a_file_that_a_link_leads_to_has_no_original_to_wait_for(
    unhurried: tuple[WatchFeed, Clock], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """It is never moved, so the spool need not keep its key until it is gone."""
    feed, clock = unhurried
    store = tmp_path_factory.mktemp("store") / "film.png"
    store.write_bytes(b"x")
    (tmp_path / "film.png").symlink_to(store)
    (tmp_path / "own.png").write_bytes(b"y")
    for clock.now in (0.0, 10.0):
        found = feed._complete()
    arrivals = {Path(one.frame_source).name: one for path in found for one in feed._take(path)}
    assert arrivals["film.png"].origin is None
    assert arrivals["own.png"].origin == arrivals["own.png"].path
    assert (arrivals["film.png"].path, feed.health.state) == (tmp_path / "film.png", "running")
    assert feed.health.last_arrival is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to another user")
def test_links_of_two_strangers_lead_nowhere(tmp_path: Path) -> None:
    """One leads by way of the other's link to the other's file: neither reads by the other's rights."""
    film, middle, link = tmp_path / "film", tmp_path / "middle", tmp_path / "link"
    film.write_bytes(b"x")
    os.chown(film, OTHER, -1)
    middle.symlink_to("film")
    os.lchown(middle, OTHER, -1)
    link.symlink_to("middle")
    drop = DropFolder(tmp_path)
    drop.open_linked(link).close()  # root's own link
    os.lchown(link, STRANGER, -1)
    with pytest.raises(
        PermissionError, match=f"a link of user {STRANGER} to a file of user {OTHER} is not"
    ) as refused:
        drop.open_linked(link)
    assert refused.value.errno == errno.EPERM


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_root_s_links_lead_anywhere_for_any_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root could read the file for itself; so could the runner's own user, and nobody else."""
    film, link = tmp_path / "film", tmp_path / "link"
    film.write_bytes(b"x")
    os.chown(film, STRANGER, -1)
    link.symlink_to("film")
    drop, runner = DropFolder(tmp_path), 65_532
    monkeypatch.setattr(os, "geteuid", lambda: runner)
    for owner in (0, runner):
        os.lchown(link, owner, -1)
        drop.open_linked(link).close()
    for owner in (1, OTHER):
        os.lchown(link, owner, -1)
        with pytest.raises(PermissionError, match=f"a link of user {owner} to a file of user {STRANGER}"):
            drop.open_linked(link)


def test_forty_links_are_followed_and_a_circle_is_not(tmp_path: Path) -> None:
    """As many as the kernel follows."""
    (tmp_path / "0").write_bytes(b"x")
    for number in range(1, 42):
        (tmp_path / str(number)).symlink_to(str(number - 1))
    drop = DropFolder(tmp_path)
    with drop.open_linked(tmp_path / "40") as file:
        assert file.read() == b"x"
    with pytest.raises(OSError, match="Too many levels") as refused:
        drop.open_linked(tmp_path / "41")
    assert refused.value.errno == errno.ELOOP


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_any_more_is_not_taken(tmp_path: Path, kind: str) -> None:
    """Said in words; a pipe is gone then, a folder that came in between is none of ours to remove."""
    drop = DropFolder(tmp_path)
    drop.prepare()
    os.mkfifo(tmp_path / "a.png") if kind == "pipe" else (tmp_path / "a.png").mkdir()
    with pytest.raises(OSError, match="it is no file any more") as refused:
        drop.take(Path("a.png"), "1")
    assert (refused.value.errno, refused.value.strerror) == (errno.EINVAL, "it is no file any more")
    assert [path.name for path in (tmp_path / CLAIMS).iterdir()] == (["1"] if kind == "folder" else [])


def test_a_claim_that_became_a_pipe_is_not_read(tmp_path: Path) -> None:
    """Nobody waits for who may write to it one day."""
    (tmp_path / "a.png").write_bytes(b"x")
    drop = DropFolder(tmp_path)
    drop.prepare()
    drop.take(Path("a.png"), "1")
    (tmp_path / CLAIMS / "1" / "a.png").unlink()
    os.mkfifo(tmp_path / CLAIMS / "1" / "a.png")
    with pytest.raises(OSError, match="it is no file") as refused:
        drop.open_claimed("1", Path("a.png"))
    assert (refused.value.errno, refused.value.strerror) == (errno.EINVAL, "it is no file")


@pytest.mark.parametrize(
    ("name", "there", "free"),
    [
        ("a.png", [], "a.png"),
        ("a.png", ["a.png"], "a-2.png"),
        ("a.png", ["a.png", "a-2.png", "a-3.png"], "a-4.png"),
        ("a." + "b" * 31, ["a." + "b" * 31], "a-2." + "b" * 31),
        ("a." + "b" * 32, ["a." + "b" * 32], "a." + "b" * 32 + "-2"),
        ("noend", ["noend"], "noend-2"),
        ("c" * 250 + ".png", ["c" * 250 + ".png"], "c" * 249 + "-2.png"),
    ],
)
def test_names_that_are_free(name: str, there: list[str], free: str) -> None:
    """A number before the suffix, if that has no more than 32 bytes with its dot."""
    assert free_name(Path("done") / name, lambda path: path.name in there) == Path("done") / free


def test_the_mode_of_new_files_is_left_as_it_was(tmp_path: Path) -> None:
    """Making the runner's own folders changes the umask for a moment: all else is made with the old one."""
    before = os.umask(0o002)
    try:
        drop = DropFolder(tmp_path)
        drop.prepare()
        (tmp_path / "a.png").touch()
        drop.take(Path("a.png"), "1")
        drop.prepare()  # which finds the folders there
        assert os.umask(0o002) == 0o002
    finally:
        os.umask(before)


def test_what_is_no_folder_is_no_claim(tmp_path: Path) -> None:
    """The lock lies among the claims, and may not be alone there."""
    drop = DropFolder(tmp_path)
    drop.prepare()
    for name in ("lock", "00000002-b"):
        (tmp_path / CLAIMS / name).touch()
    for claim in ("00000003-c", "00000001-a"):
        (tmp_path / CLAIMS / claim).mkdir(mode=0o700)
    (tmp_path / CLAIMS / "00000004-d").symlink_to("00000001-a")
    assert drop.claims() == ["00000001-a", "00000003-c"]


def test_files_of_deeper_folders_are_found_and_opened(tmp_path: Path) -> None:
    """Claimed and settled alike; an empty folder beside a file hides it not."""
    drop, inside = DropFolder(tmp_path), Path("ward/a/film.png")
    drop.prepare()
    (tmp_path / inside).parent.mkdir(parents=True)
    for claim, path in (("1", inside), ("2", Path("own.png"))):
        (tmp_path / path).write_bytes(b"x")
        drop.take(path, claim)
    (tmp_path / CLAIMS / "2" / "empty").mkdir()
    assert [drop.claimed(claim) for claim in "12"] == [[inside], [Path("own.png")]]
    with drop.open_claimed("1", inside) as file:
        assert file.read() == b"x"
    drop.settle("1", inside, "done")
    ((where, _, opened),) = drop.settled("done")
    with opened() as file:
        assert (where, file.read()) == (inside, b"x")


def test_a_link_in_done_leads_to_nothing_that_is_kept_there(tmp_path: Path) -> None:
    """What it leads to is another's: it neither grows old here nor is removed."""
    drop = DropFolder(tmp_path)
    drop.prepare()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "film.png").write_bytes(b"x")
    (tmp_path / "done" / "store").symlink_to("../store")
    assert drop.settled("done") == []
    assert drop.prune(time.time() + 60) == 0
    assert (tmp_path / "store" / "film.png").exists()
