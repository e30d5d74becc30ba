"""Which MQTT broker, as whom, and how it is opened."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.option import option
from sranogan_edge.secret import read_secret
from sranogan_edge.sinks.courier import Courier
from sranogan_edge.sinks.outbox import MAX_WAITING, Outbox
from sranogan_edge.sinks.sink import SinkContext, SinkSettings

__all__ = ["MQTT_PASSWORD", "MqttSinkSettings"]

MQTT_PASSWORD = "SRANOGAN_MQTT_PASSWORD"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_log = logging.getLogger(__name__)
_EXAMPLE = "mqtt://[USER@]HOST[:PORT][/TOPIC], or mqtts:// with TLS"


@dataclass(frozen=True)
class MqttSinkSettings(SinkSettings):
    """An MQTT broker.

    Attributes:
        uri: mqtt://[USER@]HOST[:PORT][/TOPIC], or mqtts:// with TLS.
        password_file: file with the USER's password; none reads SRANOGAN_MQTT_PASSWORD.
        device: what this device is called in topics: letters, digits, _ and -; none is its host name.
        ca_file: of the certificate authority, where it is not one of the system's.
        cert_file: this device's certificate, where the broker asks for one.
        key_file: of that certificate.
        discovery: topic prefix of Home Assistant's discovery, usually homeassistant; none is without.
        max_waiting: results that wait in the outbox while the broker is away, about 1 KB each; beyond it the
            oldest is let go and counted as lost.
    """

    password_file: Path | None = option(None, secret=True)
    device: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = option(None, secret=True)
    discovery: str | None = None
    max_waiting: int = option(MAX_WAITING, least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.device):
            raise SettingsError(
                f"device: an MQTT device name has 1 to 64 letters, digits, _ and -; received {self.device!r}"
            )
        _check_prefix(self.discovery or "", "discovery: ")

    @property
    def tls(self) -> bool:
        """Whether to encrypt, and to check the broker's certificate."""
        return self.scheme == "mqtts"

    @property
    def name(self) -> str:
        """What this device is called."""
        return self.device or re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()) or "device"

    @property
    def address(self) -> tuple[str, int]:
        """The broker's host and port."""
        parts = urlsplit(self.uri)
        return parts.hostname or "", parts.port or (8883 if self.tls else 1883)

    @property
    def user(self) -> str:
        """Name at the broker; empty where it asks for none."""
        return unquote(urlsplit(self.uri).username or "")

    @property
    def topics(self) -> str:
        """What all topics begin with."""
        return urlsplit(self.uri).path.strip("/") or f"sranogan/{self.name}"

    def password(self, environ: Mapping[str, str] | None = None) -> str:
        """Return the user's password; empty without one. Raises SettingsError where it cannot be read."""
        return read_secret(self.password_file, MQTT_PASSWORD, environ)

    def open_password(self, environ: Mapping[str, str] | None = None) -> str:
        """Why the password can be read by whoever is on the way to the broker; empty where it cannot."""
        if self.tls or not self.password(environ) or self.address[0] in _THIS_MACHINE:
            return ""
        return "the password goes without TLS, and anybody on the way can read it. Write mqtts://"

    def check(self) -> None:
        """Raise SettingsError where the address cannot be, or a file is missing."""
        try:
            parts: SplitResult = urlsplit(self.uri)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise SettingsError(
                f"not the address of an MQTT broker ({error}). Write it like {_EXAMPLE}."
            ) from error
        if not host or parts.password is not None:
            raise SettingsError(
                f"an MQTT address names a host and no password; put the password into {MQTT_PASSWORD}."
            )
        _check_prefix(parts.path.strip("/"))
        if (self.ca_file or self.cert_file) and not self.tls:
            raise SettingsError("certificates were given for MQTT without TLS. Write mqtts://")
        for path in (self.ca_file, self.cert_file, self.key_file):
            if path and not path.is_file():
                raise SettingsError(f"{path}: no such certificate or key file")

    def open(self, context: SinkContext) -> Courier:
        """Begin to send what waits in the outbox."""
        with needs_extra("mqtt", "MQTT"):
            from sranogan_edge.sinks.mqtt import MqttTransport
        self.check()
        if why := self.open_password(context.environ):
            _log.warning("%s: %s", self, why)
        outbox = self.outbox(context)
        transport = MqttTransport(self, self.password(context.environ), _client_of(outbox))
        return Courier(transport, Outbox(outbox, self.max_waiting))


def _check_prefix(topic: str, name: str = "") -> None:
    if re.search(r"[+#\0]", topic) or topic.startswith(("/", "$")) or topic.endswith("/"):
        raise SettingsError(
            f"{name}an MQTT topic prefix has no +, #, and no / at its ends; received {topic!r}"
        )


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
