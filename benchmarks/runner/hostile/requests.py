"""Hostile requests to the live page: hosts, paths, headers, bodies, cookies, tokens, and what is no HTTP.

Where ``{VIEWER}`` or ``{OPERATOR}`` stands, the sender puts the token; all else knows none, so nothing that
is guarded may be answered.
"""

from __future__ import annotations

import json

from benchmarks.runner.hostile.kinds import Rng, kind, mutated

__all__ = ["GUARDED", "OPEN", "request"]

OPEN = ("/healthz", "/readyz", "/sign-in", "/page.css", "/icon.svg")
GUARDED = (
    *("/", "/page.js", "/chart.js", "/audit.js", "/theme.js", "/metrics", "/sign-out", "/api/events"),
    *("/api/state", "/api/calibration", "/api/results", "/api/threshold", "/api/live/frame.png"),
    *("/api/picture/1.png", "/api/audit", "/api/audit.csv"),
)
METHODS = (
    "GET",
    "GET",
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PATCH",
    "get",
    "X" * 99,
)
HOSTS = (
    *(
        "127.0.0.1",
        "localhost",
        "x/healthz?",
        "x/healthz#",
        "x/healthz?@127.0.0.1",
        "127.0.0.1/readyz",
        "u@x",
    ),
    *(
        "a b",
        "",
        "[::1",
        "[::1]",
        "x:9999999",
        "evil.example",
        "127.0.0.1:80/sign-in?",
        "x\\healthz",
        "x%2fhealthz",
    ),
    *("127.0.0.1, x", "0x7f.1", "..", "x;/healthz", "http://127.0.0.1/healthz", "\xe9", "127.0.0.1\t"),
)
OPERATOR = "Authorization: Bearer {OPERATOR}"
VIEWER = "Authorization: Bearer {VIEWER}"


def request(
    target: str, *headers: str, method: str = "GET", host: str = "127.0.0.1", body: bytes | None = None
) -> bytes:
    """One request, as a well-behaved program would make it but for what is given."""
    length = () if body is None else (f"Content-Length: {len(body)}",)
    lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", *headers, *length, "Connection: close", "", "")
    return "\r\n".join(lines).encode("latin-1", "replace") + (body or b"")


def _of(rng: Rng, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(0, len(choices)))]


def _text(rng: Rng, most: int = 60) -> str:
    return rng.bytes(int(rng.integers(0, most))).decode("latin-1")


def _word(rng: Rng, most: int = 40) -> str:
    return "".join(chr(int(c)) for c in rng.integers(33, 127, int(rng.integers(1, most))))


@kind("page: hosts", "page", weight=10)
def hosts(rng: Rng) -> bytes:
    """A Host that would make another address of the request, one of any bytes, two, or none."""
    host = _of(rng, HOSTS) if rng.random() < 0.7 else _text(rng)
    more = (f"Host: {_of(rng, HOSTS)}",) if rng.random() < 0.2 else ()
    made = request(_of(rng, GUARDED), *more, "X-Sranogan: 1", method=_of(rng, METHODS), host=host)
    return made.replace(b"Host: ", b"X-Host: ", 1) if rng.random() < 0.05 else made


@kind("page: paths", "page", weight=15)
def paths(rng: Rng) -> bytes:
    """Ways to write a guarded path as an open one, or as none."""
    opened, guarded = _of(rng, OPEN), _of(rng, GUARDED)
    forms = (
        f"{opened}/..{guarded}", f"{opened}/..;{guarded}", f"{opened}/%2e%2e{guarded}", f"/{guarded}",
        f"{opened}?{guarded}", f"{opened}#{guarded}", f"{guarded}?{opened}", f"{guarded}#{opened}",
        f"{guarded};{opened}", f"{guarded}%00{opened}", f"{guarded}%3f{opened}", f"{guarded}/",
        f"{guarded}//",
        guarded.upper(), guarded.replace("/", "\\"), guarded.replace("/", "/./"), guarded.replace("a", "%61"),
        f"http://127.0.0.1{guarded}", f"http://x{opened}/..{guarded}",
        f"http://127.0.0.1{opened}?@x{guarded}",
        f"//127.0.0.1{guarded}", f"{opened}{guarded}", "*", f"{guarded}?{_word(rng)}",
        f"{guarded}{_text(rng)}",
        f"/api/picture/{'9' * int(rng.integers(1, 5000))}.png", f"/api/live/{_word(rng)}.png",
        "/api/live/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/" + "a" * int(rng.integers(1,
        70_000)),
    )  # fmt: skip
    return request(_of(rng, forms), "X-Sranogan: 1", method=_of(rng, METHODS))


