"""What programs send to a running service: scored beside the feeds, by the same rule, and not kept."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.page.board import Board
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.service.delivery import ResultsLog
from sranogan_edge.service.loop import Service
from sranogan_edge.service.threshold import AppliedThreshold
from sranogan_edge.uploads.limits import UploadSettings
from sranogan_edge.uploads.waiting import Uploads
from tests.support.encoded_images import by_opencv
from tests.support.service_bench import Bench, images, lines, wait_for
from tests.support.settings_files import SMALL, read, refusals

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from sranogan_edge.alarms import Alarms
from sranogan_edge.page.access import Address
from sranogan_edge.page.audit import AuditTrail
from sranogan_edge.service.run import _page

PNG = {"Content-Type": "image/png"}


class Runner:
    """A service with a watched folder, a page, and uploads."""

    def __init__(self, root: Path) -> None:
        self.bench, self.watched = Bench(root), root / "watched"
        self.watched.mkdir()
        self.threshold = self.bench.threshold = AppliedThreshold(
            self.bench.spool.folder, self.bench.judge.scorer
        )
        self.board = self.bench.board = Board(Calibration(tuple(np.linspace(0, 210, 41)), 0.05), 1.0)
        self.uploads = self.bench.uploads = Uploads(UploadSettings())
        self.log, self.url = ResultsLog(root / "results.jsonl"), ""

    def build(self) -> Service:
        """Connect the parts."""
        feed = WatchFeedSettings(f"watch:{self.watched}", settle_s=0.05, poll_s=0.02).open()
        service = self.bench.build(feed, log=self.log)
        self.uploads.wake = service.wake
        return service

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Status, and what is said."""
        client = http.client.HTTPConnection("127.0.0.1", urlsplit(self.url).port or 0, timeout=120)
        client.request(method, path, body, PNG if body else {})
        answer = client.getresponse()
        text = answer.read().decode()
        client.close()
        return answer.status, json.loads(text) if text.startswith("{") else text


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """Give one that is served, not begun."""
    made = Runner(tmp_path)
    audit = AuditTrail(made.bench.spool.folder)
    folder = made.bench.spool.folder
    page = _page(made.board, Address("127.0.0.1", 0), Alarms(), audit, made.uploads, "chest", folder)
    with page as made.url:
        wait_for(lambda: made.ask("GET", "/healthz")[0] == 200)
        yield made
    made.bench.spool.close()


def png(mean: int) -> bytes:
    """An image that the stand-in scores by ``mean``."""
    return by_opencv(".png", np.full((20, 20), mean, np.uint8))


def test_beside_the_feeds(runner: Runner, tmp_path: Path) -> None:
    """Uploads are answered while films come; the films' results are all there, and no upload among them."""
    assert runner.ask("POST", "/v1/score", png(5))[0] == 503
    stop = runner.bench.in_background(runner.build())
    wait_for(lambda: runner.ask("GET", "/readyz")[0] == 200)
    wait_for(lambda: runner.ask("POST", "/v1/score", png(5))[0] == 200)
    images(runner.watched, *range(100, 130))
    said = [runner.ask("POST", "/v1/score?name=up.png", png(mean))[1] for mean in range(20)]
    assert [one["score"] for one in said] == list(map(float, range(20)))
    wait_for(lambda: sum(runner.board.snapshot().counts.values()) == 30)
    assert 'sranogan_uploads_total{verdict="normal"} 21.0' in runner.ask("GET", "/metrics")[1]
    assert runner.ask("GET", "/openapi.json")[1]["openapi"] == "3.1.0"
    assert runner.ask("GET", "/api/state")[0] == 200
    assert stop() == 0
    assert sorted(line["score"] for line in lines(tmp_path / "results.jsonl")) == list(
        map(float, range(100, 130))
    )
    assert runner.ask("POST", "/v1/score", png(5))[1]["error"]["kind"] == "NotReadyError"


def test_the_threshold_in_force(runner: Runner) -> None:
    """A threshold that an operator applied holds for uploads, too."""
    runner.threshold.apply(3.0, "a test")
    stop = runner.bench.in_background(runner.build())
    wait_for(lambda: runner.ask("POST", "/v1/score", png(5))[0] == 200)
    said = runner.ask("POST", "/v1/score", png(5))[1]
    assert (said["threshold"], said["verdict"]) == (3.0, "anomalous")
    stop()


def test_a_crowd_of_uploads_holds_up_no_film(runner: Runner) -> None:
    """Between two films at most one upload is scored, however many wait."""
    order: list[str] = []
    measure = runner.bench.detector.measure

    def noted(frame: Any, pulse: Any = None) -> Any:
        order.append(frame.source)
        return measure(frame, pulse)

    runner.bench.detector.measure = noted  # type: ignore[method-assign]  # watched, and else as it is
    service = runner.build()
    for number in range(10):
        runner.bench.spool.put(png(100 + number), {"source": "film"})
    runner.uploads.ready()
    clients = [
        threading.Thread(target=runner.ask, args=("POST", "/v1/score?name=up", png(5))) for _ in range(20)
    ]
    for client in clients:
        client.start()
    wait_for(lambda: runner.uploads.waiting == 20)
    stop = runner.bench.in_background(service)
    for client in clients:
        client.join()
    wait_for(lambda: len(order) == 30)
    stop()
    kinds = "".join("u" if one == "up" else "f" for one in order)
    assert kinds == "fu" * 10 + "u" * 10


def test_a_full_disk_is_told(runner: Runner) -> None:
    """While no result can be stored, uploads are answered 503 rather than left waiting."""
    service = runner.build()
    runner.uploads.ready()
    service._uploading.stand_still("the disk is full")
    status, said = runner.ask("POST", "/v1/score", png(5))
    assert (status, "the disk is full" in said["error"]["message"]) == (503, True)


def test_settings_of_uploads(tmp_path: Path) -> None:
    """They are taken unless a file says none, and bounded as it says."""
    assert read(tmp_path, SMALL).uploads == UploadSettings()
    assert read(tmp_path, f'uploads = "none"\n{SMALL}').uploads is None
    assert read(tmp_path, f"{SMALL}[uploads]\nmax_waiting = 7\n").uploads == UploadSettings(max_waiting=7)
    (told,) = refusals(tmp_path, f"{SMALL}[uploads]\nmax_held_bytes = 2048\n")
    assert "max_image_bytes is 67,108,864" in told


def test_without_uploads(tmp_path: Path) -> None:
    """Where settings say none, the page has no such place."""
    made = Runner(tmp_path)
    audit = AuditTrail(made.bench.spool.folder)
    folder = made.bench.spool.folder
    with _page(made.board, Address("127.0.0.1", 0), Alarms(), audit, None, "chest", folder) as made.url:
        wait_for(lambda: made.ask("GET", "/healthz")[0] == 200)
        assert made.ask("POST", "/v1/score", png(5))[0] == 404
    made.bench.spool.close()
