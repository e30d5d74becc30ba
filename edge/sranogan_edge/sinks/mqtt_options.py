"""Which MQTT broker, as whom, and what is said to it: topics, and Home Assistant's discovery."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sranogan_edge.errors import SettingsError

__all__ = ["MqttOptions", "discovery_messages"]


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()) or "device"


@dataclass(frozen=True)
class MqttOptions:
    """Which broker, and as whom.

    Attributes:
        host: of the broker.
        port: None is 8883 with TLS and 1883 without.
        device: what this device is called in topics: letters, digits, ``_`` and ``-``.
        client: tells apart devices of one name, and two runners of one device: letters and digits that stay
            the same from start to start; empty where nothing shares the name.
        prefix: of the topics; empty is ``sranogan/DEVICE``.
        user: name at the broker; empty where it asks for none.
        password: of that user.
        tls: encrypt, and check the broker's certificate.
        ca_file: of the certificate authority, where it is not one of the system's.
        cert_file: this device's certificate, where the broker asks for one.
        key_file: of that certificate.
        answer_s: longest wait for a connection, and for the broker's acknowledgement.
        retry_s: first and longest pause between two attempts to connect.
        discovery: topic prefix of Home Assistant's discovery, usually ``homeassistant``; empty is without.
    """

    host: str
    port: int | None = None
    device: str = field(default_factory=_host_name)
    client: str = ""
    prefix: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    answer_s: float = 10.0
    retry_s: tuple[int, int] = (1, 60)
    discovery: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.device):
            raise SettingsError(
                f"an MQTT device name has 1 to 64 letters, digits, _ and -; received {self.device!r}"
            )
        for topic in (self.prefix, self.discovery):
            if re.search(r"[+#\0]", topic) or topic.startswith(("/", "$")) or topic.endswith("/"):
                raise SettingsError(
                    f"an MQTT topic prefix has no +, #, and no / at its ends; received {topic!r}"
                )
        if not self.tls and (self.ca_file or self.cert_file):
            raise SettingsError("certificates were given for MQTT without TLS. Write mqtts://, or set tls.")
        for path in (self.ca_file, self.cert_file, self.key_file):
            if path and not path.is_file():
                raise SettingsError(f"{path}: no such certificate or key file")

    @property
    def topics(self) -> str:
        """What all topics begin with."""
        return self.prefix or f"sranogan/{self.device}"

    @property
    def name(self) -> str:
        """What no other client is called."""
        return f"{self.device}-{self.client}" if self.client else self.device

    @property
    def status_topic(self) -> str:
        """Where this client alone is said to be online: another's last will must not speak for it."""
        return f"{self.topics}/status/{self.name}"


def discovery_messages(options: MqttOptions) -> dict[str, dict[str, Any]]:
    """Return Home Assistant's configuration of each entity, by topic."""
    common = {
        "state_topic": f"{options.topics}/result",
        "availability_topic": options.status_topic,
        "device": {"identifiers": [f"sranogan_{options.name}"], "name": f"SR-AnoGAN {options.name}"},
    }
    entities: dict[str, tuple[str, dict[str, Any]]] = {
        "score": ("sensor", {"name": "Score", "state_class": "measurement"}),
        "p_value": ("sensor", {"name": "p-value", "state_class": "measurement"}),
        "verdict": ("sensor", {"name": "Verdict"}),
        "anomalous": ("binary_sensor", {"name": "Anomaly", "device_class": "problem"}),
    }
    found = {}
    for entity, (component, more) in entities.items():
        template = f"{{{{ value_json.{entity} }}}}"
        if entity == "anomalous":
            template = "{{ 'ON' if value_json.verdict == 'anomalous' else 'OFF' }}"
        topic = f"{options.discovery}/{component}/sranogan_{options.name}/{entity}/config"
        unique = {"unique_id": f"sranogan_{options.name}_{entity}", "value_template": template}
        found[topic] = {**common, **more, **unique}
    return found
