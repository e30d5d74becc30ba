r"""How a runner fares on a spool of a version before the search, while its results are made ready for it.

::

    python -m benchmarks.runner.first_start demo/chest.sranogan --out benchmarks/results/first_start.json

The older half of the results is of objects, the newer one of frames: as many as a spool keeps by default. The
runner is ``sranogan-score`` as a service, with a watchdog of 2 seconds that the benchmark listens to in the
place of systemd. Until a search finds all results, ``/healthz`` is asked and a film is sent, in turn; then
again for as long, to compare.
"""

from __future__ import annotations

import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.record import Record
from benchmarks.runner.results_search import results
from benchmarks.runner.serving import film
from sranogan_edge.spool.queue import append_result
from sranogan_edge.spool.spool import Spool

WATCHDOG_S = 2.0
EVERY_S = 0.1
START_S = 300.0
_EARLIER = """
DROP TRIGGER results_looked_up; DROP TRIGGER results_let_go; DROP TRIGGER results_counted;
DROP TABLE lookups; DROP TABLE lookups_left; DROP TABLE days; DROP TABLE tally;
"""
_OBJECT = (
    "INSERT INTO objects (key, name, source, identity, origin, size, received_at, state, finished_uptime) "
    "VALUES (?, '', ?, '{}', '', 0, 0, 'done', 0)"
)


def fill(folder: Path, count: int, rng: random.Random) -> None:
    """Write a spool of ``count`` results as a version before the search left it, all of them delivered."""
    Spool(folder).close()
    with closing(sqlite3.connect(folder / "spool.sqlite")) as db:
        db.executescript(_EARLIER)
        for number, (identity, line) in enumerate(results(count, rng)):
            key = (line.file, line.file)
            sequence = None if number >= count // 2 else db.execute(_OBJECT, key).lastrowid
            append_result(db, sequence, identity, line.to_dict())
        db.execute("INSERT INTO cursors VALUES ('results.jsonl', ?, 0)", (count,))
        db.commit()


@dataclass
class Watchdog:
    """Hears what a runner tells systemd."""

    channel: socket.socket
    heard: list[float] = field(default_factory=list)

    def listen(self) -> None:
        """Until the channel is closed."""
        while True:
            try:
                message = self.channel.recv(4096)
            except OSError:
                return
            if b"WATCHDOG=1" in message:
                self.heard.append(time.monotonic())

    def longest_gap_s(self, since: float, until: float) -> float:
        """Between two signs of life, or one and an end."""
        return float(np.diff([since, *(one for one in self.heard if since < one < until), until]).max())


@dataclass
class Client:
    """Asks one thing after the other, and notes how long each took."""

    url: str
    health_ms: list[float] = field(default_factory=list)
    film_ms: list[float] = field(default_factory=list)

    def ask(self, path: str, data: bytes | None = None) -> tuple[float, bytes]:
        """Milliseconds and the answer; raises URLError where it is not a good one."""
        began = time.perf_counter()
        headers = {"Content-Type": "image/png"} if data else {}
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, data, headers), timeout=60
        ) as got:
            said = got.read()
        return 1000 * (time.perf_counter() - began), said

    def once(self, sent: bytes) -> int:
        """Health, a film, and how many results are still to come."""
        self.health_ms.append(self.ask("healthz")[0])
        self.film_ms.append(self.ask("v1/score", sent)[0])
        time.sleep(EVERY_S)
        return int(json.loads(self.ask("api/search")[1])["to_come"])

    def figures(self) -> dict[str, float]:
        """What is written down."""
        return {
            "asked": len(self.health_ms),
            "healthz_slowest_ms": round(max(self.health_ms), 1),
            "film_median_ms": round(float(np.median(self.film_ms)), 1),
            "film_slowest_ms": round(max(self.film_ms), 1),
        }


@contextmanager
def served(bundle: Path, root: Path) -> Iterator[tuple[str, Watchdog, float]]:
    """Run the service; gives its address, what it tells systemd, and the seconds until it was ready."""
    (root / "in").mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{free.getsockname()[1]}"
    told = root / "notify"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as channel:
        told.unlink(missing_ok=True)
        channel.bind(str(told))
        watchdog = Watchdog(channel)
        threading.Thread(target=watchdog.listen, daemon=True).start()
        environ = {**os.environ, "NOTIFY_SOCKET": str(told), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        command = [sys.executable, "-m", "sranogan_edge.commands.score", str(bundle), f"watch:{root / 'in'}"]
        command += ["--out", str(root / "out"), "--spool", str(root / "spool"), "--serve", url]
        began = time.monotonic()
        with subprocess.Popen(command, env=environ) as child:
            try:
                while not is_ready(f"http://{url}/"):
                    if time.monotonic() > began + START_S or child.poll() is not None:
                        raise RuntimeError("the runner is not ready")
                    time.sleep(0.05)
                yield f"http://{url}/", watchdog, time.monotonic() - began
            finally:
                child.terminate()
                child.wait()


def is_ready(url: str) -> bool:
    """Whether it scores."""
    try:
        return Client(url).ask("readyz")[1] == b"ready\n"
    except OSError:
        return False


def main(
    bundle: Annotated[Path, typer.Argument(help="What scores.")],
    count: Annotated[int, typer.Option("--results", min=2, help="In the spool.")] = 200_000,
    seed: Annotated[int, typer.Option(help="Of the verdicts.")] = 3,
    out: Annotated[Path, typer.Option(help="The result's file.")] = Path(
        "benchmarks/results/first_start.json"
    ),
) -> None:
    """Build, start, ask, start again, write."""
    record, sent = Record("runner.first_start", seed), film(0)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="sranogan-start-") as folder:
        root = Path(folder)
        fill(root / "spool", count, random.Random(seed))
        figures["size_mb"] = round((root / "spool" / "spool.sqlite").stat().st_size / 1e6, 1)
        with served(bundle, root) as (url, watchdog, ready_s):
            began, during, after = time.monotonic(), Client(url), Client(url)
            while during.once(sent):
                pass
            ended = time.monotonic()
            figures |= {"ready_s": round(ready_s, 1), "searchable_s": round(ended - began, 1)}
            figures["watchdog_longest_gap_s"] = round(watchdog.longest_gap_s(began, ended), 2)
            while time.monotonic() < 2 * ended - began:
                after.once(sent)
            found = json.loads(after.ask("api/search")[1])["found"]
        with served(bundle, root) as (_, _, ready_s):
            figures["ready_s_of_the_second_start"] = round(ready_s, 1)
    record.write(
        out,
        results=count,
        found=found,
        watchdog_s=WATCHDOG_S,
        **figures,
        while_made_ready=during.figures(),
        afterwards=after.figures(),
    )


if __name__ == "__main__":
    typer.run(main)
