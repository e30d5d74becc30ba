"""What the live page and its metrics say of a runner that works, waits, fails and ends."""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.feeds.feed import FeedHealth
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.page.board import Board
from sranogan_edge.results.line import VERDICTS
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.service.delivery import ResultsLog, SinkReader
from sranogan_edge.service.loop import Service
from sranogan_edge.service.threshold import AppliedThreshold
from tests.support.service_bench import Bench, Camera, Sink, fill, images, wait_for

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from sranogan_edge.page.access import Address
from sranogan_edge.page.server import serving


class Page:
    """A runner, and its page as a browser sees it."""

    def __init__(self, root: Path) -> None:
        self.bench = Bench(root)
        self.threshold = AppliedThreshold(self.bench.spool.folder, self.bench.judge.scorer)
        calibration = Calibration(tuple(np.linspace(0, 210, 41)), 0.05)
        self.board = Board(
            calibration, 1.0, threshold=self.threshold.value, on_threshold=self.threshold.apply
        )
        self.bench.board = self.board
        self.watched = root / "watched"
        self.watched.mkdir(exist_ok=True)
        self.log = ResultsLog(root / "results.jsonl")
        self.url = ""

    def build(self, *feeds: Any, **readers: Any) -> Service:
        """Connect a runner of the watched folder to the page."""
        self.bench.threshold = self.threshold
        feed = WatchFeedSettings(f"watch:{self.watched}", settle_s=0.05, poll_s=0.02).open()
        return self.bench.build(feed, *feeds, log=self.log, **readers)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def state(self) -> Any:
        """What the page asks for once a second."""
        return json.loads(self.get("api/state")[1])

    def apply(self, threshold: float) -> Any:
        """Press the button."""
        version = self.state()["calibration_version"]
        data = json.dumps(
            {"threshold": threshold, "calibration_version": version, "reason": "a try"}
        ).encode()
        request = urllib.request.Request(f"{self.url}api/threshold", data, {"X-Sranogan": "1"}, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """Give a page that is served."""
    made = Page(tmp_path)
    with serving(made.board, Address("127.0.0.1", 0)) as made.url:
        yield made
    made.bench.spool.close()


def test_it_follows_the_runner(page: Page) -> None:
    """Not ready, ready, results with their feed, and not ready again; the metrics agree."""
    assert page.get("readyz") == (503, "not ready\n")
    assert page.state()["not_ready_because"] == "starting"
    stop = page.bench.in_background(page.build(Camera(5)))
    wait_for(lambda: page.get("readyz")[0] == 200)
    assert page.get("healthz") == (200, "ok\n")
    images(page.watched, 100, 250)
    (page.watched / "broken.png").write_text("no image")
    wait_for(lambda: sum(page.state()["counts"].values()) == 8)
    wait_for(lambda: {"running", "waiting"} >= {feed["state"] for feed in page.state()["feeds"][:1]})
    assert page.state()["counts"] == {
        **dict.fromkeys(VERDICTS, 0),
        **{"normal": 6, "anomalous": 1, "error": 1},
    }
    found = json.loads(page.get("api/results?q=250.png")[1])["results"]
    assert [(one["verdict"], one["feed"]) for one in found] == [("anomalous", f"watch:{page.watched}")]
    assert page.get(f"api/picture/{found[0]['number']}.png")[0] == 200
    assert page.get("api/live/reconstruction.png")[0] == 200
    assert 'sranogan_images_total{verdict="anomalous"} 1.0' in page.get("metrics")[1]
    assert stop() == 0
    assert page.state()["not_ready_because"] == "it is stopping"
    assert "sranogan_ready 0.0" in page.get("metrics")[1]


def test_counts_agree_after_a_restart(page: Page) -> None:
    """The next run begins with what the store of results has counted, on the page and in the metrics."""
    images(page.watched, 100, 101, 250)
    stop = page.bench.in_background(page.build())
    wait_for(lambda: sum(page.state()["counts"].values()) == 3)
    assert stop() == 0
    before = page.state()["counts"]
    page.bench.spool.close()
    again = Page(page.bench.root)
    with serving(again.board, Address("127.0.0.1", 0)) as again.url:
        stop = again.bench.in_background(again.build())
        wait_for(lambda: again.get("readyz")[0] == 200)
        assert again.state()["counts"] == before
        assert 'sranogan_images_total{verdict="anomalous"} 1.0' in again.get("metrics")[1]
        images(again.watched, 102)
        wait_for(lambda: again.state()["counts"]["normal"] == before["normal"] + 1)
        assert stop() == 0
    again.bench.spool.close()


def test_a_threshold_is_applied_for_what_comes_next_and_kept(
    page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    """The next image is judged by it, its line says so, and so does the next start."""
    stop = page.bench.in_background(page.build())
    images(page.watched, 100)
    wait_for(lambda: page.state()["counts"]["normal"] == 1)
    with caplog.at_level(logging.WARNING):
        assert page.apply(90.5) == {"threshold": 90.5}
    assert "the threshold 90.5 was applied on the page by local (operator) from 127.0.0.1" in caplog.text
    images(page.watched, 101)
    wait_for(lambda: page.state()["counts"]["anomalous"] == 1)
    assert page.state()["latest"]["threshold"] == 90.5
    assert stop() == 0
    again = AppliedThreshold(page.bench.spool.folder, page.bench.judge.scorer)
    assert again.value == 90.5


def test_a_sink_that_fails_is_an_alarm(page: Page) -> None:
    """Its name and its reason are on the page until it takes results again."""
    sink = Sink()
    sink.broken = True
    stop = page.bench.in_background(page.build(broker=SinkReader(sink)))
    images(page.watched, 100)
    wait_for(lambda: page.state()["alarms"] == ["broker: the broker is gone"])
    assert "sranogan_alarms 1.0" in page.get("metrics")[1]
    assert page.get("readyz")[0] == 200  # scoring goes on
    sink.broken = False
    wait_for(lambda: page.state()["alarms"] == [])
    assert stop() == 0


def test_a_camera_that_stalls_is_an_alarm(page: Page) -> None:
    """What it says of itself is on the page, with its drops."""
    camera = Camera(1)
    camera.health = FeedHealth("stalled", 1.0, 7, 2, "no frame for 5 s, so its decoder was stopped")
    stop = page.bench.in_background(page.build(camera))
    wait_for(lambda: len(page.state()["alarms"]) == 1)
    assert "no frame for 5 s" in page.state()["alarms"][0]
    assert page.state()["feeds"][1]["dropped"] == 7
    assert stop() == 0


def test_a_full_disk_is_not_ready(disk: Path) -> None:
    """An alarm and 503 while nothing can be kept; both end when there is room."""
    page = Page(disk)
    staged = images(disk / "staged", *range(20, 40))
    with serving(page.board, Address("127.0.0.1", 0)) as page.url:
        stop = page.bench.in_background(page.build())
        wait_for(lambda: page.get("readyz")[0] == 200)
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            fill(file)
        for file_name in sorted(staged.iterdir()):
            file_name.rename(page.watched / file_name.name)
        wait_for(lambda: page.get("readyz")[0] == 503)
        assert len(page.state()["alarms"]) == 1
        assert page.state()["not_ready_because"] == page.state()["alarms"][0]
        assert page.bench.spool.counts()["done"] < 20
        ballast.unlink()
        wait_for(lambda: page.get("readyz")[0] == 200 and page.state()["alarms"] == [])
        wait_for(lambda: page.bench.spool.counts()["done"] == 20)
        assert stop() == 0
    page.bench.spool.close()
