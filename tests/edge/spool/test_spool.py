"""The spool loses nothing and scores nothing twice: kills, full disks, wrong clocks, second runners."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sranogan_edge.errors import (
    ExitCode,
    FeedError,
    ObjectTooLargeError,
    SpoolError,
    SpoolFullError,
    SpoolInUseError,
)
from sranogan_edge.spool.retention import Pruner, Retention
from sranogan_edge.spool.spool import Cursor, Spool, SpoolLimits
from tests.support.spools import ROOMY, claimed, reopened, stored


def test_an_object_on_its_way(spool: Spool, tmp_path: Path) -> None:
    """Bytes and files go in, come out in order with their identity, and end with one result each."""
    (tmp_path / "film").write_bytes(b"two")
    first = spool.put(b"one", {"instance_uid": "1.2"}, source="dicom:1")
    second = spool.put(tmp_path / "film", {}, source="film")
    assert (first.state, first.size, first.identity, second.sequence) == (
        "received",
        3,
        {"instance_uid": "1.2"},
        2,
    )
    entry = claimed(spool)
    assert entry.path is not None
    assert (entry.sequence, entry.state, entry.attempts, entry.path.read_bytes()) == (1, "scoring", 1, b"one")
    assert spool.finish(entry, {"score": 1.5}) == 1
    other = claimed(spool)
    assert spool.finish(other, {"error": "bad"}, dead="truncated") == 2
    assert spool.next() is None
    assert spool.counts() == {"received": 0, "scoring": 0, "done": 1, "dead": 1}
    assert [(r.sequence, r.identity, r.line) for r in spool.outbox.results()] == [
        (1, {"instance_uid": "1.2"}, {"score": 1.5}),
        (2, {}, {"error": "bad"}),
    ]
    buried = spool.entry(2).path
    assert buried is not None
    assert buried.parent == spool.folder / "dead"
    assert buried.read_bytes() == b"two"
    assert "reason: truncated" in buried.with_suffix(".txt").read_text()
    with pytest.raises(SpoolError, match="has its result already"):
        spool.finish(entry, {"score": 2.0})


def test_one_key_is_one_object(spool: Spool) -> None:
    """What is sent again is not stored again, also by two threads at once, also once it is done."""
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(spool.put(b"x", {}, key="uid").sequence)) for _ in "1234"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    spool.finish(claimed(spool), {})
    never = spool.folder / "not there"  # what is known is not read again
    assert spool.put(never, {}, key="uid").state == "done"
    assert len(stored(spool.folder)) == 1


def test_an_object_may_end_and_be_removed_as_soon_as_it_is_stored(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stores or refuses one is told of it as it was, whatever the rest of the runner does at once."""
    database = spool._db
    transaction = database.transaction

    @contextmanager
    def and_at_once(**options: bool) -> Iterator[sqlite3.Connection]:
        monkeypatch.setattr(database, "transaction", transaction)
        with transaction(**options) as db:
            yield db
        if waiting := spool.next():
            spool.finish(waiting, {"score": 1.0})
        spool.finished.remove([1, 2])

    monkeypatch.setattr(database, "transaction", and_at_once)
    assert spool.put(b"one", {}, source="film").state == "received"
    monkeypatch.setattr(database, "transaction", and_at_once)
    entry, number = spool.refuse("torn", {"error": "bad"}, {}, key="b", source="other")
    assert (entry.state, entry.reason, number is not None) == ("dead", "torn", True)
    assert sum(spool.counts().values()) == 0


