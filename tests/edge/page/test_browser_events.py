"""The live page in a real Chromium: it follows the runner by events, and without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.page_board_fakes import filled_board, show
from tests.support.page_tabs import DESKTOP, opened, until

pytest.importorskip("starlette", reason="the extra page is not installed")

from sranogan_edge.page import events
from sranogan_edge.page.access import Address
from sranogan_edge.page.server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OPEN = "events !== null && events.readyState === EventSource.OPEN"


def test_an_event_brings_the_new_result(browser: Browser) -> None:
    """While the page listens it does not ask by itself, and shows a result as soon as it is told."""
    board = filled_board(5)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        until(page, OPEN)
        page.evaluate("loop = () => {}; refreshedAt = Infinity")  # only events are left
        show(board, 6, 4.0)
        until(page, "document.querySelector('#score').textContent.startsWith('4.00 ')")
        page.close()


def test_a_page_that_may_not_listen_asks_by_itself(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all places are taken it is as fresh as before there were events."""
    monkeypatch.setattr(events, "LISTENERS", 0)
    board = filled_board(5)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        until(page, "events !== null && events.readyState === EventSource.CLOSED")
        show(board, 6, 4.0)
        until(page, "document.querySelector('#score').textContent.startsWith('4.00 ')")
        page.close()


def test_it_listens_again_after_the_end_of_a_stream(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams end every few seconds: the browser opens the next one by itself."""
    monkeypatch.setattr(events, "STREAM_S", 0.5)
    with serving(filled_board(5), Address("127.0.0.1", 0)) as url:
        page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        for _ in range(150):
            if sum(one.endswith("api/events") for one in asked) >= 3:
                break
            page.wait_for_timeout(100)
        assert sum(one.endswith("api/events") for one in asked) >= 3
        page.close()
