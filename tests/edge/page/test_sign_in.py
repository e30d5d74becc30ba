"""Signing in: roles, sessions that are no tokens, wrong tokens that wait, and what is kept of all that."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sranogan_edge.errors import SettingsError

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")
from starlette.testclient import TestClient

from sranogan_edge.page import visitors
from sranogan_edge.page.access import Address, Certificate
from sranogan_edge.page.app import make_app
from sranogan_edge.page.audit import AuditTrail
from sranogan_edge.page.board import Board
from sranogan_edge.page.server import serving
from sranogan_edge.page.visitors import AT_ONCE, LIFETIME_S, Gate, Sessions, TooManyTriesError, Visitor
from sranogan_edge.settings.tree import PageSettings
from tests.support.flood import flood
from tests.support.page_board_fakes import filled_board
from tests.support.page_client import SAME, TOKEN

VIEWER = "viewer-0123456789abcdef"
ADDRESS = Address("0.0.0.0", 8080, TOKEN, VIEWER)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong tokens are answered soon."""
    monkeypatch.setattr(visitors, "FIRST_PAUSE_S", 0.0)


@pytest.fixture
def board() -> Board:
    """Give a board after some images."""
    return filled_board(5)


@pytest.fixture
def audit(tmp_path: Path) -> AuditTrail:
    """Give an empty audit trail."""
    return AuditTrail(tmp_path)


def browser(board: Board, audit: AuditTrail | None = None, address: Address = ADDRESS) -> TestClient:
    """A browser of another machine."""
    app = make_app(board, address, audit)
    return TestClient(app, base_url="http://scanner-7.local:8080", follow_redirects=False)


def sign_in(visitor: TestClient, token: str = TOKEN, name: str = "Ada", **headers: str) -> int:
    """Send the form; returns the status."""
    return visitor.post("/sign-in", data={"token": token, "name": name}, headers=headers).status_code


def asked(board: Board, threshold: float = 1.0, reason: str = "drift") -> dict[str, object]:
    """What the page sends."""
    version = board.snapshot().calibration_version
    return {"threshold": threshold, "calibration_version": version, "reason": reason}


def test_a_form_leads_in(board: Board) -> None:
    """Its page needs no token; the cookie is no token, for scripts not to read and for this page alone."""
    visitor = browser(board)
    assert "<form" in visitor.get("/sign-in").text
    assert visitor.get("/page.css").status_code == 200
    entered = visitor.post("/sign-in", data={"token": TOKEN, "name": "Ada"})
    assert (entered.status_code, entered.headers["location"]) == (303, "./")
    cookie = entered.headers["set-cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert visitor.get("/api/state").json()["visitor"] == {
        "name": "Ada",
        "role": "operator",
        "can_sign_out": True,
    }


@pytest.mark.parametrize("origin", ["https://scanner-7.local:8080", "http://scanner-7.local:8080"])
def test_the_cookie_is_secure_where_the_browser_speaks_tls(board: Board, origin: str) -> None:
    """Also behind a proxy with TLS, which the browser's own Origin tells."""
    entered = browser(board).post(
        "/sign-in", data={"token": TOKEN, "name": "Ada"}, headers={"Origin": origin}
    )
    secure = origin.startswith("https")
    assert ("; Secure" in entered.headers["set-cookie"]) is secure
    assert entered.headers["set-cookie"].startswith("__Host-") is secure


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"token": "wrong", "name": "Ada"}, 401),
        ({"token": TOKEN}, 400),
        ({"token": TOKEN, "name": "The runner"}, 400),
        ({"token": TOKEN, "name": " \x00\n "}, 400),
        ({"name": "Ada"}, 401),
        ({"token": "x" * 3000, "name": "Ada"}, 413),
        ({f"field{n}": "x" for n in range(20)}, 400),
    ],
)
def test_what_does_not_lead_in(board: Board, data: dict[str, str], status: int) -> None:
    """Nothing is told of what was wrong but that, and nobody is signed in."""
    visitor = browser(board)
    refused = visitor.post("/sign-in", data=data)
    assert refused.status_code == status
    assert "set-cookie" not in refused.headers
    assert visitor.get("/api/state").status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_foreign_page_signs_nobody_in(board: Board, headers: dict[str, str]) -> None:
    """Not even with a token that it knows."""
    assert sign_in(browser(board), **headers) == 403


