"""The runner in the test's own process: stand-ins for detector, sink and camera, all else real."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.errors import ExitCode, ResultsError
from sranogan_edge.feeds.feed import Arrival, Feed, FeedHealth
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.page.board import Board
from sranogan_edge.results.line import ResultLine, Scorer
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from sranogan_edge.scoring.rule import Rule
from sranogan_edge.service.delivery import Reader
from sranogan_edge.service.loop import Service, ServiceSettings
from sranogan_edge.service.scoring import Judge
from sranogan_edge.service.swap import Swap
from sranogan_edge.service.threshold import AppliedThreshold
from sranogan_edge.site.drift import DriftSettings
from sranogan_edge.spool.retention import Retention
from sranogan_edge.spool.spool import Spool, SpoolLimits
from sranogan_edge.uploads.waiting import Uploads

PATIENCE_S = 60.0
RULE = Rule(Calibration((200.0,), 0.5))  # anomalous above 200


class StandIn:
    """Scores an image by its mean; fails with what ``faults`` hold, one a call, and while it is ``lost``."""

    def __init__(self) -> None:
        self.faults: list[Exception] = []
        self.calls = 0
        self.lost: Exception | None = None

    def prove(self) -> None:
        if self.lost:
            raise self.lost

    def measure(self, frame: Frame, pulse: Callable[[], object] = lambda: None) -> Measurement:
        self.calls += 1
        self.prove()
        if self.faults:
            raise self.faults.pop(0)
        score = float(frame.pixels.mean())
        flat = np.full((8, 8, 1), score / 255, np.float32)
        seen = np.zeros((2, 32, 32), np.float32)
        seen[1, ::2] = score
        made = Reconstruction(flat, flat, flat, flat, {}, seen, 0.0, {})
        return Measurement(score, {}, flat[..., 0], made, {"total": 1.0})


class Sink:
    """Remembers what it was given; fails while ``broken``."""

    def __init__(self) -> None:
        self.lines: list[str] = []  # the files
        self.broken = False
        self.closed = False

    def write(self, line: ResultLine) -> None:
        if self.broken:
            raise ResultsError("the broker is gone")
        self.lines.append(Path(line.file).name)

    def close(self) -> None:
        self.closed = True


class Camera:
    """A feed of frames, or of a failure."""

    name = "camera:fake"

    def __init__(self, frames: int, then: Exception | None = None) -> None:
        self.frames, self.then = frames, then
        self.health = FeedHealth()

    def __iter__(self) -> Iterator[Arrival]:
        for number in range(1, self.frames + 1):
            pixels = np.full((20, 20), number, np.uint8)
            frame = Frame(pixels, 8, Photometric.MONOCHROME2, source=f"frame {number}")
            yield Arrival(f"frame {number}", 0.0, frame=frame, identity={"camera": "0"})
        if self.then:
            raise self.then

    def close(self) -> None:
        pass


class Bench:
    """A runner in this process, with a spool and a results folder."""

    def __init__(self, root: Path, limits: SpoolLimits | None = None) -> None:
        self.root, self.detector = root, StandIn()
        self.spool = Spool(root / "spool", limits or SpoolLimits(min_free_bytes=0))
        scorer, prove = Scorer("0" * 64, 1, "stand-in"), self.detector.prove
        self.judge = Judge(self.detector, scorer, 1_000_000, heat_limit=1.0, rule=RULE, prove=prove)
        self.service: Service | None = None
        self.threshold: AppliedThreshold | None = None
        self.drift: DriftSettings | None = None
        self.retention, self.prune_every_s = Retention(), 60.0
        self.board: Board | None = None
        self.swap: Swap | None = None
        self.decoder: Decoder | None = None
        self.uploads: Uploads | None = None
        self.out = root

    def build(self, *feeds: Feed, **readers: Reader) -> Service:
        """Connect the parts."""
        settings = ServiceSettings(self.out, self.retention, self.prune_every_s, drift=self.drift)
        self.service = Service(
            self.judge,
            self.spool,
            feeds,
            readers,
            settings,
            threshold=self.threshold,
            board=self.board,
            swap=self.swap,
            decoder=self.decoder,
            uploads=self.uploads,
        )
        return self.service

    @staticmethod
    def in_background(service: Service) -> Callable[[], ExitCode]:
        """Run it; returns what stops it and gives its exit code."""
        codes: list[ExitCode] = []
        thread = threading.Thread(target=lambda: codes.append(service.run()))
        thread.start()

        def stop() -> ExitCode:
            service.stop()
            thread.join(PATIENCE_S)
            return codes[0]

        return stop


def images(folder: Path, *means: int) -> Path:
    """A folder of small images named after their means."""
    folder.mkdir(exist_ok=True)
    for mean in means:
        Image.fromarray(np.full((20, 20), mean, np.uint8)).save(folder / f"{mean}.png")
    return folder


def lines(file: Path) -> list[dict[str, Any]]:
    """Every line, none of them partial; one that is being written is waited for."""
    text = ""

    def whole() -> bool:
        nonlocal text
        text = file.read_text() if file.exists() else ""
        return not text or text.endswith("\n")

    wait_for(whole)
    return [json.loads(line) for line in text.splitlines()]


def fill(file: BinaryIO) -> None:
    """Write until it fails."""
    while True:
        file.write(bytes(4096))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
