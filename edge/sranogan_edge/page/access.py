"""Who may see the page: this machine alone, or whoever has a token; who may change something."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sranogan_edge.errors import SettingsError
from sranogan_edge.page.sign_in import address_of, session_of
from sranogan_edge.page.visitors import Gate, Sessions, TooManyTriesError, Visitor

__all__ = ["Access", "Address", "Certificate", "parse_address"]

MIN_TOKEN_CHARACTERS = 16
OPEN_PATHS = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")  # say nothing but yes or no
SCORING = ("/v1/", "/v2/")  # for programs: scores, and changes nothing
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
_FORM_PATHS = (SIGN_IN, "/page.css", "/icon.svg")  # what somebody needs to sign in
_PAGES = re.compile(r"/|/results(/[0-9]+)?")  # that people look at
_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without any, a form is sent with "Origin: null"
    "Cache-Control": "no-store",
}
STRICT_TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}


@dataclass(frozen=True)
class Certificate:
    """TLS of the page.

    Attributes:
        file: PEM, with those between it and its authority.
        key: PEM.

    Raises:
        SettingsError: they cannot be read, or do not belong together.
    """

    file: Path
    key: Path

    def __post_init__(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.file, self.key, password=lambda: b"")
        except (OSError, ValueError) as error:  # ssl.SSLError too
            raise SettingsError(
                f"the page's TLS: {self.file}, {self.key}: {error}. Name PEM files that belong together, "
                "without a passphrase, and let this user read them."
            ) from error


@dataclass(frozen=True)
class Address:
    """Where to listen.

    Attributes:
        host: name or IP address.
        port: 0 lets the system choose.
        token: of operators; without any token only on this machine's own address, where all are operators.
        viewer_token: of those who look, and change nothing.
        certificate: None speaks plain HTTP.

    Raises:
        SettingsError: other machines could see the page without a token, or a token is too short, or both
            are the same.
    """

    host: str
    port: int
    token: str = ""
    viewer_token: str = ""
    certificate: Certificate | None = None

    def __post_init__(self) -> None:
        if not self.has_token and not self.is_local:
            raise SettingsError(
                f"{self.host}:{self.port} lets other machines in, so it needs a token: name its file, or set "
                "SRANOGAN_PAGE_TOKEN (make one with: openssl rand -hex 16), or serve on 127.0.0.1."
            )
        for token in filter(None, (self.token, self.viewer_token)):
            if not re.fullmatch(rf"[A-Za-z0-9_.~-]{{{MIN_TOKEN_CHARACTERS},256}}", token):
                raise SettingsError(
                    f"the page's token has {len(token)} characters; {MIN_TOKEN_CHARACTERS} to 256 letters, "
                    "digits and _ . ~ - are needed. Make one with: openssl rand -hex 16"
                )
        if self.token and self.token == self.viewer_token:
            raise SettingsError("operators and viewers of the page have one and the same token. Make another")

    @property
    def has_token(self) -> bool:
        """Whether visitors have to know one."""
        return bool(self.token or self.viewer_token)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(
    text: str, token: str = "", viewer_token: str = "", certificate: Certificate | None = None
) -> Address:
    """Read ``HOST:PORT``, ``[IPv6]:PORT`` or ``PORT`` (then 127.0.0.1); raises SettingsError."""
    found = re.fullmatch(r"(?:(?:\[([^\]]+)\]|([^:\[\]]+)):)?(\d{1,5})", text.strip())
    if not found or int(found[3]) > 65_535:
        raise SettingsError(f"--serve takes HOST:PORT, such as 127.0.0.1:8080; received {text!r}")
    return Address(found[1] or found[2] or "127.0.0.1", int(found[3]), token, viewer_token, certificate)


class Access:
    """ASGI middleware: who it is, what they may do, host name, same origin for changes, security headers."""

    def __init__(self, app: ASGIApp, address: Address, gate: Gate, sessions: Sessions | None) -> None:
        """Guard ``app``; without ``sessions`` there is no form to sign in by."""
        self._app, self._address, self._gate, self._sessions = app, address, gate, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refusal = await self._refusal(Request(scope))
        if refusal is not None:
            if scope["path"].startswith(SCORING):
                refusal = _as_json(refusal, scope["path"])
            refusal.headers.update(self._headers)
            await refusal(scope, receive, send)
            return

        async def with_headers(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                raw = message.setdefault("headers", [])
                assert isinstance(raw, list)
                raw.extend((name.lower().encode(), value.encode()) for name, value in self._headers.items())
            await send(message)

        await self._app(scope, receive, with_headers)  # type: ignore[arg-type]  # narrower than ASGI's Any

    @property
    def _headers(self) -> dict[str, str]:
        return {**HEADERS, **(STRICT_TRANSPORT if self._address.certificate else {})}

    async def _refusal(self, request: Request) -> Response | None:
        path, changes = request.scope["path"], request.method not in ("GET", "HEAD")
        scores = path.startswith(SCORING)
        if path in OPEN_PATHS:  # what is routed by; an address is made of Host and path
            return None
        if refusal := self._of_nowhere(request):
            return refusal
        if changes and not _same_origin(request.headers, needs_ours=path != SIGN_IN and not scores):
            return PlainTextResponse("changes must come from the page itself\n", 403)
        if not self._address.has_token:
            visitor = Visitor("local", "operator", address_of(request))
        elif path in _FORM_PATHS and self._sessions is not None:
            return None
        else:
            try:
                found = await self._visitor(request)
            except TooManyTriesError as error:
                return PlainTextResponse(f"{error}\n", 429, {"Retry-After": "5"})
            if found is None:
                return _unknown(request, has_form=self._sessions is not None)
            visitor = found
        if changes and visitor.role != "operator" and path != SIGN_OUT and not scores:
            return PlainTextResponse("viewers change nothing: sign in with the operators' token\n", 403)
        request.scope["sranogan_visitor"] = visitor
        return None

    def _of_nowhere(self, request: Request) -> Response | None:
        """Answer what does not ask for this page by its name."""
        host = _HOST.fullmatch(request.headers.get("host", ""))
        if not host or len(request.headers.getlist("host")) > 1:
            return PlainTextResponse("the request's Host is no host name\n", 400)
        if self._address.has_token:
            return None
        names = (self._address.host.lower(), *_LOCAL_NAMES)
        if host[1].strip("[]").lower() not in names:
            # a name that someone points at 127.0.0.1, so that a foreign page could read this one
            return PlainTextResponse(f"open the page as http://{names[0]} or http://localhost\n", 421)
        if any(name in request.headers for name in _OF_PROXIES):
            # whoever the proxy lets in would be this machine's own visitor
            return PlainTextResponse("behind a proxy the page needs a token: SRANOGAN_PAGE_TOKEN\n", 403)
        return None

    async def _visitor(self, request: Request) -> Visitor | None:
        """Who it is, by the header of programs or the cookie of a session; None: nobody that we know."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            role = await self._gate.role_of(bearer.strip(), address_of(request))
            return Visitor("a program", role, address_of(request)) if role else None
        return None if self._sessions is None else self._sessions.of(session_of(request))


