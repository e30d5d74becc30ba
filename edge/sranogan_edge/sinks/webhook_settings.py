"""Where results are posted, and how that is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.option import option
from sranogan_edge.secret import read_secret
from sranogan_edge.sinks.courier import Courier
from sranogan_edge.sinks.outbox import MAX_WAITING, Outbox
from sranogan_edge.sinks.sink import SinkContext, SinkSettings

__all__ = ["WEBHOOK_SECRET", "WebhookSinkSettings"]

WEBHOOK_SECRET = "SRANOGAN_WEBHOOK_SECRET"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class WebhookSinkSettings(SinkSettings):
    """A server that takes results by HTTP POST, signed with a shared secret.

    Attributes:
        uri: https://HOST/PATH; http:// to this machine only.
        secret_file: file with the secret; none reads SRANOGAN_WEBHOOK_SECRET.
        ca_file: of the certificate authority, where it is not one of the system's.
        connect_s: longest time to reach the server.
        answer_s: longest time without a byte of its answer.
        total_s: longest time of all of a request, name to answer; a server that trickles ends there.
        allow_http: plain http:// to other machines too: anybody on the way can read the results.
        max_waiting: results that wait in the outbox while the server is away, about 1 KB each; beyond it the
            oldest is let go and counted as lost.
    """

    uri: str = field(repr=False)  # its query may hold a token
    secret_file: Path | None = option(None, secret=True)
    ca_file: Path | None = None
    connect_s: float = option(5.0, above=0)
    answer_s: float = option(10.0, above=0)
    total_s: float = option(60.0, above=0)
    allow_http: bool = False
    max_waiting: int = option(MAX_WAITING, least=1)

    def secret(self, environ: Mapping[str, str] | None = None) -> bytes:
        """Return what is shared with the receiver; raises SettingsError without at least 16 bytes of it."""
        secret = read_secret(self.secret_file, WEBHOOK_SECRET, environ).encode()
        if not secret:
            raise SettingsError(
                f"a webhook signs its requests with a secret: set {WEBHOOK_SECRET}. Make one with: "
                "openssl rand -hex 32"
            )
        if len(secret) < 16:
            raise SettingsError(
                f"the webhook's secret has {len(secret)} bytes; at least 16 are needed. Make one with: "
                "openssl rand -hex 32"
            )
        return secret

    def check(self) -> None:
        """Raise SettingsError where the address cannot be, or a file is missing."""
        parts = urlsplit(self.uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"a webhook's address must be https://HOST/PATH; received {parts.scheme!r}")
        if parts.username or parts.password:
            raise SettingsError("a webhook's address must hold no password: the signature stands for it")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.allow_http:
            raise SettingsError(
                f"http://{parts.hostname} would send results unencrypted. Use https://, or set allow_http."
            )
        if self.ca_file and not self.ca_file.is_file():
            raise SettingsError(f"{self.ca_file}: no such certificate file")

    def open(self, context: SinkContext) -> Courier:
        """Begin to send what waits in the outbox."""
        with needs_extra("webhook", "a webhook"):
            from sranogan_edge.sinks.webhook import WebhookTransport
        self.check()
        transport = WebhookTransport(self, self.secret(context.environ))
        return Courier(transport, Outbox(self.outbox(context), self.max_waiting))
