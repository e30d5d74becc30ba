"""Signing in and out: a form takes the token, and a cookie that is no token stands for it from then on."""

from __future__ import annotations

import html
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sranogan_edge.page.audit import AuditTrail
from sranogan_edge.page.body import body_of
from sranogan_edge.page.visitors import LIFETIME_S, Gate, Sessions, TooManyTriesError, Visitor

__all__ = ["COOKIES", "SignIn", "address_of", "session_of"]

COOKIES = ("__Host-sranogan", "sranogan")  # with TLS as far as the browser, and without
NAME_CHARACTERS = 64
RESERVED = ("the runner", "local", "a program")  # what others are called in the audit trail
_FORM = Path(__file__).with_name("assets") / "sign_in.html"


class SignIn:
    """The form and what it leads to."""

    def __init__(self, gate: Gate, sessions: Sessions, audit: AuditTrail | None) -> None:
        """Take tokens at ``gate``; ``audit`` has who came in."""
        self._gate, self._sessions, self._audit = gate, sessions, audit

    async def form(self, request: Request) -> Response:
        """Show the form."""
        return _form("")

    async def enter(self, request: Request) -> Response:
        """Take the form."""
        body = await body_of(request)
        if body is None:
            return _form("That is too long.", 413)
        try:
            said = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
        except ValueError:
            return _form("That is no form of ours.", 400)
        token, name = ("".join(said.get(key, [""])[:1]).strip() for key in ("token", "name"))
        name = "".join(c for c in name if c.isprintable())[:NAME_CHARACTERS]
        if not name or name.lower() in RESERVED:
            return _form("Say who you are: it stands beside what you change.", 400)
        try:
            role = await self._gate.role_of(token, address_of(request))
        except TooManyTriesError as error:
            return _form(f"{error}.", 429)
        if role is None:
            return _form("The token is wrong.", 401)
        visitor = Visitor(name, role, address_of(request))
        if self._audit:
            self._audit.noted("sign-in", visitor)
        answer = RedirectResponse("./", 303)
        secure = _is_secure(request)
        answer.set_cookie(
            COOKIES[0] if secure else COOKIES[1],
            self._sessions.begin(visitor),
            max_age=int(LIFETIME_S),
            httponly=True,
            secure=secure,
            samesite="strict",
        )
        return answer

    async def leave(self, request: Request) -> Response:
        """End the session."""
        visitor = request.scope.get("sranogan_visitor")
        self._sessions.end(session_of(request))
        if self._audit and visitor:
            self._audit.noted("sign-out", visitor)
        answer = Response(status_code=204)
        for name in COOKIES:
            answer.delete_cookie(name, httponly=True, secure=name == COOKIES[0], samesite="strict")
        return answer


def address_of(request: Request) -> str:
    """Where the connection comes from; what a header says of others is not believed."""
    return request.client.host if request.client else ""


def session_of(request: Request) -> str:
    """The secret of the cookie; empty without one."""
    return next((request.cookies[name] for name in COOKIES if name in request.cookies), "")


def _is_secure(request: Request) -> bool:
    """Whether the browser speaks TLS: to us, or to a proxy, which its own Origin tells."""
    return request.scope["scheme"] == "https" or request.headers.get("origin", "").startswith("https://")


def _form(message: str, status: int = 200) -> Response:
    text = _FORM.read_text(encoding="utf-8").replace("<!-- message -->", html.escape(message))
    headers = {"Retry-After": "5"} if status == 429 else None
    return HTMLResponse(text, status, headers)
