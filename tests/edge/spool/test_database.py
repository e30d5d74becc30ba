"""The spool's SQLite file: one thread at a time, errors by what is lacking, and what an entry keeps."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from sranogan_edge.errors import OutOfHandlesError, SpoolError, SpoolFullError, SpoolInUseError
from sranogan_edge.spool.database import SpoolDatabase
from sranogan_edge.spool.lock import RESULTS_LOCK, FolderLock, holder_of, lock_results, refuse_held_results
from sranogan_edge.spool.spool import Cursor, Spool, SpoolLimits
from tests.support.spools import ROOMY, claimed

MIB = 1 << 20


def test_a_thread_waits_for_the_transaction_of_another(spool: Spool) -> None:
    """What it stored meanwhile is no part of that one, and stays where that one is taken back."""
    stored = threading.Thread(target=spool.put, args=(b"x", {}), kwargs={"key": "k"})

    def fail() -> None:
        with spool._db.transaction() as db:
            db.execute("UPDATE uptime SET seconds = 5")
            stored.start()
            stored.join(0.1)
            raise KeyError("of the first thread")

    with pytest.raises(KeyError):
        fail()
    stored.join()
    assert spool.find("k") is not None
    assert spool._db.rows("SELECT seconds FROM uptime")[0][0] == 0


@pytest.mark.parametrize(
    ("text", "free", "kind"),
    [
        ("database or disk is full", 10 * MIB, SpoolFullError),
        ("disk I/O error", MIB - 1, SpoolFullError),
        ("disk I/O error", MIB, SpoolError),
        ("no such table: objects", 0, SpoolError),
        ("unable to open database file", 0, SpoolError),
    ],
)
def test_an_error_of_sqlite_is_told_by_what_is_lacking(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, text: str, free: int, kind: type[SpoolError]
) -> None:
    """It says "I/O error" on a full disk, too: with less than a MiB free it is the space that lacks."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(SpoolError) as told, spool._db._explained():
        raise sqlite3.OperationalError(text)
    assert type(told.value) is kind
    if kind is SpoolFullError:
        said = f"{spool.folder}: the disk is full ({text}). Nothing is lost; free some space and it goes on."
    else:
        said = (
            f"{spool.folder / 'spool.sqlite'}: {text}. If it is damaged, stop the runner and move the folder "
            "aside: the objects in it are whole files."
        )
    assert str(told.value) == said


