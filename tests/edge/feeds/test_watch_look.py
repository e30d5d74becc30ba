"""What a look at a watched folder sees and remembers, and what is told of what it passes over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sranogan_edge.feeds.files import file_key
from sranogan_edge.feeds.watch import WatchFeed
from sranogan_edge.feeds.watch_look import Look, begins_as_dicom, look_at
from sranogan_edge.image.sniff import HEAD_BYTES
from tests.support.remote_results import Clock


def test_what_a_look_sees(tmp_path: Path) -> None:
    """Size, time of change and inode of a file; nothing of a folder, or where nothing is."""
    film = tmp_path / "film.png"
    film.write_bytes(b"bytes")
    os.utime(film, ns=(5, 1_234_567_890_123_456_789))
    assert look_at(film) == Look(5, 1_234_567_890_123_456_789, film.stat().st_ino)
    assert [look_at(tmp_path), look_at(tmp_path / "none")] == [None, None]


def test_of_a_large_file_only_the_beginning_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large a file is that somebody drops, it says in its first bytes whether it is DICOM."""
    (tmp_path / "film").write_bytes(bytes(10 * HEAD_BYTES))
    read = list[int]()
    monkeypatch.setattr("sranogan_edge.feeds.watch_look.is_dicom", lambda head: read.append(len(head)))
    begins_as_dicom(tmp_path / "film")
    assert read == [HEAD_BYTES]


def test_a_beginning_is_read_again_after_a_change_alone(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of many files without a suffix is looked at twice a second: none is opened for that."""
    feed, _ = unhurried
    film, read = tmp_path / "film", list[Path]()
    film.write_bytes(b"x")

    def begins(path: Path) -> bool:
        read.append(path)
        return len(read) > 1

    monkeypatch.setattr("sranogan_edge.feeds.watch.begins_as_dicom", begins)
    assert [feed._holds_dicom(film) for _ in range(3)] == [False] * 3
    assert read == [film]
    film.write_bytes(b"longer")
    assert [feed._holds_dicom(film) for _ in range(3)] == [True] * 3
    assert read == [film] * 2


def test_beginnings_are_remembered_as_long_as_their_files_are_there(
    unhurried: tuple[WatchFeed, Clock],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of what is passed over, and of what a link leads to; what went is forgotten."""
    feed, clock = unhurried
    store, read = tmp_path_factory.mktemp("store") / "film", list[str]()
    store.write_bytes(bytes(128) + b"DICM")
    (tmp_path / "linked").symlink_to(store)
    (tmp_path / "notes").write_bytes(b"x")
    begins = begins_as_dicom

    def noted(path: Path) -> bool:
        read.append(path.name)
        return begins(path)

    monkeypatch.setattr("sranogan_edge.feeds.watch.begins_as_dicom", noted)
    for clock.now in (0.0, 1.0, 2.0):
        feed._complete()
    assert sorted(read) == ["linked", "notes"]
    assert {path.name for path in feed._content} == {"linked", "notes"}
    for name in ("linked", "notes"):
        (tmp_path / name).unlink()
    feed._complete()
    assert feed._content == {}


def test_what_is_passed_over_is_told_once_it_stays(
    unhurried: tuple[WatchFeed, Clock], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After as long as a file needs to be complete, for a name may be on its way to another; then once."""
    feed, clock = unhurried
    caplog.set_level("INFO", "sranogan_edge")
    told = f"feed {feed.name}: passed over: 1 unfinished; they stay"
    (tmp_path / "a.part").write_bytes(b"x")
    for clock.now, count in ((0.0, 0), (9.9, 0), (10.0, 1), (11.0, 1)):
        feed._complete()
        assert caplog.messages == [told] * count
    (tmp_path / "b.part").write_bytes(b"x")
    for clock.now, count in ((12.0, 1), (21.9, 1), (22.0, 2)):
        feed._complete()
        assert caplog.messages == [told] * count


def test_what_makes_a_file_that_stays_one_object(tmp_path: Path) -> None:
    """Its place, size and time of change, to the nanosecond; a link to it is the same one."""
    film, link = tmp_path / "film.png", tmp_path / "link.png"
    film.write_bytes(b"bytes")
    link.symlink_to(film)
    keys = []
    for changed_ns, content in ((10**18, b"bytes"), (10**18 + 1, b"bytes"), (10**18, b"other bytes")):
        film.write_bytes(content)
        os.utime(film, ns=(changed_ns, changed_ns))
        keys.append(file_key(film))
        assert file_key(link) == keys[-1]
    assert len(set(keys)) == 3
    film.rename(tmp_path / "other.png")
    assert file_key(tmp_path / "other.png") not in keys
