"""A browser's requests to the live page, in this process or by its address."""

from __future__ import annotations

import time
import urllib.request

import pytest
from starlette.testclient import TestClient

from sranogan_edge.page.access import Address
from sranogan_edge.page.app import make_app
from sranogan_edge.page.board import Board

LOCAL = Address("127.0.0.1", 8080)
TOKEN = "0123456789abcdef"
SAME = {"X-Sranogan": "1"}


def client(board: Board, address: Address = LOCAL, host: str = "127.0.0.1") -> TestClient:
    """A browser on ``host``."""
    return TestClient(make_app(board, address), base_url=f"http://{host}:8080", follow_redirects=False)


def answer(url: str) -> str:
    """What the page says; waits until it is there."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=10) as told:
                return str(told.read().decode())
        except OSError:
            time.sleep(0.05)
    pytest.fail("the page did not come up")
