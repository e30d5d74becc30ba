"""The runner that hostile inputs are fed to, what it takes meanwhile, and whether it always answers."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.runner.killing.dicom import free_port
from sranogan_edge.settings.tree import PAGE_TOKEN, PAGE_VIEWER_TOKEN

__all__ = ["LONGEST_ANSWER_S", "Life", "World", "until"]

RUNNER = "benchmarks.runner.hostile.runner"
UNIT_BYTES = 3 * 2**30  # MemoryMax of the unit
LONGEST_ANSWER_S = 10.0
PATIENCE_S, PROBE_S, SAMPLE_S = 180.0, 1.0, 0.25


@dataclass
class Life:
    """What a life of the runner took, from start to stop.

    Attributes:
        tls: whether its page spoke TLS alone.
        peak_runner_bytes: most memory of the runner.
        peak_decoder_bytes: most memory of a decoder.
        peak_bytes: most of both at one moment.
        decoders: processes that decoded, one after the other.
        most_handles: that the runner had open.
        probes: times that ``/healthz`` and ``/readyz`` were asked, once a second each.
        not_ready: of them, those with another answer than 200.
        longest_answer_s: of one of them.
        log_bytes: of its log.
        wrong: promises that were broken, in words.
    """

    tls: bool = False
    peak_runner_bytes: int = 0
    peak_decoder_bytes: int = 0
    peak_bytes: int = 0
    decoders: int = 0
    most_handles: int = 0
    probes: int = 0
    not_ready: int = 0
    longest_answer_s: float = 0.0
    log_bytes: int = 0
    wrong: list[str] = field(default_factory=list)


class World:
    """One life of the runner; use as a context manager. Everything of it lies in ``root``."""

    def __init__(self, root: Path, *, tls: bool = False) -> None:
        """Start it."""
        self.root, self.watched, self.life = root, root / "watched", Life(tls)
        self.watched.mkdir(exist_ok=True)
        self.dicom_port, self.page_port = free_port(), free_port()
        self.operator, self.viewer = secrets.token_hex(16), secrets.token_hex(16)
        self.tls: ssl.SSLContext | None = None
        own: tuple[str, ...] = ()
        if tls:
            own = _certificate(root)
            self.tls = ssl.create_default_context(cafile=own[0])
            self.tls.check_hostname = False
        environment = {**os.environ, PAGE_TOKEN: self.operator, PAGE_VIEWER_TOKEN: self.viewer}
        arguments = (str(root), str(self.dicom_port), str(self.page_port), *own)
        with (root / "log").open("ab") as log:
            command = [sys.executable, "-m", RUNNER, *arguments]
            self.process = subprocess.Popen(command, stderr=log, env=environment)
        self._over, self._decoders = threading.Event(), set[int]()
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._probe, self._sample)]

    def __enter__(self) -> World:
        try:
            if not until(lambda: self._asked("/readyz") == 200, PATIENCE_S, self.alive):
                raise TimeoutError(f"the runner is not ready; its log: {self.log()[-2000:]}")
        except BaseException:
            self.process.kill()
            raise
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * LONGEST_ANSWER_S)
        life = self.life
        if not self.alive():
            life.wrong.append(f"the runner ended with {self.process.returncode}: {self.log()[-500:]}")
        self.process.terminate()
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if code:
            life.wrong.append(f"the runner's exit code was {code}")
        if life.peak_bytes > UNIT_BYTES:
            life.wrong.append(f"the runner and its decoder took {life.peak_bytes:,} bytes")
        life.decoders, life.log_bytes = len(self._decoders), len(self.log())
        if "Traceback" in self.log():
            life.wrong.append(f"a traceback: {self.log().partition('Traceback')[2][:1500]}")

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def log(self) -> str:
        """What it said on standard error."""
        return (self.root / "log").read_text(errors="replace")

    def _probe(self) -> None:
        """Ask each second; an answer that takes too long is a broken promise."""
        life = self.life
        while not self._over.wait(PROBE_S):
            for path in ("/healthz", "/readyz"):
                begun, status = time.monotonic(), 0
                while (
                    not status and time.monotonic() - begun < 6 * LONGEST_ANSWER_S and not self._over.is_set()
                ):
                    status = self._asked(path)  # 0: closed for others, or no answer: asked again
                if self._over.is_set():
                    return
                took = time.monotonic() - begun
                life.probes += 1
                life.not_ready += status != 200
                life.longest_answer_s = round(max(life.longest_answer_s, took), 3)
                if took > LONGEST_ANSWER_S:
                    life.wrong.append(f"{path} was answered {status} after {took:.1f} s")

    def _asked(self, path: str) -> int:
        """The status of an answer; 0 without one."""
        at = ("127.0.0.1", self.page_port)
        try:
            if self.tls:
                visitor = http.client.HTTPSConnection(*at, timeout=LONGEST_ANSWER_S, context=self.tls)
            else:
                visitor = http.client.HTTPConnection(*at, timeout=LONGEST_ANSWER_S)  # type: ignore[assignment]
            with contextlib.closing(visitor):
                visitor.request("GET", path)
                return visitor.getresponse().status
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            return 0

    def _sample(self) -> None:
        number, life = self.process.pid, self.life
        while not self._over.wait(SAMPLE_S):
            children = _children(number)
            self._decoders.update(children)
            life.peak_runner_bytes = max(life.peak_runner_bytes, _memory(number, "VmHWM"))
            life.peak_decoder_bytes = max(
                [life.peak_decoder_bytes, *(_memory(one, "VmHWM") for one in children)]
            )
            together = sum(_memory(one, "VmRSS") for one in (number, *children))
            life.peak_bytes = max(life.peak_bytes, together)
            with contextlib.suppress(OSError):
                life.most_handles = max(life.most_handles, len(os.listdir(f"/proc/{number}/fd")))


def until(true, patience_s: float, going_on) -> bool:  # type: ignore[no-untyped-def]
    """Wait until ``true()``, for so long and while ``going_on()``."""
    deadline = time.monotonic() + patience_s
    while not (found := bool(true())) and time.monotonic() < deadline and going_on():
        time.sleep(0.05)
    return found


def _children(number: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{number}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # a thread that has ended
                found += [int(child) for child in path.read_text().split()]
    return found


def _memory(number: int, which: str) -> int:
    """Bytes of a process's memory, now or at most; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{number}/status").read_text().splitlines():
            if line.startswith(which):
                return int(line.split()[1]) * 1024
    return 0


def _certificate(root: Path) -> tuple[str, str]:
    """A certificate of its own for the page, for a day; paths of it and of its key."""
    certificate, key = root / "page.pem", root / "page.key"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ["openssl", "req", "-x509", *kind, *name, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return str(certificate), str(key)