def _unknown(request: Request, *, has_form: bool) -> Response:
    if (
        has_form
        and request.method == "GET"
        and _PAGES.fullmatch(request.scope["path"])
        and "authorization" not in request.headers
    ):
        return RedirectResponse(f"{'.' * request.scope['path'].count('/')}/sign-in", 303)
    form = "sign in at /sign-in, or " if has_form else ""
    message = f"this page needs its token: {form}send Authorization: Bearer TOKEN\n"
    return PlainTextResponse(message, 401, {"WWW-Authenticate": "Bearer"})


def _as_json(refusal: Response, path: str) -> Response:
    """Return what programs read: the same status and words."""
    kinds = {400: "BadHost", 401: "TokenNeeded", 421: "WrongHost", 429: "TooManyTriesError"}
    words = bytes(refusal.body).decode().strip()
    said = {"kind": kinds.get(refusal.status_code, "Forbidden"), "message": words}
    kept = {
        name: refusal.headers[name] for name in ("retry-after", "www-authenticate") if name in refusal.headers
    }
    of_kserve = path.startswith("/v2/")  # whose protocol wants the words alone
    return JSONResponse({"error": words if of_kserve else said}, refusal.status_code, kept)


def _same_origin(headers: Headers, *, needs_ours: bool) -> bool:
    """Whether no foreign page sent this: it can neither add our header nor leave out its own.

    A form, and a program, cannot or need not have ours.
    """
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return False
    if not needs_ours:
        return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    return headers.get("x-sranogan") == "1"
