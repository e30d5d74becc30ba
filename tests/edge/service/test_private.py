"""Whatever the runner makes is for its own user; no copy of a film lies elsewhere."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.service.run import serve_settings
from sranogan_edge.settings.tree import Settings, SpoolSettings
from sranogan_edge.sinks.kinds import sink_of
from tests.support.service_bench import Bench, images, lines, wait_for


def others_may(folder: Path) -> list[str]:
    """What below ``folder`` anybody else may touch."""
    paths = [path for path in folder.rglob("*") if not path.is_symlink()]
    return sorted(str(path.relative_to(folder)) for path in paths if path.stat().st_mode & 0o077)


def test_everything_that_is_made_is_private(tmp_path: Path) -> None:
    """Whatever the umask of who starts it; so is what an earlier version left; only done/ is the group's."""
    for name in ("in", "spool", "spool/objects", "out"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "out" / "results.jsonl").touch(mode=0o644)
    bench = Bench(tmp_path / "bench")
    bench.spool.close()
    settings = Settings(
        tmp_path / "none.sranogan",
        (WatchFeedSettings(f"watch:{tmp_path / 'in'}", settle_s=0.05, poll_s=0.02),),
        out=tmp_path / "out",
        sinks=(sink_of(f"sqlite:{tmp_path}/sinks/r.sqlite"), sink_of(f"jsonl:{tmp_path}/sinks/lines")),
        spool=SpoolSettings(folder=tmp_path / "spool"),
    )
    before = os.umask(0)
    try:
        images(tmp_path / "in", 100, 250)
        threading.Thread(target=_stop_when_scored, args=(tmp_path / "out" / "results.jsonl", 2)).start()
        serve_settings(settings, judge=bench.judge)
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert others_may(tmp_path / "spool") == others_may(tmp_path / "sinks") == []
    assert others_may(tmp_path / "out") == []
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    modes = {name: stat.S_IMODE((tmp_path / "in" / name).stat().st_mode) for name in (".sranogan", "done")}
    assert modes == {".sranogan": 0o700, "done": 0o750}


def _stop_when_scored(results: Path, number: int) -> None:
    wait_for(lambda: len(lines(results)) >= number)
    os.kill(os.getpid(), signal.SIGTERM)


SCRIPT = """
import sys, time
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
feed = DicomFeedSettings("dicom:127.0.0.1:0", calling=("XRAY1",)).open()
print(feed.receiver.port, flush=True)
for arrival in feed:
    print("arrived", flush=True)
    time.sleep(60)
"""


def test_a_killed_receiver_leaves_no_film_behind(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """What a scanner sent lies in the spool alone: nothing in the folder of temporary files."""
    pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")
    from tests.support.dicom_peer import IMAGE, send

    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        threading.Thread(target=send, args=(port, make_dicom(IMAGE)), daemon=True).start()
        assert other.stdout.readline() == "arrived\n"
        other.kill()
    assert list(tmp_path.iterdir()) == []