def test_viewers_look_and_operators_change(board: Board, audit: AuditTrail) -> None:
    """By cookie as by header; what was changed is kept with who did, and why."""
    for role, token in (("viewer", VIEWER), ("operator", TOKEN)):
        visitor = browser(board, audit)
        sign_in(visitor, token, role)
        assert visitor.get("/api/state").json()["visitor"]["role"] == role
        told = visitor.post("/api/threshold", json=asked(board), headers=SAME)
        assert told.status_code == (200 if role == "operator" else 403)
        bearer = {**SAME, "Authorization": f"Bearer {token}"}
        told = browser(board, audit).post("/api/threshold", json=asked(board, 0.5), headers=bearer)
        assert told.status_code == (200 if role == "operator" else 403)
    assert board.threshold == 0.5
    events, intact = audit.events()
    assert intact
    found = [(one.action, one.who, one.role, one.new, one.reason) for one in events]
    assert found == [
        ("sign-in", "viewer", "viewer", "", ""),
        ("sign-in", "operator", "operator", "", ""),
        ("threshold", "operator", "operator", "1.0", "drift"),
        ("threshold", "a program", "operator", "0.5", "drift"),
    ]
    assert events[3].old == "1.0"
    assert all(one.address == "testclient" for one in events)


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_a_reason_is_asked_for(board: Board, audit: AuditTrail, reason: str) -> None:
    """Without one nothing changes, and nothing is kept."""
    before, visitor = board.threshold, browser(board, audit)
    sign_in(visitor)
    body = {name: value for name, value in asked(board, reason=reason).items() if value is not None}
    refused = visitor.post("/api/threshold", json=body, headers=SAME)
    assert (refused.status_code, refused.json()["error"][:7]) == (400, "say why")
    assert board.threshold == before
    assert [one.action for one in audit.events()[0]] == ["sign-in"]


def test_what_cannot_be_kept_is_not_changed(board: Board, audit: AuditTrail) -> None:
    """A change without a line of who made it would be nobody's."""
    before, visitor = board.threshold, browser(board, audit)
    sign_in(visitor)
    audit.path.unlink()
    audit.path.mkdir()
    refused = visitor.post("/api/threshold", json=asked(board), headers=SAME)
    assert (refused.status_code, "nothing was changed" in refused.json()["error"]) == (400, True)
    assert board.threshold == before


def test_signing_out_ends_the_session(board: Board, audit: AuditTrail) -> None:
    """For viewers too; the cookie of before is worth nothing any more."""
    visitor = browser(board, audit)
    sign_in(visitor, VIEWER)
    kept = dict(visitor.cookies)
    assert visitor.post("/sign-out").status_code == 403
    assert visitor.post("/sign-out", headers=SAME).status_code == 204
    visitor.cookies.update(kept)
    assert visitor.get("/api/state").status_code == 401
    assert [one.action for one in audit.events()[0]] == ["sign-in", "sign-out"]


def test_sessions_end_and_are_few() -> None:
    """After their time, and the oldest where there are too many."""
    clock = [0.0]
    sessions, ada = Sessions(lambda: clock[0]), Visitor("Ada", "viewer", "10.0.0.1")
    first = sessions.begin(ada)
    assert sessions.of(first) == ada
    assert sessions.of("") is sessions.of(first[:-1]) is None
    for _ in range(visitors.SESSIONS):
        sessions.begin(ada)
    assert sessions.of(first) is None
    last = sessions.begin(ada)
    clock[0] = LIFETIME_S
    assert sessions.of(last) is None


def test_wrong_tokens_are_counted_and_told(
    board: Board, audit: AuditTrail, caplog: pytest.LogCaptureFixture
) -> None:
    """In the metrics each; in the log and the audit trail once a minute for an address, without the token."""
    visitor = browser(board, audit)
    for number in range(4):
        assert sign_in(visitor, f"wrong-{number}") == 401
    assert visitor.get("/metrics", headers={"Authorization": "Bearer wrong-5"}).status_code == 401
    bearer = {"Authorization": f"Bearer {VIEWER}"}
    assert "sranogan_page_wrong_tokens_total 5.0" in visitor.get("/metrics", headers=bearer).text
    assert [(one.action, one.address) for one in audit.events()[0]] == [("wrong token", "testclient")]
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        "the live page: a wrong token from testclient, its number 1"
    ]


