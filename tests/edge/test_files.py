"""Files that are there whole, or not at all, and stay over a power cut."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from sranogan_edge.files import (
    check_target,
    close_to_others,
    private_files,
    sync_folder,
    write_whole,
    writing_whole,
)
from sranogan_edge.own_key import OwnKey
from sranogan_edge.service.bundles import KeptBundles
from tests.support.disks import sizes_when_synced


def test_content_and_name_are_forced_to_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the content, under another name, then the name: a power cut leaves one of the two."""
    file, told = tmp_path / "a.json", []
    file.write_bytes(b"old")
    real_sync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "content"
        told.append((kind, file.read_bytes()))
        real_sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        told.append(("name", file.read_bytes()))
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_whole(file, b"new")
    assert told == [("content", b"old"), ("name", b"old"), ("folder", b"new")]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError("wrong"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    """Whatever ends the writing, the file before stays, and no part of a new one."""
    file = tmp_path / "a.json"
    file.write_bytes(b"old")

    def fail() -> None:
        with writing_whole(file) as opened:
            opened.write(b"ne")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without fsync of folders is no error; a disk that fails is one."""

    def failing(number: int) -> None:
        def fsync(descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    failing(errno.EINVAL)
    sync_folder(tmp_path)
    failing(errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)


def test_a_target_is_tried(tmp_path: Path) -> None:
    """A folder, or a place that is not there, is told before there is anything to write; nothing is left."""
    check_target(tmp_path / "a.json")
    assert not list(tmp_path.iterdir())
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        check_target(tmp_path)
    with pytest.raises(FileNotFoundError):
        check_target(tmp_path / "nowhere" / "a.json")


def test_what_is_made_for_its_user_alone(tmp_path: Path) -> None:
    """Files are 0600 and folders 0700 in the block, and as before behind it, also where it fails."""

    def made(name: str) -> list[int]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "file").touch()
        return [stat.S_IMODE(one.stat().st_mode) for one in (folder, folder / "file")]

    def fail() -> None:
        with private_files():
            assert made("private") == [0o700, 0o600]
            raise KeyError

    before = os.umask(0o022)
    try:
        with pytest.raises(KeyError):
            fail()
        assert made("open") == [0o755, 0o644]
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("mode", "closed"), [(0o644, 0o600), (0o640, 0o600), (0o604, 0o600), (0o755, 0o700), (0o400, 0o400)]
)
def test_what_others_may_is_taken_away(tmp_path: Path, mode: int, closed: int) -> None:
    """From the group and from all others, and nothing from the owner; what is not there is passed over."""
    path = tmp_path / "file"
    path.touch(mode)
    path.chmod(mode)
    close_to_others(tmp_path / "none", path)
    assert stat.S_IMODE(path.stat().st_mode) == closed


def test_all_of_the_content_is_there_when_it_is_forced_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it waits in this process: of a file that is written whole, of a key, of a bundle's copy."""
    sizes = sizes_when_synced(monkeypatch)
    write_whole(tmp_path / "file", b"seven b")
    OwnKey(tmp_path / "key").mac(b"")
    (tmp_path / "b.sranogan").write_bytes(b"a bundle")
    KeptBundles(tmp_path / "spool", tmp_path / "b.sranogan").stage()
    assert sizes == [7, 32, 8]
