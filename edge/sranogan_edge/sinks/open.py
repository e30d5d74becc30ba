"""Where results go: one URI, one sink. Secrets come from the environment, never from a command line."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.extras import missing_extra
from sranogan_edge.sinks.courier import Courier, Transport
from sranogan_edge.sinks.jsonl import JsonlSink
from sranogan_edge.sinks.outbox import MAX_WAITING, Outbox
from sranogan_edge.sinks.sink import Sink
from sranogan_edge.sinks.sqlite import SqliteSink

__all__ = ["MQTT_PASSWORD", "WEBHOOK_SECRET", "open_sink", "sink_key"]

MQTT_PASSWORD, WEBHOOK_SECRET = "SRANOGAN_MQTT_PASSWORD", "SRANOGAN_WEBHOOK_SECRET"
EXAMPLES = (
    "jsonl:FOLDER, sqlite:FILE, mqtt://[USER@]HOST[:PORT][/TOPIC], mqtts://HOST, https://HOST/PATH, "
    "dicom://[OUR_AE@]HOST:PORT/CALLED_AE, dicoms://HOST:PORT/CALLED_AE"
)


def sink_key(uri: str) -> str:
    """Name the sink ``uri`` in the spool's folder, where no secret of it is to be read."""
    return hashlib.sha256(uri.encode()).hexdigest()[:16]


def open_sink(
    uri: str,
    outboxes: Path,
    *,
    environ: Mapping[str, str] | None = None,
    pictures: Path | None = None,
    **options: Any,
) -> Sink:
    """Open the sink that ``uri`` names.

    Args:
        uri: ``jsonl:FOLDER``, ``sqlite:FILE``, ``mqtt://[USER@]HOST[:PORT][/TOPIC]`` (``mqtts://`` with
            TLS), ``https://HOST/PATH`` (``http://`` for this machine only), or
            ``dicom://[OUR_AE@]HOST:PORT/CALLED_AE`` (``dicoms://`` with TLS).
        outboxes: folder for results that wait to be sent, or were refused; one file a sink.
        environ: where :data:`MQTT_PASSWORD` and :data:`WEBHOOK_SECRET` stand; None is the process's own.
        pictures: folder that the ``heat_map`` of the results lie below, for sinks that send pictures.
        options: of this kind of sink, as in :mod:`sranogan_edge.settings.sinks`.

    Raises:
        MissingExtraError: a package that this sink needs is not installed.
        ResultsError: it cannot be written to.
        SettingsError: no such kind or option, or a part of the URI is wrong.
    """
    environ = os.environ if environ is None else environ
    scheme, colon, rest = uri.partition(":")
    outbox = outboxes / f"outbox-{sink_key(uri)}.sqlite"
    try:
        if colon and rest and scheme == "jsonl":
            return JsonlSink(Path(rest), **options)
        if colon and rest and scheme == "sqlite":
            return SqliteSink(Path(rest), **options)
        if scheme in _TRANSPORTS and rest.startswith("//"):
            limit = options.pop("max_waiting", MAX_WAITING)
            if scheme.startswith("mqtt"):
                options["client"] = _client_of(outbox)
            return Courier(_TRANSPORTS[scheme](uri, environ, options), Outbox(outbox, limit))
        if scheme in ("dicom", "dicoms") and rest.startswith("//"):
            return _dicom(uri, outbox, pictures, options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise SettingsError(f"{scheme}: this sink has no such option ({error}). Leave it out.") from error
    raise SettingsError(f"no sink has the scheme {scheme!r}. There are: {EXAMPLES}.")


def _client_of(outbox: Path) -> str:
    """Give 8 characters that only this outbox has: they are made once, and kept beside it."""
    file = outbox.with_suffix(".client")
    try:
        with contextlib.suppress(FileNotFoundError):
            if found := re.fullmatch(r"[0-9a-f]{8}\n", file.read_text(encoding="ascii", errors="replace")):
                return found[0].strip()
        made = secrets.token_hex(4)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{made}\n", encoding="ascii")
    except OSError as error:
        raise ResultsError(
            f"{file}: the name at the MQTT broker cannot be kept ({error.strerror or error}). Free some "
            "space, or name another folder."
        ) from error
    return made


def _mqtt(uri: str, environ: Mapping[str, str], options: Mapping[str, Any]) -> Transport:
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
    named: dict[str, Any] = {
        "prefix": parts.path.strip("/"),
        "user": unquote(parts.username or ""),
        "password": environ.get(MQTT_PASSWORD, ""),
        "tls": parts.scheme == "mqtts",
    }
    return MqttTransport(MqttOptions(host, port, **named, **options))


def _webhook(uri: str, environ: Mapping[str, str], options: Mapping[str, Any]) -> Transport:
    from sranogan_edge.sinks.webhook import WebhookOptions, WebhookTransport

    secret = environ.get(WEBHOOK_SECRET, "")
    if not secret:
        raise SettingsError(
            f"a webhook signs its requests with a secret: set {WEBHOOK_SECRET}. Make one with: "
            "openssl rand -hex 32"
        )
    return WebhookTransport(WebhookOptions(uri, secret.encode(), **options))


_TRANSPORTS = {"mqtt": _mqtt, "mqtts": _mqtt, "http": _webhook, "https": _webhook}


def _dicom(uri: str, outbox: Path, pictures: Path | None, options: Mapping[str, Any]) -> Sink:
    try:
        from sranogan_edge.sinks.dicom import DicomSink, destination_of
    except ModuleNotFoundError as error:
        raise missing_extra("a DICOM archive", error.name, "dicom") from error
    chosen = {name: options[name] for name in ("heat_map", "report") if name in options}
    destination = destination_of(uri, **{name: options[name] for name in options if name not in chosen})
    return DicomSink(destination, Outbox(outbox), pictures, **chosen)
