"""Who is let in, request by request: each refusal has its status, and is as guarded as the page itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")

from sranogan_edge.page import visitors
from sranogan_edge.page.access import HEADERS, Address
from sranogan_edge.page.visitors import Gate
from tests.support.page_board_fakes import filled_board
from tests.support.page_client import SAME, TOKEN, client

OTHERS = Address("0.0.0.0", 8080, TOKEN)
REFUSED: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "no token": ("GET", "/api/state", {}, 401),
    "no token for scores": ("POST", "/v1/score", {}, 401),
    "no host name": ("GET", "/", {"Host": "a b"}, 400),
    "another page": ("POST", "/api/threshold", {"Authorization": f"Bearer {TOKEN}"}, 403),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_is_as_guarded_as_the_page(kind: str) -> None:
    """No frame of another page shows it, and nobody keeps it."""
    method, path, headers, status = REFUSED[kind]
    answer = client(filled_board(1), OTHERS).request(method, path, headers=headers)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize("address", [Address("127.0.0.1", 8080), OTHERS])
def test_a_request_has_one_host(address: Address) -> None:
    """Whoever stands between may go by the one, and the page by the other."""
    visitor = client(filled_board(1), address)
    named = {"Authorization": f"Bearer {TOKEN}"}
    two = [("Host", "127.0.0.1:8080"), ("Host", "elsewhere:8080"), *named.items()]
    assert visitor.get("/api/state", headers=named).status_code == 200
    assert visitor.get("/api/state", headers=two).status_code == 400


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"])
def test_without_a_token_nothing_that_a_proxy_sends_is_answered(name: str) -> None:
    """Whoever it lets in would be this machine's own visitor; with a token it is anybody who has it."""
    for address, status in ((Address("127.0.0.1", 8080), 403), (OTHERS, 200)):
        headers = {name: "192.0.2.7", "Authorization": f"Bearer {TOKEN}"}
        assert client(filled_board(1), address).get("/api/state", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://127.0.0.1:8080", 200),
        ("http://127.0.0.1:9090", 403),
        ("http://127.0.0.1", 403),
        ("http://elsewhere:8080", 403),
        ("null", 403),
    ],
)
def test_a_change_comes_from_the_page_s_own_address(origin: str | None, status: int) -> None:
    """Host and port, both: another service of this machine is another page."""
    board = filled_board(5)
    headers = {**SAME, **({"Origin": origin} if origin else {})}
    body = {"threshold": 1.0, "calibration_version": board.snapshot().calibration_version, "reason": "drift"}
    assert client(board).post("/api/threshold", json=body, headers=headers).status_code == status


def test_who_tried_lately_is_remembered_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two addresses that are remembered the one goes whose last wrong token is longest ago."""
    monkeypatch.setattr(visitors, "ADDRESSES", 2)
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", noted)
    gate = Gate({"operator": TOKEN}, lambda: 0.0)

    async def tries() -> None:
        for address in ("one", "two", "two", "one", "three", "one", "two"):
            assert await gate.role_of("wrong", address) is None

    asyncio.run(tries())
    assert pauses == [0.25, 0.25, 0.5, 0.5, 0.25, 1.0, 0.25]
