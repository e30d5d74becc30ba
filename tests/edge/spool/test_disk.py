"""The spool on a disk that is full, read-only or fails: nothing is acknowledged that is not kept."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sranogan_edge.errors import SpoolError, SpoolFullError
from sranogan_edge.spool.spool import Spool, SpoolLimits
from tests.support.disks import file_system
from tests.support.spools import ROOMY, claimed, reopened, stored


@pytest.fixture
def megabyte() -> Iterator[Path]:
    """Give a file system of 1 MiB."""
    with file_system("1m") as folder:
        yield folder


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))


def put_until_refused(spool: Spool, data: bytes) -> int:
    """How many objects found room."""
    for kept in range(1000):
        try:
            spool.put(data, {"much": "x" * 500})
        except SpoolFullError:
            return kept
    raise AssertionError("the disk was never full")


def test_a_full_disk_and_a_freed_one(megabyte: Path) -> None:
    """Objects are refused and nothing is half there; what waits is kept, and goes on once space is free."""
    spool = Spool(megabyte / "spool", ROOMY)
    (megabyte / "ballast").write_bytes(bytes(400_000))
    kept = put_until_refused(spool, bytes(50_000))
    assert kept > 3
    fill(megabyte / "ballast")
    kept += put_until_refused(spool, b"")
    assert not list((spool.folder / "incoming").iterdir())
    assert len(stored(spool.folder)) == spool.counts()["received"] == kept
    (megabyte / "ballast").unlink()
    again = reopened(spool)
    for _ in range(kept):
        again.finish(claimed(again), {})
    assert again.put(b"small", {}).state == "received"
    again.close()


def test_a_result_that_finds_no_room(megabyte: Path) -> None:
    """The object stays as it was and ends once there is room: one result, not two."""
    spool = Spool(megabyte / "spool", ROOMY)
    spool.put(b"x", {})
    entry = claimed(spool)
    fill(megabyte / "ballast")
    with pytest.raises(SpoolFullError):
        spool.finish(entry, {"much": "x" * 200_000})
    assert spool.entry(1).state == "scoring"
    (megabyte / "ballast").unlink()
    spool.finish(entry, {"much": "x" * 200_000})
    assert len(spool.outbox.results()) == 1
    spool.close()


@pytest.mark.parametrize("size", [399, 400, 401])
@pytest.mark.parametrize("how", ["bytes", "file"])
def test_the_reserve_stays_free_when_the_object_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, size: int
) -> None:
    """Of 1,000 free bytes 600 are the reserve: 400 are taken, 401 are refused with what there is."""
    spool = Spool(tmp_path / "spool", SpoolLimits(min_free_bytes=600))
    (tmp_path / "object").write_bytes(bytes(size))
    data = bytes(size) if how == "bytes" else tmp_path / "object"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    if size <= 400:
        assert spool.put(data, {}).size == size
    else:
        with pytest.raises(
            SpoolFullError, match=r"1,000 bytes are free; 401 more would leave less than .* 600"
        ):
            spool.put(data, {})
    assert len(stored(spool.folder)) == (size <= 400)
    spool.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_what_the_disk_answers(spool: Spool, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Full, over quota and too large for it are SpoolFullError, the rest SpoolError; no file is left."""

    def refuse(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(SpoolError) as refused:
            spool.put(b"x", {})
    assert isinstance(refused.value, SpoolFullError) == (code != errno.EROFS)
    assert not stored(spool.folder)
    assert not list((spool.folder / "incoming").iterdir())


def test_objects_and_their_results_survive_a_power_cut(spool: Spool) -> None:
    """SQLite has them on the disk with the commit (2); results of frames may be lost (1)."""

    def level() -> int:
        return int(spool.outbox._db.rows("PRAGMA synchronous")[0][0])

    for step, expected in (
        (lambda: spool.outbox.record({}, {}), 1),
        (lambda: spool.put(b"x", {}), 2),
        (lambda: spool.outbox.record({}, {}), 1),
        (lambda: spool.finish(claimed(spool), {}), 2),
        (lambda: spool.outbox.record({}, {}), 1),
        (lambda: spool.refuse("too large", {}, {}, key="k", source="x"), 2),
    ):
        step()
        assert level() == expected
