"""The runner with stand-ins for the detector and the feeds: stops, faults, full disks, failing sinks."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runner.killing.runner import settings_of, stand_in
from sranogan_edge.errors import ExitCode, ResultsError
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.service.delivery import ResultsLog, SinkReader
from sranogan_edge.service.notify import Notifier
from sranogan_edge.service.run import serve_settings
from sranogan_edge.spool.entry import Entry
from sranogan_edge.spool.spool import SpoolLimits
from tests.support.service_bench import Bench, Camera, Sink, fill, images, lines, wait_for


def test_files_end_and_are_not_scored_again(bench: Bench) -> None:
    """Good and bad have their line; a second run over the same folder finds nothing new to do."""
    folder = images(bench.root / "in", 10, 250)
    (folder / "bad.png").write_bytes(b"no image")
    log = bench.root / "results.jsonl"
    for _ in range(2):
        service = bench.build(feed_of(str(folder)).open(), log=ResultsLog(log))
        code = service.run()
        assert [(Path(r["file"]).name, r["verdict"]) for r in lines(log)] == [
            ("10.png", "normal"),
            ("250.png", "anomalous"),
            ("bad.png", "error"),
        ]
        assert code == (ExitCode.SOME_FAILED if service.failed else ExitCode.OK)
    assert bench.detector.calls == 2
    assert (bench.root / lines(log)[0]["heat_map"]).is_file()
    assert sorted(p.name for p in folder.iterdir()) == ["10.png", "250.png", "bad.png"]


def test_a_watched_folder_beside_files(bench: Bench) -> None:
    """Both end in one results file; a stop leaves with 0 although some failed."""
    watched = images(bench.root / "watched", 20, 30)
    (watched / "notes.png").write_text("x")
    (watched / "notes.txt").write_text("no image: it stays")
    feeds = (
        WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open(),
        feed_of(str(images(bench.root / "in", 40))).open(),
    )
    stop = bench.in_background(bench.build(*feeds, log=ResultsLog(bench.root / "results.jsonl")))
    wait_for(lambda: len(list((watched / "done").iterdir()) + list((watched / "failed").iterdir())) == 3)
    images(watched, 50)
    wait_for(lambda: (watched / "done" / "50.png").exists())
    assert stop() == ExitCode.OK
    found = [Path(r["file"]).name for r in lines(bench.root / "results.jsonl")]
    assert sorted(found) == ["20.png", "30.png", "40.png", "50.png", "notes.png"]
    assert (watched / "notes.txt").is_file()


def test_an_image_that_is_too_large(tmp_path: Path) -> None:
    """It goes to failed/ with its line, and the next one is scored."""
    bench = Bench(tmp_path, SpoolLimits(max_object_bytes=2000, min_free_bytes=0))
    watched = images(tmp_path / "watched", 20)
    (watched / "huge.png").write_bytes(bytes(3000))
    feed = WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open()
    stop = bench.in_background(bench.build(feed, log=ResultsLog(tmp_path / "results.jsonl")))
    wait_for(lambda: (watched / "failed" / "huge.png").exists() and (watched / "done" / "20.png").exists())
    assert stop() == ExitCode.OK
    errors = [r["error"] for r in lines(tmp_path / "results.jsonl") if r["error"]]
    assert len(errors) == 1
    assert "3,000 bytes, above the limit" in errors[0]
    bench.spool.close()


def test_an_object_that_ended_and_is_gone_is_settled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent again when it is done, and removed meanwhile: the runner goes on, and its sender is told."""
    folder, put = images(bench.root / "in", 30, 60), bench.spool.put

    def put_and_remove(*args: Any, **more: Any) -> Entry:
        entry = put(*args, **more)
        if entry.sequence == 1:
            bench.spool.finish(entry, {"file": "30.png"})
            bench.spool.finished.remove([entry.sequence])
        return entry

    monkeypatch.setattr(bench.spool, "put", put_and_remove)
    log = bench.root / "r.jsonl"
    assert bench.build(feed_of(str(folder)).open(), log=ResultsLog(log)).run() == ExitCode.OK
    assert [line["score"] for line in lines(log)] == [60]


