"""Visitors in crowds: however many connections they open, the page and the runner have handles left."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")
from sranogan_edge.alarms import Alarms
from sranogan_edge.page.access import Address
from sranogan_edge.page.connections import CONNECTIONS, BoundedListener
from sranogan_edge.page.server import serving
from sranogan_edge.refusals import Refusals
from tests.support.flood import flood
from tests.support.page_board_fakes import filled_board
from tests.support.page_client import answer

HANDLES = Path("/proc/self/fd")


def counted(url: str) -> float:
    """Connections that the metrics say were closed for others."""
    name = "sranogan_page_connections_closed_total "
    (line,) = [line for line in answer(f"{url}metrics").splitlines() if line.startswith(name)]
    return float(line.removeprefix(name))


def test_loops_that_connect_take_few_handles() -> None:
    """Four programs that open 400 connections each, at once: handles stay near the bound."""
    before, most, done = len(os.listdir(HANDLES)), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            most.append(len(os.listdir(HANDLES)))

    with serving(filled_board(5), Address("127.0.0.1", 0)) as url:
        answer(f"{url}healthz")
        watcher = threading.Thread(target=watch)
        watcher.start()
        threads = []
        release = threading.Event()

        def loop() -> None:
            with flood(urlsplit(url).port or 0, 400):
                release.wait(120)

        for _ in range(4):
            threads.append(threading.Thread(target=loop))
            threads[-1].start()
        with ExitStack() as stack:
            stack.callback(release.set)
            for _ in range(5):
                assert answer(f"{url}healthz") == "ok\n"
        for thread in threads:
            thread.join()
        done.set()
        watcher.join()
    assert max(most) - before < 4 * CONNECTIONS


@pytest.mark.parametrize("say", [b"", b"GET /healthz HTTP/1.1\r\nX-Slow: "])
def test_who_makes_room_is_counted_and_told(say: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A flood is a number of the metrics, one line of the log, and an alarm that names its address."""
    alarms, more = Alarms(), 100
    with serving(filled_board(5), Address("127.0.0.1", 0), alarms) as url:
        assert counted(url) == 0
        with flood(urlsplit(url).port or 0, CONNECTIONS + more, "127.0.0.3", say=say):
            until = time.monotonic() + 60
            while counted(url) < more and time.monotonic() < until:
                time.sleep(0.1)
            assert counted(url) >= more
            while not alarms.now and time.monotonic() < until:
                time.sleep(0.1)
            (alarm,) = alarms.now
    assert "connections to the live page are closed, too many are open; the newest: 127.0.0.3: " in alarm
    told = [record.getMessage() for record in caplog.records if "127.0.0.3 says nothing" in record.message]
    assert told == ["the live page: 127.0.0.3 says nothing: one of its connections was closed, others wait"]


def test_the_alarm_of_a_crowd_ends() -> None:
    """A minute after the last connection that made room, nothing is wrong any more."""
    clock = [0.0]
    refusals = Refusals("the live page", "too many are open", lambda: clock[0])
    refusals.note("10.0.0.1", "says nothing")
    clock[0] = 59.0
    assert refusals.alarm == "too many are open; the newest: 10.0.0.1: says nothing"
    clock[0] = 60.0
    assert refusals.alarm == ""


def test_connections_that_begin_nothing_are_counted() -> None:
    """Those that came in and are no HTTP yet (TLS: no hands were shaken) make room, and count, too."""
    listener = BoundedListener(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    with listener, ExitStack() as peers:
        for number in range(CONNECTIONS + 3):
            peers.enter_context(socket.create_connection(listener.getsockname()))
            peers.enter_context(listener.accept()[0])
            assert listener.crowd.total == max(0, number + 1 - CONNECTIONS)
