"""The live page's server: where it listens, whom it waits for, and how it ends."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.conformal import Calibration
from tests.support.page_board_fakes import filled_board, show

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")
import uvicorn

from sranogan_edge.alarms import Alarms
from sranogan_edge.page import server
from sranogan_edge.page.access import Address, parse_address
from sranogan_edge.page.board import Board
from sranogan_edge.page.connections import CONNECTIONS
from sranogan_edge.page.server import serving
from tests.support.page_client import SAME, TOKEN, answer, client


@pytest.fixture
def board() -> Board:
    """Give a board after 60 images."""
    return filled_board()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:80", "::1", 80),
        ("9000", "127.0.0.1", 9000),
        ("localhost:0", "localhost", 0),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    """Host and port, the host may be left out."""
    found = parse_address(text)
    assert (found.host, found.port, found.is_local) == (host, port, True)


@pytest.mark.parametrize("text", ["", "host:", "127.0.0.1:99999", "a:b:1", "::1:80", "[::1"])
def test_no_address(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(SettingsError, match=r"such as 127\.0\.0\.1:8080"):
        parse_address(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.5", "scanner"])
def test_other_machines_need_a_token(host: str) -> None:
    """An address that others can reach is refused without a token, and with one that can be guessed."""
    with pytest.raises(SettingsError, match="SRANOGAN_PAGE_TOKEN"):
        parse_address(f"{host}:8080")
    with pytest.raises(SettingsError, match="has 4 characters"):
        parse_address(f"{host}:8080", "1234")
    assert parse_address(f"{host}:8080", TOKEN).token == TOKEN


@pytest.fixture
def served(board: Board) -> Iterator[str]:
    """Serve the board on a port of the system's choice."""
    with serving(board, Address("127.0.0.1", 0)) as url:
        yield url


def test_served(served: str) -> None:
    """The page is there over a real socket."""
    assert json.loads(answer(f"{served}api/state"))["ready"] is True


def test_the_end_is_clean(board: Board) -> None:
    """After the block, neither its thread nor its port is left, even with a connection open."""
    with serving(board, Address("127.0.0.1", 0)) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        open_one = socket.create_connection(("127.0.0.1", port))
    open_one.close()
    assert not any(thread.name == "page" for thread in threading.enumerate())
    with serving(board, Address("127.0.0.1", port)):
        pass


def test_a_port_in_use(
    board: Board, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A port that is taken is an alarm, told once; the page is there as soon as the port is free."""
    monkeypatch.setattr("sranogan_edge.page.server.RETRY_S", 0.01)
    tries: list[Address] = []
    listening = server._listening

    def counted(asked: Address) -> socket.socket:
        tries.append(asked)
        return listening(asked)

    monkeypatch.setattr(server, "_listening", counted)
    alarms = Alarms()
    with socket.socket() as holder, caplog.at_level(logging.INFO):
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with serving(board, Address("127.0.0.1", port), alarms) as url:
            while len(tries) < 4:
                time.sleep(0.01)
            (alarm,) = alarms.now
            assert f"cannot listen on 127.0.0.1:{port} (Address already in use)" in alarm
            holder.close()
            assert answer(f"{url}healthz") == "ok\n"
            assert alarms.now == ()
    assert [record.levelname for record in caplog.records if "nobody can see" in record.message] == [
        "WARNING",
        "INFO",
    ]


@pytest.mark.parametrize("host", ["192.0.2.9", "no-such-host.invalid", "a" * 70])
def test_an_address_that_is_not_there(board: Board, host: str) -> None:
    """An address that this machine does not have (yet) ends nothing."""
    alarms = Alarms()
    with serving(board, Address(host, 8080, TOKEN), alarms) as url:
        assert url == f"http://{host}:8080/"
        assert f"cannot listen on {host}:8080" in alarms.now[0]
    assert not any(thread.name == "page" for thread in threading.enumerate())


def test_a_server_that_fails_is_started_again(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the web server ends neither the runner nor the page."""
    monkeypatch.setattr("sranogan_edge.page.server.RETRY_S", 0.01)
    run, faults = uvicorn.Server.run, [RuntimeError("no event loop")]

    def run_or_fail(own: Any, listeners: Any) -> None:
        if faults:
            raise faults.pop()
        run(own, listeners)

    monkeypatch.setattr(uvicorn.Server, "run", run_or_fail)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alarms = Alarms()
    with serving(board, Address("127.0.0.1", port), alarms) as url:
        assert answer(f"{url}healthz") == "ok\n"
        assert not faults
        assert not alarms.now


@pytest.mark.parametrize("proxy", ["127.0.0.1", "127.0.0.3"])
def test_who_is_behind_a_proxy_is_not_believed(proxy: str) -> None:
    """Whatever a header says, it is the connection's own address that stands beside a change."""
    told: list[str] = []
    board = Board(Calibration((0.0, 1.0), 0.5), 1.0, on_threshold=lambda value, by: told.append(by))
    asked = {"threshold": 1, "calibration_version": board.snapshot().calibration_version, "reason": "x"}
    headers = {**SAME, "X-Forwarded-For": "203.0.113.7", "Authorization": f"Bearer {TOKEN}"}
    with serving(board, Address("127.0.0.1", 0, TOKEN)) as url:
        answer(f"{url}healthz")
        port = int(url.rstrip("/").rpartition(":")[2])
        visitor = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(proxy, 0))
        visitor.request("POST", "/api/threshold", json.dumps(asked), headers)
        assert visitor.getresponse().status == 200
        visitor.close()
    assert told == [f"a program (operator) from {proxy}"]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_behind_a_proxy_a_token_is_needed(board: Board, header: str) -> None:
    """Without one, whoever the proxy lets in would be this machine's own visitor."""
    for path in ("/", "/api/state", "/metrics"):
        refused = client(board).get(path, headers={header: "203.0.113.7"})
        assert (refused.status_code, "needs a token" in refused.text) == (403, True)
    assert client(board).get("/healthz", headers={header: "203.0.113.7"}).status_code == 200


def test_silent_visitors_hold_up_nobody(served: str) -> None:
    """However many connections say nothing or half of something, the next request is answered."""
    port = int(served.rstrip("/").rpartition(":")[2])
    with ExitStack() as visitors:
        for number in range(3 * CONNECTIONS):
            one = visitors.enter_context(socket.create_connection(("127.0.0.1", port)))
            if number % 2:
                one.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        with urllib.request.urlopen(f"{served}healthz", timeout=10) as told:
            assert told.read() == b"ok\n"


@pytest.mark.parametrize(
    "said", [b"", b"GET /", b"POST /api/threshold HTTP/1.1\r\nContent-Length: 9\r\n\r\n"]
)
def test_a_silent_visitor_is_sent_away(board: Board, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """A connection without a whole request is closed after a while."""
    monkeypatch.setattr("sranogan_edge.page.connections.REQUEST_S", 0.05)
    with serving(board, Address("127.0.0.1", 0)) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as visitor:
            visitor.sendall(said)
            with suppress(ConnectionResetError):
                while visitor.recv(1000):
                    pass


def test_written_and_read_at_once() -> None:
    """A loop that writes while pages read breaks neither."""
    board, done = filled_board(5), threading.Event()
    errors: list[str] = []

    def read() -> None:
        browser = client(board)
        while not done.is_set():
            paths = ("/api/state", "/api/results", "/metrics", "/api/live/heat.png")
            errors.extend(path for path in paths if browser.get(path).status_code != 200)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(150):
        show(board, number, 0.1)
    done.set()
    for reader in readers:
        reader.join()
    assert not errors
    assert sum(board.snapshot().counts.values()) == 155
