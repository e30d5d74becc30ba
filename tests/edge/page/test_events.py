"""Server-sent events: word of each change, to so many browsers at once, until the page ends."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")

from sranogan_edge.feeds.feed import FeedHealth
from sranogan_edge.page import events
from sranogan_edge.page.access import Address
from sranogan_edge.page.board import Board
from sranogan_edge.page.connections import REQUEST_S
from sranogan_edge.page.server import serving
from sranogan_edge.scoring.conformal import Calibration
from tests.support.flood import flood
from tests.support.page_board_fakes import filled_board, show
from tests.support.page_client import TOKEN, answer
from tests.support.result_lines import line
from tests.support.service_bench import wait_for

VIEWERS = "viewers-0123456789"
LOCAL = Address("127.0.0.1", 0)


@contextmanager
def listening(url: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    """A program that listens; its answer, of which nothing was read."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=60)
    try:
        connection.request("GET", "/api/events", headers=headers)
        yield connection.getresponse()
    finally:
        connection.close()


def event(told: http.client.HTTPResponse) -> str:
    """The data of the next event; empty where the stream has ended."""
    for text in iter(told.readline, b""):
        if text.startswith(b"data: "):
            return text[6:].decode().strip()
    return ""


def test_a_new_result_is_told() -> None:
    """A stream begins with what is now, and says so again when something has changed, and only then."""
    board = filled_board(3)
    with serving(board, LOCAL) as url, listening(url) as told:
        assert told.status == 200
        assert str(told.headers["content-type"]).startswith("text/event-stream")
        assert event(told) == str(board.changes)
        show(board, 4, 0.0)
        assert event(told) == str(board.changes)


def test_a_quiet_stream_has_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any change a comment comes, by which a dead connection is found out."""
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.0)
    with serving(filled_board(3), LOCAL) as url, listening(url) as told:
        event(told)
        assert any(text.startswith(b":") for text in iter(told.readline, b""))


def test_a_stream_ends_before_it_counts_as_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends as an answer does, and its connection takes the next request."""
    assert events.STREAM_S < REQUEST_S
    monkeypatch.setattr(events, "STREAM_S", 0.0)
    with serving(filled_board(3), LOCAL) as url:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=60)
        for _ in range(3):
            connection.request("GET", "/api/events")
            assert connection.getresponse().read().startswith(b"retry: 500\nevent: changed\ndata: ")
        connection.close()


def test_so_many_may_listen() -> None:
    """One more is refused and told what to ask instead; when one leaves, the next one may."""
    with serving(filled_board(3), LOCAL) as url, ExitStack() as held:
        first = ExitStack()
        event(first.enter_context(listening(url)))
        for _ in range(events.LISTENERS - 1):
            event(held.enter_context(listening(url)))
        with listening(url) as refused:
            assert refused.status == 503
            assert refused.headers["retry-after"]
            assert b"/api/state" in refused.read()
        first.close()

        def taken() -> bool:
            with listening(url) as told:
                return told.status == 200

        wait_for(taken)


def test_five_hundred_listeners() -> None:
    """The page answers others meanwhile, and takes listeners again when they have left."""
    say = b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(filled_board(3), LOCAL) as url:
        with flood(urlsplit(url).port or 0, 500, say=say):
            for _ in range(5):
                assert answer(f"{url}healthz") == "ok\n"

        def taken() -> bool:
            with listening(url) as told:
                return told.status == 200

        wait_for(taken)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong-0123456789"}, 401),
        ({"Authorization": f"Bearer {VIEWERS}"}, 200),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
def test_who_may_listen(headers: dict[str, str], status: int) -> None:
    """Whoever may look, and nobody else."""
    with (
        serving(filled_board(3), Address("127.0.0.1", 0, TOKEN, VIEWERS)) as url,
        listening(url, **headers) as told,
    ):
        assert told.status == status


def test_streams_end_with_the_page() -> None:
    """A stop waits for no listener: each reads the end of its stream."""
    ended: list[str] = []
    with ExitStack() as held:
        with serving(filled_board(3), LOCAL) as url:
            told = held.enter_context(listening(url))
            event(told)
            reader = threading.Thread(target=lambda: ended.append(event(told)))
            reader.start()
        reader.join(60)
    assert ended == [""]


def test_only_the_head_of_a_stream() -> None:
    """Asked for no more than headers, it does not stay open."""
    with serving(filled_board(3), LOCAL) as url:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=60)
        for path in ("/api/events", "/healthz"):
            connection.request("HEAD", path)
            assert connection.getresponse().read() == b""
        connection.close()


RECALIBRATED = Calibration((0.0, 2.0), 0.5)
CHANGES: dict[str, Callable[[Board], None]] = {
    "result": lambda board: board.scored(line(), None),
    "feed": lambda board: board.set_feeds({"camera:0": FeedHealth("stalled")}, {}),
    "alarm": lambda board: board.set_alarms(("too dark",)),
    "queue": lambda board: board.set_queue(3),
    "ready": lambda board: board.set_ready(True),
    "threshold": lambda board: board.set_threshold(0.5),
    "bundle": lambda board: board.recalibrated(RECALIBRATED, 1.0, {}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_change_is_one(change: Callable[[Board], None]) -> None:
    """Whatever a visitor would see of it; the runner's sign of life alone is none."""
    board = Board(Calibration((0.0, 1.0), 0.5), 1.0, on_threshold=lambda value, by: None)
    before = board.changes
    change(board)
    assert board.changes == before + 1
    board.beat()
    board.set_queue(board.snapshot().queue)
    assert board.changes == before + 1