def test_wrong_tokens_wait_and_right_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits longer than the one before; so many at once of one address, no more are looked at."""
    pauses: list[float] = []
    going = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await going.wait()

    monkeypatch.setattr(visitors, "FIRST_PAUSE_S", 0.25)
    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def guess() -> None:
        gate = Gate({"operator": TOKEN, "viewer": ""})
        assert await gate.role_of(TOKEN, "10.0.0.1") == "operator"
        tasks = [asyncio.create_task(gate.role_of("", "10.0.0.1")) for _ in range(AT_ONCE)]
        while len(pauses) < AT_ONCE:
            await asyncio.wait(tasks, timeout=0.01)
        with pytest.raises(TooManyTriesError):
            await gate.role_of(TOKEN, "10.0.0.1")
        assert await gate.role_of(TOKEN, "10.0.0.2") == "operator"
        going.set()
        assert await asyncio.gather(*tasks) == [None] * AT_ONCE
        for _ in range(20):
            await gate.role_of("wrong", "10.0.0.1")
        assert await gate.role_of(TOKEN, "10.0.0.1") == "operator"

    asyncio.run(guess())
    assert pauses[:5] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert max(pauses) == 5.0


def test_the_memory_of_wrong_tokens_is_bounded() -> None:
    """However many addresses they come from; and so are the lines of the audit trail, ten a minute."""
    told: list[str] = []
    clock = [0.0]

    async def guess() -> Gate:
        gate = Gate({"operator": TOKEN}, lambda: clock[0])
        gate.on_wrong = lambda address, times: told.append(address)
        for number in range(visitors.ADDRESSES + 50):
            clock[0] = 59.0 * number / visitors.ADDRESSES
            await gate.role_of("wrong", str(number))
        clock[0] = 200.0
        await gate.role_of("wrong", "the next minute")
        return gate

    gate = asyncio.run(guess())
    assert len(gate._lately) == visitors.ADDRESSES
    assert not gate._waiting
    assert len(gate._told) == 1
    assert told[:10] == [str(number) for number in range(10)]
    assert told[-1] == "the next minute"
    assert len(told) == 2 * visitors.TOLD_OF + 1


def certificate(folder: Path) -> tuple[Certificate, ssl.SSLContext]:
    """A certificate for this machine, and who trusts it."""
    certificates = pytest.importorskip("tests.support.certificates", reason="the extra sign is not installed")
    authority = certificates.Authority(folder)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    return Certificate(*authority.sign("page")), trusting


def test_tls(board: Board, tmp_path: Path) -> None:
    """With a certificate it speaks HTTPS and nothing else; the cookie is for HTTPS alone."""
    own, trusting = certificate(tmp_path)
    with serving(board, Address("127.0.0.1", 0, TOKEN, certificate=own)) as url:
        assert url.startswith("https://")
        port = urlsplit(url).port or 0
        visitor = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=30)
        visitor.request("POST", "/sign-in", f"token={TOKEN}&name=Ada")
        entered = visitor.getresponse()
        entered.read()
        cookie = entered.headers["Set-Cookie"]
        assert entered.status == 303
        assert "; Secure" in cookie
        assert "max-age" in entered.headers["Strict-Transport-Security"]
        visitor.request("GET", "/api/state", headers={"Cookie": cookie.partition(";")[0]})
        assert json.loads(visitor.getresponse().read())["ready"] is True
        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        plain.request("GET", "/healthz")
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.getresponse()


def test_silent_visitors_with_tls_hold_up_nobody(board: Board, tmp_path: Path) -> None:
    """Three hundred that never shake hands take few handles, and the next request is answered."""
    own, trusting = certificate(tmp_path)
    with serving(board, Address("127.0.0.1", 0, certificate=own)) as url:
        port = urlsplit(url).port or 0
        with flood(port, 300):
            visitor = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=30)
            visitor.request("GET", "/healthz")
            assert visitor.getresponse().read() == b"ok\n"
            assert len(list(Path("/proc/self/fd").iterdir())) < 200


def test_settings_that_cannot_work(tmp_path: Path) -> None:
    """One token for both roles, a short one, half a certificate, one that is none: each in words."""
    with pytest.raises(SettingsError, match="one and the same"):
        Address("0.0.0.0", 8080, TOKEN, TOKEN)
    with pytest.raises(SettingsError, match="has 5 characters"):
        Address("0.0.0.0", 8080, TOKEN, "short")
    with pytest.raises(SettingsError, match="name both or none"):
        PageSettings("8080", tls_key=tmp_path)
    with pytest.raises(SettingsError, match="the page's TLS"):
        PageSettings("8080", tls_certificate=tmp_path / "none", tls_key=tmp_path / "none").address({})
    assert Address("0.0.0.0", 8080, viewer_token=VIEWER).has_token
    environ = {"SRANOGAN_PAGE_TOKEN": TOKEN, "SRANOGAN_PAGE_VIEWER_TOKEN": VIEWER}
    found = PageSettings("0.0.0.0:8080").address(environ)
    assert found
    assert (found.token, found.viewer_token) == (TOKEN, VIEWER)
