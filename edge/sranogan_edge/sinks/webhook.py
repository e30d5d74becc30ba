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
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus, urlsplit

import urllib3

from sranogan_edge.sinks.courier import RefusedError, UnreachableError
from sranogan_edge.sinks.deadline import Deadline

if TYPE_CHECKING:
    from sranogan_edge.sinks.webhook_settings import WebhookSinkSettings

__all__ = ["WebhookTransport", "sign", "signature_is_valid"]

REFUSED_FOR_GOOD = frozenset({400, 413, 415, 422})  # the body is at fault; all else may be mended over there
LONGEST_RETRY_AFTER_S = 3600.0
ANSWER_BYTES = 200  # of an error's text, for the message


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

    def __init__(
        self, settings: WebhookSinkSettings, secret: bytes, now: Callable[[], float] = time.time
    ) -> None:
        """Nothing is sent yet; ``secret`` is shared with the receiver."""
        self._url, self._secret, self._now = settings.uri, secret, now
        parts = urlsplit(settings.uri)
        self._name = f"{parts.scheme}://{parts.netloc}{parts.path}"
        values = [part.partition("=")[2] or part for part in parts.query.split("&") if part]
        self._hidden = [*values, *map(unquote_plus, values)]  # a query may hold a token
        self._pool = urllib3.PoolManager(
            ca_certs=str(settings.ca_file) if settings.ca_file else None,
            timeout=urllib3.Timeout(connect=settings.connect_s, read=settings.answer_s),
            retries=False,
        )
        self._total_s, self._deadline = settings.total_s, Deadline()
        self._deadline.watch(self._pool)

    def send(self, key: str, body: bytes) -> None:
        """Post one result; raises RefusedError or UnreachableError."""
        timestamp = int(self._now())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "sranogan-edge",
            "X-Sranogan-Key": key,
            "X-Sranogan-Timestamp": str(timestamp),
            "X-Sranogan-Signature": sign(self._secret, timestamp, body),
        }
        try:
            with self._deadline.within(self._total_s):
                answer = self._pool.request(
                    "POST", self._url, body=body, headers=headers, redirect=False, preload_content=False
                )
                longest = ANSWER_BYTES + max(map(len, self._hidden), default=0)  # no value is cut in two
                text = self._masked(answer.read(longest).decode(errors="replace"))[:ANSWER_BYTES]
                answer.close()
            if self._deadline.passed:  # what was cut off may look like an answer
                raise TimeoutError
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if self._deadline.passed:
                why = f"{self._name}: all of a request took longer than {self._total_s:g} s (total_s)"
                raise UnreachableError(why) from error
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