def test_what_is_no_image_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The log has a warning with its name and the reason."""
    (bench.root / "broken.png").write_bytes(b"no image")
    bench.build(feed_of(str(bench.root / "broken.png")).open(), log=ResultsLog(bench.root / "r.jsonl")).run()
    warnings = [one for one in caplog.records if one.levelno >= logging.WARNING]
    (told,) = [one for one in warnings if "broken.png" in one.getMessage()]
    assert told.levelname == "WARNING"
    assert "not a JPEG" in told.getMessage()


def test_frames_of_a_camera(bench: Bench) -> None:
    """They go past the spool and have their results, in order, with those of the files."""
    log = bench.root / "results.jsonl"
    feeds = Camera(30), feed_of(str(images(bench.root / "in", 200))).open()
    assert bench.build(*feeds, log=ResultsLog(log)).run() == ExitCode.OK
    found = lines(log)
    assert [r["score"] for r in found if r["identity"]] == list(range(1, 31))
    assert len(found) == 31
    assert bench.spool.counts()["done"] == 1


def test_a_sink_that_fails_holds_up_nobody(bench: Bench) -> None:
    """The other has its results; the broken one gets all of them later, in order."""
    good, bad = Sink(), Sink()
    bad.broken = True
    folder = images(bench.root / "in", 10, 20, 30)
    service = bench.build(feed_of(str(folder)).open(), good=SinkReader(good), bad=SinkReader(bad))
    assert service.run() == ExitCode.OK
    assert good.lines == ["10.png", "20.png", "30.png"]
    assert (bad.lines, good.closed, bad.closed) == ([], True, True)
    bad.broken = False
    bench.build(good=SinkReader(good), bad=SinkReader(bad)).run()
    assert bad.lines == ["10.png", "20.png", "30.png"]
    assert len(good.lines) == 3


def test_a_full_disk_and_a_freed_one(disk: Path) -> None:
    """The folder's files wait where they are; once there is room each is scored once."""
    bench = Bench(disk)
    watched = images(disk / "watched", *range(20, 40))
    ballast = disk / "ballast"
    log = ResultsLog(bench.root / "results.jsonl")
    service = bench.build(WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open(), log=log)
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
        fill(file)
    stop = bench.in_background(service)
    wait_for(lambda: any("the disk is full" in alarm for alarm in service.alarms.now))
    assert not log.path.read_text()
    ballast.unlink()
    wait_for(lambda: len(list((watched / "done").iterdir())) == 20)
    assert stop() == ExitCode.OK
    assert len({r["file"] for r in lines(log.path)}) == len(lines(log.path)) == 20
    bench.spool.close()


def test_a_results_folder_that_becomes_read_only(bench: Bench, disk: Path) -> None:
    """Scoring goes on, the results wait in the spool, and are written once it is writable again."""
    log = ResultsLog(disk / "results.jsonl")
    watched = images(bench.root / "watched", 20)
    service = bench.build(WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open(), log=log)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    stop = bench.in_background(service)
    wait_for(lambda: bench.spool.counts()["done"] == 1)
    assert lines(log.path) == []
    with pytest.raises(ResultsError, match="Read-only file system"):
        ResultsLog(disk / "results.jsonl")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    wait_for(lambda: len(lines(log.path)) == 1)
    assert stop() == ExitCode.OK


def test_heat_maps_on_a_disk_that_becomes_read_only(tmp_path: Path, disk: Path) -> None:
    """Scoring goes on without them, an alarm says so until there are some again."""
    bench = Bench(tmp_path)
    bench.out = disk
    watched = images(tmp_path / "watched", 20)
    service = bench.build(WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open())
    stop = bench.in_background(service)
    for means, how in (((20,), "ro"), ((30, 40), "rw"), ((50,), "rw")):
        images(watched, *means)
        for mean in means:
            wait_for((watched / "done" / f"{mean}.png").exists)
        alarms = [alarm for alarm in service.alarms.now if "heat maps are missing (Read-only" in alarm]
        assert len(alarms) == (means == (30, 40))
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)
    assert stop() == ExitCode.OK
    assert bench.spool.counts()["done"] == 4
    assert len(list((disk / "heat_maps").iterdir())) == 2
    bench.spool.close()


