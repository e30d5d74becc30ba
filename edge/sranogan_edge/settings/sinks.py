"""Settings of each kind of sink: a URI, and what goes to its opener."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sranogan_edge.errors import SettingsError
from sranogan_edge.settings.place import PlaceSettings
from sranogan_edge.settings.secret import read_secret
from sranogan_edge.sinks.outbox import MAX_WAITING

__all__ = [
    "SINK_SETTINGS",
    "DicomSinkSettings",
    "JsonlSinkSettings",
    "MqttSinkSettings",
    "SinkSettings",
    "SqliteSinkSettings",
    "WebhookSinkSettings",
    "refuse_shared_files",
]


@dataclass(frozen=True)
class SinkSettings(PlaceSettings):
    """One sink.

    Attributes:
        uri: see docs/guide/sinks.md; a password in it is refused.
    """

    def secrets(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Secrets that this sink uses, by the variable that ``open_sink`` looks for in its ``environ``."""
        return {}


@dataclass(frozen=True)
class JsonlSinkSettings(SinkSettings):
    """Lines of JSON in a folder, in files that do not grow for ever.

    Attributes:
        uri: jsonl:FOLDER.
        max_bytes: a line that would make the file larger opens the next one.
        max_age_s: a file that is so many seconds old is closed at the next line.
        keep: number of closed files to keep, the newest; none keeps all.
        sync: whether each line is on the disk before the next; false spares an SD card.
    """

    max_bytes: int = 64 * 2**20
    max_age_s: float = 86_400.0
    keep: int | None = None
    sync: bool = True


@dataclass(frozen=True)
class SqliteSinkSettings(SinkSettings):
    """A table in an SQLite file.

    Attributes:
        uri: sqlite:FILE.
    """


@dataclass(frozen=True)
class MqttSinkSettings(SinkSettings):
    """An MQTT broker.

    Attributes:
        uri: mqtt://[USER@]HOST[:PORT][/TOPIC], or mqtts:// with TLS.
        password_file: file with the USER's password; none reads SRANOGAN_MQTT_PASSWORD.
        device: what this device is called in topics; none is its host name.
        ca_file: of the certificate authority, where it is not one of the system's.
        cert_file: this device's certificate, where the broker asks for one.
        key_file: of that certificate.
        discovery: topic prefix of Home Assistant's discovery, usually homeassistant; none is without.
        max_waiting: results that wait in the outbox while the broker is away, about 1 KB each; beyond it the
            oldest is let go and counted as lost.
    """

    password_file: Path | None = None
    device: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    discovery: str | None = None
    max_waiting: int = MAX_WAITING

    def options(self) -> dict[str, Any]:
        """What the sink is opened with; the password comes by :meth:`secrets`."""
        return _without(super().options(), "password_file")

    def secrets(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """The user's password."""
        return {"SRANOGAN_MQTT_PASSWORD": read_secret(self.password_file, "SRANOGAN_MQTT_PASSWORD", environ)}


@dataclass(frozen=True)
class WebhookSinkSettings(SinkSettings):
    """A server that takes results by HTTP POST, signed with a shared secret.

    Attributes:
        uri: https://HOST/PATH; http:// to this machine only.
        secret_file: file with the secret; none reads SRANOGAN_WEBHOOK_SECRET.
        ca_file: of the certificate authority, where it is not one of the system's.
        connect_s: longest time to reach the server.
        answer_s: longest time without a byte of its answer.
        allow_http: plain http:// to other machines too: anybody on the way can read the results.
        max_waiting: results that wait in the outbox while the server is away, about 1 KB each; beyond it the
            oldest is let go and counted as lost.
    """

    secret_file: Path | None = None
    ca_file: Path | None = None
    connect_s: float = 5.0
    answer_s: float = 10.0
    allow_http: bool = False
    max_waiting: int = MAX_WAITING

    def options(self) -> dict[str, Any]:
        """What the sink is opened with; the secret comes by :meth:`secrets`."""
        return _without(super().options(), "secret_file")

    def secrets(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """The shared secret, by the name of its variable."""
        return {"SRANOGAN_WEBHOOK_SECRET": read_secret(self.secret_file, "SRANOGAN_WEBHOOK_SECRET", environ)}


@dataclass(frozen=True)
class DicomSinkSettings(SinkSettings):
    """An archive that takes the heat map and the score as DICOM objects, of what came as DICOM.

    Attributes:
        uri: dicom://[OUR_TITLE@]HOST:PORT/CALLED_TITLE, or dicoms:// with TLS.
        heat_map: whether the heat map is sent as Secondary Capture.
        report: whether the score is sent as a Structured Report.
        timeout_s: seconds to connect, and for each answer.
        ca_file: of the certificate authority, where it is not one of the system's.
        cert_file: this device's certificate, where the archive asks for one.
        key_file: of that certificate.
    """

    heat_map: bool = True
    report: bool = True
    timeout_s: float = 20.0
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


def _without(options: dict[str, Any], name: str) -> dict[str, Any]:
    options.pop(name, None)
    return options


SINK_SETTINGS: Mapping[str, type[SinkSettings]] = {
    "jsonl": JsonlSinkSettings,
    "sqlite": SqliteSinkSettings,
    "mqtt": MqttSinkSettings,
    "mqtts": MqttSinkSettings,
    "http": WebhookSinkSettings,
    "https": WebhookSinkSettings,
    "dicom": DicomSinkSettings,
    "dicoms": DicomSinkSettings,
}


def refuse_shared_files(log: Path, uris: Sequence[str]) -> None:
    """Refuse sinks that write to one file, or to the runner's own ``log``: each would cut the other's lines.

    Raises:
        SettingsError: there are such sinks.
    """
    writers = {log.resolve(): "the runner"}
    for uri in uris:
        scheme, _, rest = uri.partition(":")
        if scheme not in ("jsonl", "sqlite"):
            continue
        file = (Path(rest) / "results.jsonl" if scheme == "jsonl" else Path(rest)).resolve()
        if file in writers:
            raise SettingsError(f"sinks: {uri} writes to {file}, as {writers[file]} does. Name another place")
        writers[file] = uri
