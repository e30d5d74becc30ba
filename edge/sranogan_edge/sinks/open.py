"""Where results go: one URI, one sink. Secrets come from the environment, never from a command line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sranogan_edge.errors import SettingsError
from sranogan_edge.sinks.courier import Courier, Transport
from sranogan_edge.sinks.database import SqliteSink
from sranogan_edge.sinks.jsonl import JsonlSink
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.sink import Sink

__all__ = ["MQTT_PASSWORD", "WEBHOOK_SECRET", "open_sink"]

MQTT_PASSWORD, WEBHOOK_SECRET = "SRANOGAN_MQTT_PASSWORD", "SRANOGAN_WEBHOOK_SECRET"
EXAMPLES = "jsonl:FOLDER, sqlite:FILE, mqtt://[USER@]HOST[:PORT][/TOPIC], mqtts://HOST, https://HOST/PATH"


def open_sink(uri: str, outboxes: Path, *, environ: Mapping[str, str] | None = None) -> Sink:
    """Open the sink that ``uri`` names.

    Args:
        uri: ``jsonl:FOLDER``, ``sqlite:FILE``, ``mqtt://[USER@]HOST[:PORT][/TOPIC]`` (``mqtts://`` with
            TLS), or ``https://HOST/PATH``; ``http://`` for this machine only.
        outboxes: folder for results that wait to be sent; one file a sink.
        environ: where :data:`MQTT_PASSWORD` and :data:`WEBHOOK_SECRET` stand; None is the process's own.

    Raises:
        MissingExtraError: a package that this sink needs is not installed.
        ResultsError: it cannot be written to.
        SettingsError: no such kind, or a part of the URI is wrong.
    """
    environ = os.environ if environ is None else environ
    scheme, colon, rest = uri.partition(":")
    if colon and rest and scheme == "jsonl":
        return JsonlSink(Path(rest))
    if colon and rest and scheme == "sqlite":
        return SqliteSink(Path(rest))
    if scheme in ("mqtt", "mqtts", "http", "https") and rest.startswith("//"):
        transport = _mqtt(uri, environ) if scheme.startswith("mqtt") else _webhook(uri, environ)
        name = hashlib.sha256(uri.encode()).hexdigest()[:16]
        return Courier(transport, Outbox(outboxes / f"outbox-{name}.sqlite"))
    raise SettingsError(f"no sink has the scheme {scheme!r}. There are: {EXAMPLES}.")


def _mqtt(uri: str, environ: Mapping[str, str]) -> Transport:
    from sranogan_edge.sinks.mqtt import MqttOptions, MqttTransport

    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(
            f"not the address of an MQTT broker ({error}). Write it like {EXAMPLES}."
        ) from error
    if not host or parts.password is not None:
        raise SettingsError(
            f"an MQTT address names a host and no password; put the password into {MQTT_PASSWORD}."
        )
    options = MqttOptions(
        host,
        port,
        prefix=parts.path.strip("/"),
        user=unquote(parts.username or ""),
        password=environ.get(MQTT_PASSWORD, ""),
        tls=parts.scheme == "mqtts",
    )
    return MqttTransport(options)


def _webhook(uri: str, environ: Mapping[str, str]) -> Transport:
    from sranogan_edge.sinks.webhook import WebhookOptions, WebhookTransport

    secret = environ.get(WEBHOOK_SECRET, "")
    if not secret:
        raise SettingsError(
            f"a webhook signs its requests with a secret: set {WEBHOOK_SECRET}. Make one with: "
            "openssl rand -hex 32"
        )
    return WebhookTransport(WebhookOptions(uri, secret.encode()))