def test_a_disk_that_cannot_be_asked_is_not_called_full(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known is told: the error itself."""

    def refuse(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    with pytest.raises(SpoolError, match="disk I/O error") as told, spool._db._explained():
        raise sqlite3.OperationalError("disk I/O error")
    assert type(told.value) is SpoolError


def test_no_more_handles_are_told_as_such(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite only says that it cannot open the file; that nothing else can be opened either tells why."""

    def refuse(handle: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "dup", refuse)
    with pytest.raises(OutOfHandlesError) as told, spool._db._explained():
        raise sqlite3.OperationalError("unable to open database file")
    assert str(told.value) == (
        f"{spool.folder / 'spool.sqlite'}: this process cannot open another file. Nothing is lost, and it "
        "goes on once it can; raise the service's LimitNOFILE where that stays so."
    )


def test_the_log_is_short_and_the_version_is_stated(tmp_path: Path) -> None:
    """A write-ahead log of 100 pages leaves a full disk some room; a new file says that it is new."""
    database = SpoolDatabase(tmp_path / "spool.sqlite")
    assert database.fresh
    values = [
        database.rows(f"PRAGMA {one}")[0][0] for one in ("journal_mode", "wal_autocheckpoint", "user_version")
    ]
    assert values == ["wal", 100, 2]
    database.close()
    again = SpoolDatabase(tmp_path / "spool.sqlite")
    assert not again.fresh
    again.close()


def test_an_entry_keeps_what_was_said_of_it(spool: Spool, tmp_path: Path) -> None:
    """Key, source, feed, origin, time and size, of what is stored and of what is refused."""
    entry = spool.put(
        b"abc", {"a": "1"}, key="k", source="s", origin=tmp_path / "o", received_at=12.5, feed="watch:x"
    )
    found = (entry.key, entry.source, entry.origin, entry.received_at, entry.feed, entry.size, entry.reason)
    assert found == ("k", "s", str(tmp_path / "o"), 12.5, "watch:x", 3, "")
    dead, _ = spool.refuse(
        "too large", {}, {"b": "2"}, key="l", source="t", origin=tmp_path / "p", feed="files"
    )
    refused = (dead.key, dead.source, dead.origin, dead.feed, dead.size, dead.identity, dead.ended, dead.path)
    assert refused == ("l", "t", str(tmp_path / "p"), "files", 0, {"b": "2"}, True, None)
    assert not entry.ended
    before = spool.put(b"now", {})
    assert before.received_at > 1e9
    assert (before.origin, before.key) == ("", Path(str(before.path)).name)


def test_what_outlives_its_database_has_its_place_as_name(spool: Spool) -> None:
    """The key is the file's name, so that the next start finds the same object."""
    path = Path(str(spool.put(b"film", {}).path))
    spool.close()
    for file in spool.folder.glob("spool.sqlite*"):
        file.unlink()
    again = Spool(spool.folder, ROOMY)
    entry = claimed(again)
    assert (entry.key, entry.source, entry.size, entry.identity) == (path.name, str(path), 4, {})
    again.close()


def test_attempts_that_do_not_count(spool: Spool) -> None:
    """An attempt that was given back so is as if it had not been; all that had theirs are found."""
    for _ in range(3):
        spool.put(b"x", {})
    assert spool.waiting() == 3
    spool.give_back(claimed(spool), "no memory", counts=False)
    assert (spool.entry(1).attempts, spool.waiting()) == (0, 3)
    for _ in range(6):
        spool.give_back(claimed(spool), "failed")
    assert [(one.sequence, one.attempts) for one in spool.exhausted()] == [(1, 3), (2, 3)]
    assert claimed(spool).sequence == 3
    assert spool.waiting() == 2


def test_limits_that_a_spool_has_by_itself() -> None:
    """256 MiB an object, a reserve of 64 MiB, three attempts: what the settings' page says."""
    assert SpoolLimits() == SpoolLimits(max_object_bytes=256 * MIB, min_free_bytes=64 * MIB, max_attempts=3)


def test_a_place_that_is_kept_again_replaces_the_one_before(spool: Spool) -> None:
    """Number and offset are each where they belong; the sinks that are forgotten are the others."""
    spool.outbox.advance("a", Cursor(7, 70))
    spool.outbox.advance("b", Cursor(3, 30))
    spool.outbox.advance("a", Cursor(8, 80))
    assert (spool.outbox.cursor("a"), spool.outbox.taken()) == (Cursor(8, 80), 3)
    spool.outbox.forget_sinks(["a"])
    assert (spool.outbox.cursor("b"), spool.outbox.taken()) == (None, 8)
    spool.outbox.forget_sinks([])
    assert spool.outbox.taken() is None


def test_the_lock_names_its_holder_and_nobody_else(tmp_path: Path) -> None:
    """The longer number of an earlier holder does not shine through; the message has the cure."""
    (tmp_path / "lock").write_text("4194303999\n")
    lock = FolderLock(tmp_path, "two would quarrel.")
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    with pytest.raises(SpoolInUseError) as refused:
        FolderLock(tmp_path, "two would quarrel.")
    assert str(refused.value) == (
        f"{tmp_path} is in use by another runner (process {os.getpid()}); two would quarrel."
    )
    lock.close()
    lock.close()
    FolderLock(tmp_path, "").close()


def test_a_lock_that_is_refused_keeps_no_handle(tmp_path: Path) -> None:
    """However often it is asked for while another process holds it; that one is named."""
    script = f"""
import sys
from pathlib import Path
from sranogan_edge.spool.lock import FolderLock
lock = FolderLock(Path({str(tmp_path)!r}), "")
print("held", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(SpoolInUseError, match=rf"\(process {holder.pid}\)"):
                FolderLock(tmp_path, "")
            assert holder_of(tmp_path) == str(holder.pid)
        (tmp_path / "lock").rename(tmp_path / RESULTS_LOCK)
        with pytest.raises(SpoolInUseError) as refused:
            refuse_held_results(tmp_path)
        assert str(refused.value) == (
            f"{tmp_path} is in use by another runner (process {holder.pid}); two would mix their results. "
            "Name another folder with --out."
        )
        (tmp_path / RESULTS_LOCK).rename(tmp_path / "lock")
        assert len(os.listdir("/proc/self/fd")) == before
        holder.communicate()
    FolderLock(tmp_path, "").close()


def test_a_file_system_without_locks_has_no_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever number stands in the file: nobody can hold it there, and nobody can take it."""
    (tmp_path / "lock").write_text("4711\n")

    def refuse(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert holder_of(tmp_path) == ""
    with pytest.raises(SpoolError) as refused:
        FolderLock(tmp_path, "two would quarrel.")
    assert str(refused.value) == (
        f"{tmp_path}: its file system has no locks (No locks available), so nothing would keep two runners "
        "apart. Name a folder on a disk of this machine."
    )


def test_a_results_folder_has_a_lock_of_its_own(tmp_path: Path) -> None:
    """It may hold the spool and its lock; the message says where another folder is named."""
    spool_lock, lock = FolderLock(tmp_path, ""), lock_results(tmp_path)
    assert RESULTS_LOCK == "results.lock"
    refuse_held_results(tmp_path)  # this process holds it, which its record lock does not show
    with pytest.raises(SpoolInUseError, match=r"mix their results\. Name another folder with --out\.$"):
        lock_results(tmp_path)
    with pytest.raises(SpoolInUseError, match=r"mix their results\. Name another folder\.$"):
        lock_results(tmp_path, "")
    lock.close()
    spool_lock.close()
    assert [holder_of(tmp_path), holder_of(tmp_path, RESULTS_LOCK), holder_of(tmp_path / "none")] == [""] * 3