@kind("page: headers", "page", weight=15)
def headers(rng: Rng) -> bytes:
    """What proxies, other servers and old attacks put there; by the thousand, folded, without a name."""
    guarded, opened = _of(rng, GUARDED), _of(rng, OPEN)
    forms = (
        f"X-Original-URL: {opened}", f"X-Rewrite-URL: {opened}", f"X-Forwarded-For: 127.0.0.1{_text(rng)}",
        "X-Forwarded-Host: localhost", "Forwarded: for=127.0.0.1", "X-HTTP-Method-Override: GET",
        f"X-Forwarded-Prefix: {opened}",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", f"{_word(rng)}: {_text(rng)}", f": {_text(rng)}",
        f"A: b\r\n {_text(rng)}", "A" * 70_000 + ": b", "A: " + "b" * 70_000, f"Range: bytes={_word(rng)}",
        "Content-Length: 5\r\nContent-Length: 6", "Content-Length: -1", f"Content-Length: {'9' * 5000}",
        "Transfer-Encoding: chunked\r\nContent-Length: 4", f"Transfer-Encoding: {_word(rng)}",
        "Expect: 100-continue",
        f"Origin: {_text(rng)}", f"If-None-Match: {_word(rng)}",
        "\r\n".join(f"X-{n}: y" for n in range(2000)),
    )  # fmt: skip
    return request(guarded, _of(rng, forms), "X-Sranogan: 1", method=_of(rng, METHODS))


@kind("page: tokens", "page", weight=3)
def tokens(rng: Rng) -> bytes:
    """Wrong ones, in every place and spelling; each costs a pause, so they are few."""
    word = _word(rng)
    forms = (
        "Authorization:", "Authorization: Bearer", "Authorization: Bearer ", f"Authorization: Bearer {word}",
        f"Authorization: Basic {word}", f"Authorization: bearer\t{_text(rng)}",
        f"Authorization: Bearer {'x' * 9000}",
        f"Authorization: Bearer \xe9{word}", "Authorization: Bearer null", f"Authorization: {_text(rng)}",
    )  # fmt: skip
    target = f"{_of(rng, GUARDED)}{_of(rng, ('', '?token=' + word, '?access_token=' + word))}"
    return request(target, _of(rng, forms))


@kind("page: cookies", "page", weight=10)
def cookies(rng: Rng) -> bytes:
    """Sessions that there are none of, in any form, in numbers and of any length."""
    name = _of(rng, ("sranogan", "__Host-sranogan", "__host-SRANOGAN", "$sranogan", _word(rng)))
    value = _of(rng, ("", '""', _word(rng), _text(rng), "x" * 60_000, "a=b; c", "%00", "[object Object]"))
    many = "; ".join(f"{name}={value}" for _ in range(int(rng.choice([1, 1, 1, 2, 50]))))[:60_000]
    return request(_of(rng, GUARDED), f"Cookie: {many}", "X-Sranogan: 1", method=_of(rng, METHODS))


def _bodies(rng: Rng) -> bytes:
    forms: tuple[bytes, ...] = (
        b"{}", b"[]", b"null", b"1e999", b"[" * 100_000, b'{"a":' * 900, b"\xff\xfe", rng.bytes(300),
        json.dumps({"threshold": 1.0, "calibration_version": "x", "reason": "y"}).encode(),
        b'{"threshold": 1' + b"0" * 1800 + b', "calibration_version": "", "reason": "r"}',
        b'{"threshold": NaN, "calibration_version": "", "reason": "r"}', b'{"threshold": {"$gt": 0}}',
        b'{"threshold": "1", "calibration_version": [], "reason": {}}', b"token=x&name=y", b"x" * 300_000,
        b"&".join(b"a=b" for _ in range(1000)), b"name=%00&token=%ff", b"5\r\nhello\r\n0\r\n\r\n", b"",
    )  # fmt: skip
    return forms[int(rng.integers(0, len(forms)))]