def test_bytes_and_names_are_on_disk_before_put_returns(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is forced to disk under its first name, the folder after it has its last."""
    seen: list[str] = []
    real, real_rename = os.fsync, Path.rename

    def watched(handle: int) -> None:
        seen.append(Path(os.readlink(f"/proc/self/fd/{handle}")).parent.name)
        real(handle)

    def rename(self: Path, target: Path) -> Path:
        seen.append("name")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(Path, "rename", rename)
    spool.put(b"x", {})
    assert seen == [
        "incoming",
        "name",
        "spool",
    ]  # the file in incoming/, then the folder objects/ in the spool


def test_half_written_and_unknown_files_are_swept(spool: Spool) -> None:
    """What a killed writer left was never acknowledged; it goes at the next start, the rest stays."""
    spool.put(b"x", {})
    (spool.folder / "incoming" / "half").write_bytes(b"")
    (spool.folder / "objects" / "whole").write_bytes(b"")
    again = reopened(spool)
    assert stored(again.folder) == [Path(str(claimed(again).path)).name]
    assert not list((again.folder / "incoming").iterdir())
    again.close()


def test_objects_outlive_their_database(spool: Spool) -> None:
    """Somebody who deletes the database loses the results, not the objects that wait."""
    spool.put(b"film", {})
    spool.close()
    for file in spool.folder.glob("spool.sqlite*"):
        file.unlink()
    again = Spool(spool.folder, ROOMY)
    assert Path(str(claimed(again).path)).read_bytes() == b"film"
    again.close()


def test_an_object_that_kills_the_scorer(spool: Spool) -> None:
    """After its attempts it is handed out no more; the objects behind it are."""
    for text in (b"poison", b"good"):
        spool.put(text, {})
    opened = spool
    for attempt in (1, 2, 3):
        assert claimed(opened).attempts == attempt
        opened = reopened(opened)
    assert claimed(opened).sequence == 2
    [dead] = opened.exhausted()
    assert (dead.sequence, dead.attempts) == (1, 3)
    opened.finish(dead, {}, dead="ended the runner 3 times")
    assert opened.entry(1).reason == "ended the runner 3 times"
    opened.close()


def test_a_failed_attempt_is_given_back(spool: Spool) -> None:
    """It waits again, with the reason."""
    spool.put(b"x", {})
    spool.give_back(claimed(spool), "no memory")
    assert (spool.entry(1).state, spool.entry(1).reason, claimed(spool).attempts) == (
        "received",
        "no memory",
        2,
    )


def test_the_second_runner_is_refused(spool: Spool) -> None:
    """In this process and in another; the message names the process that holds it, the exit code is 6."""
    with pytest.raises(SpoolInUseError, match=str(os.getpid())) as refused:
        Spool(spool.folder)
    cure = "two would score twice. Stop that one, or give this one a folder with --spool."
    assert str(refused.value).endswith(f"; {cure}")
    assert refused.value.exit_code == ExitCode.CANNOT_WRITE
    script = f"""
from pathlib import Path
from sranogan_edge.spool.spool import Spool
Spool(Path({str(spool.folder)!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"in use by another runner (process {os.getpid()})" in done.stderr
    assert reopened(spool).counts()["received"] == 0


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    """The kernel lifts it, although a child process of the holder lives on."""
    script = f"""
import os, signal, sys, time
from pathlib import Path
from sranogan_edge.spool.spool import Spool
spool = Spool(Path({str(tmp_path)!r}))
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        holder.kill()
        holder.wait()
    try:
        Spool(tmp_path).close()
    finally:
        os.kill(child, signal.SIGKILL)


def test_what_is_refused(tmp_path: Path) -> None:
    """Too large, too little space left, and no such file: each in words, nothing stored."""
    spool = Spool(tmp_path / "spool", SpoolLimits(max_object_bytes=10, min_free_bytes=0))
    with pytest.raises(ObjectTooLargeError, match="11 bytes, above the limit of 10"):
        spool.put(bytes(11), {})
    with pytest.raises(FeedError, match="cannot be read"):
        spool.put(tmp_path / "none", {})
    dead, number = spool.refuse("too large", {"error": "x"}, {}, key="k", source="s")
    assert (dead.state, dead.path, dead.reason, number) == ("dead", None, "too large", 1)
    assert dead.feed == ""
    again, number = spool.refuse("too large", {"error": "x"}, {}, key="k", source="s")
    assert (again.sequence, number) == (dead.sequence, None)
    with pytest.raises(ValueError, match="JSON"):  # what cannot be written leaves no half of it
        spool.refuse("too large", {"score": float("nan")}, {}, key="k2", source="s")
    assert spool.find("k2") is None
    spool.close()
    greedy = Spool(tmp_path / "greedy", SpoolLimits(min_free_bytes=1 << 60))
    with pytest.raises(SpoolFullError, match="the reserve of"):
        greedy.put(b"x", {})
    greedy.close()


def test_a_spool_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    """It had no feeds: what waits in it is scored like the rest, and new objects have theirs."""
    spool = Spool(tmp_path, SpoolLimits(min_free_bytes=0))
    spool.put(b"old", {}, key="old", source="old.png")
    spool.close()
    with sqlite3.connect(tmp_path / "spool.sqlite") as database:
        database.execute("ALTER TABLE objects DROP COLUMN feed")
        database.execute("PRAGMA user_version=1")
    database.close()
    spool = Spool(tmp_path, SpoolLimits(min_free_bytes=0))
    spool.put(b"new", {}, key="new", source="new.png", feed="dicom:11112")
    found = [spool.next(), spool.next()]
    assert [(e.key, e.feed) for e in found if e] == [("old", ""), ("new", "dicom:11112")]
    assert spool.waiting() == 0
    spool.close()


def test_damage_and_other_versions_are_named(tmp_path: Path) -> None:
    """Neither is overwritten, and the lock is not left held."""
    (tmp_path / "spool.sqlite").write_bytes(b"this is no database" * 100)
    for _ in range(2):
        with pytest.raises(SpoolError, match="move the folder aside"):
            Spool(tmp_path)
    (tmp_path / "spool.sqlite").unlink()
    with sqlite3.connect(tmp_path / "spool.sqlite") as database:
        database.execute("PRAGMA user_version=7")
    said = (
        r"spool\.sqlite: has schema version 7, this runner reads 2\. Finish it with the version that wrote "
        r"it, or name another folder with --spool\.$"
    )
    with pytest.raises(SpoolError, match=said):
        Spool(tmp_path)


def test_names_that_are_no_text(spool: Spool) -> None:
    """A file name of any bytes can be a source and a key."""
    odd = os.fsdecode(b"\xff\xfe.png")
    assert spool.put(b"x", {"name": odd}, key=odd, source=odd).source == "\\udcff\\udcfe.png"
    assert spool.find(odd) is not None


def test_sinks_have_cursors_of_their_own(spool: Spool) -> None:
    """Each reads on where it was; frames of a camera are numbered with the rest."""
    spool.outbox.record({"n": 1}, {"camera": "0"})
    spool.put(b"x", {})
    spool.finish(claimed(spool), {"n": 2})
    assert spool.outbox.cursor("page") is None
    spool.outbox.advance("page", Cursor(1, 50))
    again = reopened(spool)
    assert again.outbox.cursor("page") == Cursor(1, 50)
    assert [r.line["n"] for r in again.outbox.results(after=1)] == [2]
    assert [r.sequence for r in again.outbox.results()] == [None, 1]
    again.close()


@pytest.mark.parametrize("jump", [-20 * 365 * 86_400, 20 * 365 * 86_400])
def test_a_clock_that_jumps(spool: Spool, monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    """Neither the order nor the ages follow it."""
    spool.put(b"first", {})
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    spool.put(b"second", {})
    assert claimed(spool).sequence == 1
    spool.finish(spool.entry(1), {})
    assert claimed(spool).sequence == 2
    assert Pruner(spool, Retention(max_age_s=3600.0)).prune() == 0
    assert [r.sequence for r in spool.outbox.results()] == [1]


def test_the_age_goes_on_over_restarts(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time in use adds up."""
    monkeypatch.setattr(spool, "_opened", spool._opened - 500)
    spool.put(b"x", {})
    spool.finish(claimed(spool), {})
    again = reopened(spool)
    assert 500 <= again.uptime() < 600
    again.close()
