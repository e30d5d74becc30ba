"""A runner in a process of its own: what scanners send, and what lies in a folder, to archive and hook.

``python dicom_service.py ROOT ARCHIVE_PORT HOOK_URL``: all below ROOT; ``addresses.json`` there says where it
listens. All but the neural networks is real.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runner.killing.runner import stand_in
from sranogan_edge.alarms import Alarms
from sranogan_edge.feeds.dicom import DicomFeed
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.log import LogSettings, logging_to_stderr
from sranogan_edge.page.board import Board
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.service.delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service.loop import Service, ServiceSettings, stopped_by_signals
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkContext
from sranogan_edge.spool.spool import Spool, SpoolLimits
from tests.support.dicom_archive import until
from tests.support.remote_results import SECRET

PATIENCE_S = 120.0


def main(root: Path, archive: int, hook: str) -> int:
    """Run until a signal comes."""
    from sranogan_edge.page.access import Address
    from sranogan_edge.page.server import serving

    spool = Spool(root / "spool", SpoolLimits(min_free_bytes=0))
    feed = DicomFeed(DicomFeedSettings("dicom:127.0.0.1:0", any_caller=True))
    watched = WatchFeedSettings(f"watch:{root / 'watched'}", settle_s=0.05, poll_s=0.02).open()
    readers: dict[str, Reader] = {"log": ResultsLog(root / "results.jsonl")}
    for sink in (f"dicom://127.0.0.1:{archive}/PACS", hook):
        opened = sink_of(sink).open(SinkContext(root / "spool" / "sinks", pictures=root))
        readers[sink] = SinkReader(opened)
    alarms, board = Alarms(), Board(Calibration(tuple(np.linspace(0, 210, 41)), 0.05), 1.0)
    judge = replace(stand_in(0.0), heat_limit=1.0)
    how = ServiceSettings(out=root)
    service = Service(judge, spool, [feed, watched], readers, how, board=board, alarms=alarms)
    with serving(board, Address("127.0.0.1", 0), alarms) as url, stopped_by_signals(service):
        found = json.dumps({"port": feed.receiver.port, "url": url})
        (root / "addresses.part").write_text(found)
        (root / "addresses.part").rename(root / "addresses.json")
        code = service.run()
    spool.close()
    return int(code)


class Runner:
    """A runner of this file, as the tests see it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        addresses = root / "addresses.json"
        assert until(addresses.exists, PATIENCE_S), self.log
        found = json.loads(addresses.read_text())
        self.port, self._url = int(found["port"]), found["url"]

    @property
    def log(self) -> str:
        """All that it wrote to standard output and standard error."""
        return (self.root / "log.txt").read_text()

    def get(self, path: str) -> str:
        """What its web server answers."""
        with urllib.request.urlopen(f"{self._url}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def state(self) -> Any:
        """What the page shows."""
        return json.loads(self.get("api/state"))

    def metric(self, name: str, label: str = "") -> float:
        """The value of the metric ``name`` whose labels hold ``label``."""
        lines = self.get("metrics").splitlines()
        (found,) = [each for each in lines if each.startswith((f"{name} ", f"{name}{{")) and label in each]
        return float(found.rpartition(" ")[2])

    def scored(self) -> int:
        """How many objects have their result."""
        return int(sum(self.state()["counts"].values()))

    def sink(self, scheme: str) -> Any:
        """What the page shows of the sink of this kind."""
        (found,) = [sink for sink in self.state()["sinks"] if sink["name"].startswith(scheme)]
        return found

    def drop(self, films: Iterable[tuple[str, bytes]]) -> None:
        """Put films, by name, into the watched folder."""
        for name, film in films:
            part = self.root / f"{name}.part"
            part.write_bytes(film)
            part.rename(self.root / "watched" / name)


@contextmanager
def running(root: Path, archive: int, hook: str, log_format: str = "text") -> Iterator[Runner]:
    """Give a runner below ``root``, and end it."""
    (root / "watched").mkdir(exist_ok=True)
    (root / "addresses.json").unlink(missing_ok=True)
    command = [sys.executable, "-X", "dev", __file__, str(root), str(archive), hook, log_format]
    environ = {
        **os.environ,
        "SRANOGAN_WEBHOOK_SECRET": SECRET.decode(),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with (
        (root / "log.txt").open("ab") as log,
        subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield Runner(root)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


if __name__ == "__main__":
    with logging_to_stderr(LogSettings("json" if sys.argv[4] == "json" else "text", "debug")):
        sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