def test_a_start_with_a_results_folder_that_is_read_only(tmp_path: Path, disk: Path) -> None:
    """Where an earlier run wrote there, its results wait; a folder that never took any is refused."""
    out, spool = disk / "out", tmp_path / "spool"

    def score(name: str, mean: int, spool: Path) -> ExitCode:
        settings = settings_of(str(images(tmp_path / name, mean)), out, spool)
        return serve_settings(settings, judge=stand_in())

    assert score("a", 20, spool) == ExitCode.OK
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert score("b", 30, spool) == ExitCode.OK
    with pytest.raises(ResultsError, match="Read-only file system"):
        score("c", 40, tmp_path / "new")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert score("d", 50, spool) == ExitCode.OK
    assert [r["score"] for r in lines(out / "results.jsonl")] == [20, 30, 50]


def test_results_are_written_once(bench: Bench) -> None:
    """What a killed run wrote beyond its cursor is cut off; what was there before us is not."""
    log = bench.root / "results.jsonl"
    log.write_text('{"of": "an earlier program"}\n')
    bench.build(feed_of(str(images(bench.root / "in", 10))).open(), log=ResultsLog(log)).run()
    with log.open("a") as file:
        file.write('{"half": ')
    bench.build(feed_of(str(images(bench.root / "in", 20))).open(), log=ResultsLog(log)).run()
    assert [r.get("score") for r in lines(log)] == [None, 10.0, 20.0]
    log.write_text("")  # rotated away by somebody
    bench.build(feed_of(str(images(bench.root / "in", 30))).open(), log=ResultsLog(log)).run()
    assert [r["score"] for r in lines(log)] == [30.0]


def test_a_clock_set_back_while_it_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are taken, scored and numbered as if nothing had happened."""
    watched = images(bench.root / "watched", 20)
    log = ResultsLog(bench.root / "results.jsonl")
    stop = bench.in_background(
        bench.build(WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open(), log=log)
    )
    wait_for(lambda: (watched / "done" / "20.png").exists())
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 10 * 365 * 86_400)
    images(watched, 30)
    os.utime(watched / "30.png", (0, 0))
    wait_for(lambda: (watched / "done" / "30.png").exists())
    assert stop() == ExitCode.OK
    assert [(r["number"], r["score"]) for r in lines(log.path)] == [(1, 20.0), (2, 30.0)]


def test_word_to_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY, WATCHDOG and STOPPING reach the socket; the watchdog not more often than it needs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "8000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        notifier = Notifier()
        assert notifier.watchdog_s == 8
        notifier.ready()
        for _ in range(5):
            notifier.alive()
        notifier.status("two\nlines")
        notifier.stopping()
        said = [manager.recv(1000).decode() for _ in range(4)]
    assert said == [f"READY=1\nMAINPID={os.getpid()}", "WATCHDOG=1", "STATUS=two lines", "STOPPING=1"]
    notifier.stopping()  # nobody listens any more
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier().watchdog_s is None
    monkeypatch.delenv("NOTIFY_SOCKET")
    Notifier().ready()


def test_a_run_tells_systemd(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY when it takes images, WATCHDOG while it works, STOPPING before it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "4")  # every sign of life is worth telling
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        stop = bench.in_background(bench.build(feed_of(str(images(bench.root / "in", 10, 20, 30))).open()))
        said: list[str] = []
        while not said or said[-1] != "STOPPING=1":
            said.append(manager.recv(4096).decode())
        assert stop() == ExitCode.OK
    assert said[0].startswith("READY=1")
    assert said.count("WATCHDOG=1") >= 6  # before and after each image
    assert any(message.startswith("STATUS=") for message in said)
