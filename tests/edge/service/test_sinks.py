"""Sinks as the runner names them: in words without secrets, each with a place of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runner.killing.runner import settings_of, stand_in
from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.service.delivery import SinkReader
from sranogan_edge.service.run import _sinks, serve_settings
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.webhook_settings import WebhookSinkSettings
from tests.support.remote_results import SECRET, wait_until
from tests.support.service_bench import Bench, images

pytest.importorskip("urllib3", reason="urllib3 is not installed (the extra 'webhook')")

ENVIRON = {"SRANOGAN_WEBHOOK_SECRET": SECRET.decode()}


class Hook(BaseHTTPRequestHandler):
    """Takes what does not end in /400, and notes path and query."""

    got: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(self.path)
        self.send_response(400 if self.path.endswith("/400") else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, list[str]]]:
    """Give a server's address, and where it was posted to."""

    class Own(Hook):
        pass

    Own.got = []
    server = HTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", Own.got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_tokens_are_told_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two hooks that differ in their token have two names, in alarms and log, and neither shows it."""
    hooks = [WebhookSinkSettings(f"http://127.0.0.1:9/hook?token=geheim{number}") for number in (1, 2)]
    settings = Settings(tmp_path, (VideoFeedSettings("camera:0"),), tmp_path, tuple(hooks))
    bench, watched = Bench(tmp_path), images(tmp_path / "watched", 10)
    with ExitStack() as parts, caplog.at_level(logging.DEBUG, "sranogan_edge"):
        readers = _sinks(settings, parts, ENVIRON)
        assert list(readers) == ["http://127.0.0.1:9/hook", "http://127.0.0.1:9/hook (2)"]
        service = bench.build(
            WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open(), **readers
        )
        stop = bench.in_background(service)
        wait_until(lambda: len(service.alarms.now) == 2)
        told = service.alarms.now
        assert stop() == ExitCode.OK
    assert all(one.startswith("http://127.0.0.1:9/hook") for one in told)
    assert "alarm: http://127.0.0.1:9/hook (2): http://127.0.0.1:9/hook cannot be reached" in caplog.text
    assert "geheim" not in caplog.text + str(told)
    bench.spool.close()


def test_what_is_lost_or_refused_is_an_alarm(tmp_path: Path, hook: tuple[str, list[str]]) -> None:
    """It says how many, stays after the sink works again, and the next run begins without it."""
    url, _ = hook
    sinks = (
        WebhookSinkSettings("http://127.0.0.1:9/away", max_waiting=2),
        WebhookSinkSettings(f"{url}/400"),
        WebhookSinkSettings(url),
    )
    settings = Settings(tmp_path, (VideoFeedSettings("camera:0"),), tmp_path, sinks)
    bench, watched = Bench(tmp_path), images(tmp_path / "watched", 10, 20, 30, 40, 50)
    with ExitStack() as parts:
        service = bench.build(
            WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open(),
            **_sinks(settings, parts, ENVIRON),
        )
        stop = bench.in_background(service)
        said = ("http://127.0.0.1:9/away: 3 results are lost", f"{url}/400: 5 results were refused for good")
        wait_until(lambda: all(any(one.startswith(what) for one in service.alarms.now) for what in said))
        assert not any(one.startswith(f"{url}: ") for one in service.alarms.now)
        assert stop() == ExitCode.OK
    with ExitStack() as parts:
        readers = _sinks(settings, parts, ENVIRON)
        found = [reader.health for reader in readers.values() if isinstance(reader, SinkReader)]
        assert [(one.waiting, one.lost, one.refused) for one in found] == [(2, 0, 0), (0, 0, 0), (0, 0, 0)]
    bench.spool.close()


def test_hooks_that_differ_in_their_query_have_a_place_each(
    tmp_path: Path, hook: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sink that is added later gets every result where it says so, and the first one gets none twice."""
    url, got = hook
    monkeypatch.setenv(*next(iter(ENVIRON.items())))
    folder = images(tmp_path / "in", 10, 20, 30)
    for sinks in ([f"{url}?token=a"], [f"{url}?token=a", f"{url}?token=b"]):
        settings = settings_of(str(folder), tmp_path / "out", tmp_path / "spool", *sinks)
        settings = replace(settings, sinks=tuple(replace(sink, since="all") for sink in settings.sinks))
        assert serve_settings(settings, judge=stand_in()) == ExitCode.OK
    assert sorted(got) == ["/hook?token=a"] * 3 + ["/hook?token=b"] * 3
