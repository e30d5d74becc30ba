"""Results by HTTP POST, signed, to any server.

Each request carries ``X-Sranogan-Key`` (a repeat has the same), ``X-Sranogan-Timestamp`` (Unix seconds) and
``X-Sranogan-Signature``: ``sha256=`` and the hexadecimal HMAC-SHA256 of ``TIMESTAMP.BODY`` under the shared
secret. :func:`signature_is_valid` is what a receiver in Python needs.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_plus, urlsplit

from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import missing_extra
from sranogan_edge.sinks.courier import RefusedError, UnreachableError

try:
    import urllib3
except ModuleNotFoundError as error:
    raise missing_extra("a webhook", "urllib3", "webhook") from error

__all__ = ["WebhookOptions", "WebhookTransport", "sign", "signature_is_valid"]

REFUSED_FOR_GOOD = frozenset({400, 413, 415, 422})  # the body is at fault; all else may be mended over there
LONGEST_RETRY_AFTER_S = 3600.0
ANSWER_BYTES = 200  # of an error's text, for the message
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class WebhookOptions:
    """Where to post.

    Attributes:
        url: ``https://...``; ``http://`` only to this machine.
        secret: shared with the receiver; at least 16 bytes.
        ca_file: of the certificate authority, where it is not one of the system's.
        connect_s: longest time to reach the server, in seconds.
        answer_s: longest time without a byte of its answer.
        allow_http: plain ``http://`` to other machines too: anybody on the way can read the results.
    """

    url: str = field(repr=False)
    secret: bytes = field(repr=False)
    ca_file: Path | None = None
    connect_s: float = 5.0
    answer_s: float = 10.0
    allow_http: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"a webhook's address must be https://HOST/PATH; received {parts.scheme!r}")
        if parts.username or parts.password:
            raise SettingsError("a webhook's address must hold no password: the signature stands for it")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.allow_http:
            raise SettingsError(
                f"http://{parts.hostname} would send results unencrypted. Use https://, or set allow_http."
            )
        if len(self.secret) < 16:
            raise SettingsError(
                f"the webhook's secret has {len(self.secret)} bytes; at least 16 are needed. Make one with: "
                "openssl rand -hex 32"
            )


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """Return the signature of ``body`` sent at ``timestamp``."""
    return "sha256=" + hmac.new(secret, b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def signature_is_valid(
    secret: bytes, timestamp: str, body: bytes, signature: str, *, now: float, within_s: float = 300.0
) -> bool:
    """Whether a request is the sender's, and no old one that somebody sends again."""
    if not timestamp.isdigit() or abs(now - int(timestamp)) > within_s:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode())


class WebhookTransport:
    """Posts each result and takes any 2xx for an answer."""

    def __init__(self, options: WebhookOptions, now: Callable[[], float] = time.time) -> None:
        """Nothing is sent yet; raises SettingsError where ``ca_file`` is missing."""
        if options.ca_file and not options.ca_file.is_file():
            raise SettingsError(f"{options.ca_file}: no such certificate file")
        self._options, self._now = options, now
        parts = urlsplit(options.url)
        self._name = f"{parts.scheme}://{parts.netloc}{parts.path}"
        values = [part.partition("=")[2] or part for part in parts.query.split("&") if part]
        self._hidden = [*values, *map(unquote_plus, values)]  # a query may hold a token
        self._pool = urllib3.PoolManager(
            ca_certs=str(options.ca_file) if options.ca_file else None,
            timeout=urllib3.Timeout(connect=options.connect_s, read=options.answer_s),
            retries=False,
        )

    def send(self, key: str, body: bytes) -> None:
        """Post one result; raises RefusedError or UnreachableError."""
        timestamp = int(self._now())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "sranogan-edge",
            "X-Sranogan-Key": key,
            "X-Sranogan-Timestamp": str(timestamp),
            "X-Sranogan-Signature": sign(self._options.secret, timestamp, body),
        }
        try:
            answer = self._pool.request(
                "POST", self._options.url, body=body, headers=headers, redirect=False, preload_content=False
            )
            longest = ANSWER_BYTES + max(map(len, self._hidden), default=0)  # no value is cut in two
            text = self._masked(answer.read(longest).decode(errors="replace"))[:ANSWER_BYTES]
            answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"{self._name} cannot be reached: {self._masked(str(error))}") from error
        self._judge(answer.status, text, answer.headers.get("Retry-After", ""))

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _judge(self, status: int, text: str, retry_after: str) -> None:
        if 200 <= status < 300:
            return
        said = f"{self._name} answered {status}: {text!r}"
        if status in REFUSED_FOR_GOOD:
            raise RefusedError(said)
        wait_s = min(float(retry_after), LONGEST_RETRY_AFTER_S) if retry_after.isdigit() else None
        raise UnreachableError(said, wait_s)

    def _masked(self, text: str) -> str:
        """Return ``text`` with dots for the values of the address's query, which a server may repeat."""
        for value in self._hidden:
            text = text.replace(value, "." * len(value))
        return text