@kind("page: bodies", "page", weight=10)
def bodies(rng: Rng) -> bytes:
    """JSON, forms and chunks that are none, to whoever takes them, without a token."""
    target = _of(rng, ("/api/threshold", "/sign-in", "/sign-out", *GUARDED))
    length = (
        ""
        if rng.random() < 0.8
        else f"Transfer-Encoding: {_of(rng, ('chunked', 'gzip', 'chunked, chunked'))}"
    )
    kinds = (
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        _text(rng),
    )
    more = ["X-Sranogan: 1", f"Content-Type: {_of(rng, kinds)}", *filter(None, [length])]
    return request(target, *more, method="POST", body=_bodies(rng))


@kind("page: what a viewer may not", "page", weight=5)
def of_a_viewer(rng: Rng) -> bytes:
    """Changes with the viewers' token."""
    body, method = _bodies(rng), _of(rng, ("POST", "PUT", "PATCH", "DELETE"))
    return request("/api/threshold", VIEWER, "X-Sranogan: 1", method=method, body=body)


@kind("page: questions of a viewer", "page", weight=5)
def questions(rng: Rng) -> bytes:
    """Searches, numbers and names that there are none of, with a token."""
    asked = (
        f"/api/results?q={_word(rng)}&before={_word(rng)}",
        f"/api/results?before={'9' * int(rng.integers(1, 6000))}",
        f"/api/results?verdict={_word(rng)}&q={'a%20' * 3000}", f"/api/picture/{_word(rng)}.png",
        "/api/audit.csv",
        f"/api/picture/{int(rng.integers(0, 2000))}.png", f"/api/live/{_word(rng)}.png",
        "/api/results?q=%ff%00",
        f"/api/results?{_text(rng)}", "/metrics?name[]=x", "/api/state", "/api/live/heat.png",
    )  # fmt: skip
    return request(_of(rng, asked), VIEWER)


@kind("page: bodies of an operator", "page", weight=3)
def of_an_operator(rng: Rng) -> bytes:
    """Thresholds that there are none of, with the operators' token."""
    return request("/api/threshold", OPERATOR, "X-Sranogan: 1", method="POST", body=_bodies(rng))


@kind("page: requests, damaged", "page", weight=30)
def damaged_request(rng: Rng) -> bytes:
    """Any request that knows no token, any damage."""
    whole = request(
        _of(rng, GUARDED), "Accept: */*", "Cookie: sranogan=x", "X-Sranogan: 1", method=_of(rng, METHODS)
    )
    return mutated(whole, rng)


@kind("page: several requests at once", "page", weight=5)
def several(rng: Rng) -> bytes:
    """An open one before a guarded one, in one connection, with lengths that lie."""
    first = request(_of(rng, OPEN), "Content-Length: 5").replace(b"Connection: close\r\n", b"")
    return first + rng.bytes(int(rng.integers(0, 9))) + request(_of(rng, GUARDED), "X-Sranogan: 1") * 3


@kind("page: no HTTP", "page", weight=5)
def no_http(rng: Rng) -> bytes:
    """HTTP/2, HTTP/0.9, TLS, DICOM, lines that do not end, and noise."""
    forms: tuple[bytes, ...] = (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /api/state\r\n\r\n", b"GET /api/state HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + rng.bytes(300), b"\1\0\0\0\0\xcd" + rng.bytes(205),
        b"GET / HTTP/1.1\n\n", b"\r\n" * 1000, b"\0" * 2000, rng.bytes(500), b"GET " + b"a" * 100_000,
    )  # fmt: skip
    return forms[int(rng.integers(0, len(forms)))]


@kind("page: a flood of silent connections", "page flood")
def silent(rng: Rng) -> bytes:
    """They say nothing."""
    return b""


@kind("page: a flood of half requests", "page flood")
def half(rng: Rng) -> bytes:
    """They begin to ask, and stop."""
    whole = request("/api/state", "X-Slow: " + "x" * 100)
    return whole[: int(rng.integers(1, len(whole) - 4))]


@kind("page: a flood of half handshakes (TLS)", "page flood")
def half_handshakes(rng: Rng) -> bytes:
    """They begin to shake hands, and stop."""
    hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + rng.bytes(508)
    return hello[: int(rng.integers(1, 300))]
