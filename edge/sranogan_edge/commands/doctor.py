"""``--doctor``, beside ``--check-config`` and ``--status``: whether every peer answers; nothing is sent."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from sranogan_edge.commands.check_parts import Finding
from sranogan_edge.errors import SranoganError
from sranogan_edge.feeds.feed import FeedSettings
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.feeds.why_not import RTSP_PORTS, device_of, why_no_device
from sranogan_edge.place import Place
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.dicom_settings import DicomSinkSettings
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from sranogan_edge.sinks.webhook_settings import WebhookSinkSettings

__all__ = ["peer_findings"]

TIMEOUT_S = 5.0  # of each peer
_PORTS = {**RTSP_PORTS, "http": 80, "https": 443}


def peer_findings(settings: Settings, environ: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Ask every archive, broker, server and camera of ``settings`` whether it is there; nothing is sent."""
    for place in (*settings.feeds, *settings.sinks):
        try:
            problem = _problem(place, environ)
        except (SranoganError, ImportError) as error:
            problem = str(error)
        if problem is None:
            continue
        what = "feed" if isinstance(place, FeedSettings) else "sink"
        state = "error" if problem else "ok"
        yield Finding(f"{what} reached", str(place), state, problem or "it answers")  # type: ignore[arg-type]  # a State


def _problem(place: Place, environ: Mapping[str, str] | None) -> str | None:
    """Why ``place`` cannot be reached; empty where it can, None where there is nothing to reach."""
    if isinstance(place, DicomSinkSettings):
        destination = place.destination()
        from sranogan_edge.dicom.echo import echo_problem

        return echo_problem(destination, TIMEOUT_S)
    if isinstance(place, MqttSinkSettings):
        place.check()
        from sranogan_edge.sinks.mqtt_reach import broker_problem

        return broker_problem(place, place.password(environ), TIMEOUT_S)
    if isinstance(place, WebhookSinkSettings):
        place.check()
        return _unreached(place.uri, place.ca_file)
    if isinstance(place, VideoFeedSettings) and place.scheme in ("rtsp", "rtsps"):
        return _unreached(place.uri)
    if isinstance(place, VideoFeedSettings) and place.scheme == "camera":
        why = why_no_device(device_of(place.uri.partition(":")[2]))
        return why.text if why else ""
    return None


def _unreached(uri: str, ca_file: Path | None = None) -> str:
    """Why nothing takes a connection at the address, with TLS where it is of HTTPS."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    try:
        port = parts.port or _PORTS[parts.scheme.lower()]
        with socket.create_connection((host, port), TIMEOUT_S) as plain:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=ca_file)
                context.wrap_socket(plain, server_hostname=host).close()
    except (OSError, ValueError) as error:  # ssl.SSLError too
        return f"{host}: {getattr(error, 'strerror', None) or error}. Check the address, and the network."
    return ""
