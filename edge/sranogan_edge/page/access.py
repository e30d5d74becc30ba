"""Who may see the page: this machine alone, or whoever has the token."""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sranogan_edge.errors import SettingsError

__all__ = ["Access", "Address", "parse_address"]

COOKIE = "sranogan_token"
MIN_TOKEN_CHARACTERS = 16
OPEN_PATHS = ("/healthz", "/readyz")  # say nothing but yes or no
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Address:
    """Where to listen.

    Attributes:
        host: name or IP address.
        port: 0 lets the system choose.
        token: what visitors must know; empty only on this machine's own address.

    Raises:
        SettingsError: other machines could see the page without a token, or the token is too short.
    """

    host: str
    port: int
    token: str = ""

    def __post_init__(self) -> None:
        if not self.token and not self.is_local:
            raise SettingsError(
                f"--serve {self.host}:{self.port} lets other machines see the page, so it needs a token: set "
                "SRANOGAN_PAGE_TOKEN (make one with: openssl rand -hex 16), or serve on 127.0.0.1."
            )
        if self.token and not re.fullmatch(rf"[A-Za-z0-9_.~-]{{{MIN_TOKEN_CHARACTERS},256}}", self.token):
            raise SettingsError(
                f"the page's token has {len(self.token)} characters; {MIN_TOKEN_CHARACTERS} to 256 letters, "
                "digits and _ . ~ - are needed. Make one with: openssl rand -hex 16"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str, token: str = "") -> Address:
    """Read ``HOST:PORT``, ``[IPv6]:PORT`` or ``PORT`` (then 127.0.0.1); raises SettingsError."""
    found = re.fullmatch(r"(?:(?:\[([^\]]+)\]|([^:\[\]]+)):)?(\d{1,5})", text.strip())
    if not found or int(found[3]) > 65_535:
        raise SettingsError(f"--serve takes HOST:PORT, such as 127.0.0.1:8080; received {text!r}")
    return Address(found[1] or found[2] or "127.0.0.1", int(found[3]), token)


class Access:
    """ASGI middleware: token, host name, same origin for changes, and the security headers."""

    def __init__(self, app: ASGIApp, address: Address) -> None:
        """Guard ``app``."""
        self._app, self._address = app, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is not None:
            refusal.headers.update(HEADERS)
            await refusal(scope, receive, send)
            return

        async def with_headers(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                raw = message.setdefault("headers", [])
                assert isinstance(raw, list)
                raw.extend((name.lower().encode(), value.encode()) for name, value in HEADERS.items())
            await send(message)

        await self._app(scope, receive, with_headers)  # type: ignore[arg-type]  # narrower than ASGI's Any

    def _refusal(self, request: Request) -> Response | None:
        if request.scope["path"] in OPEN_PATHS:  # what is routed by; an address is made of Host and path
            return None
        host = _HOST.fullmatch(request.headers.get("host", ""))
        if not host or len(request.headers.getlist("host")) > 1:
            return PlainTextResponse("the request's Host is no host name\n", 400)
        names = (self._address.host.lower(), *_LOCAL_NAMES)
        if not self._address.token and host[1].strip("[]").lower() not in names:
            # a name that someone points at 127.0.0.1, so that a foreign page could read this one
            return PlainTextResponse(f"open the page as http://{names[0]} or http://localhost\n", 421)
        if request.method not in ("GET", "HEAD") and not _same_origin(request.headers):
            return PlainTextResponse("changes must come from the page itself\n", 403)
        return self._without_token(request) if self._address.token else None

    def _without_token(self, request: Request) -> Response | None:
        """Answer requests that do not know the token; one in the address becomes a cookie."""
        named = request.query_params.get("token", "")
        if named and request.method == "GET" and request.scope["path"] == "/":
            if not self._is_token(named):
                return PlainTextResponse("wrong token\n", 401)
            answer = RedirectResponse("./", 303)
            answer.set_cookie(COOKIE, named, max_age=30 * 86_400, httponly=True, samesite="strict")
            return answer
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        known = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        if self._is_token(known):
            return None
        message = "this page needs its token: open /?token=TOKEN once, or send Authorization: Bearer TOKEN\n"
        return PlainTextResponse(message, 401, {"WWW-Authenticate": "Bearer"})

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._address.token.encode())


def _same_origin(headers: Headers) -> bool:
    """Whether the page itself sent this: a foreign page cannot add the header without being asked first."""
    origin = headers.get("origin")
    return headers.get("x-sranogan") == "1" and (
        origin is None or origin.partition("://")[2] == headers.get("host")
    )
