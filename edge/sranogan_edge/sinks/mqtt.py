"""Results to an MQTT broker: QoS 1, a last will, TLS, and Home Assistant's discovery by option.

Topics below the prefix (``sranogan/DEVICE`` by default):

- ``.../result``: each result as JSON (the line of ``results.jsonl`` and its ``key``);
- ``.../status``: ``online`` or ``offline``, retained; ``offline`` is the last will.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sranogan_edge.errors import MissingExtraError, SettingsError
from sranogan_edge.extras import how_to_install
from sranogan_edge.sinks.courier import UnreachableError

try:
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion
except ModuleNotFoundError as error:
    raise MissingExtraError(f"MQTT needs the package paho-mqtt. Run: {how_to_install('mqtt')}") from error

__all__ = ["MqttOptions", "MqttTransport", "discovery_messages"]

KEEP_ALIVE_S = 30  # the broker publishes the last will after one and a half of these
ONLINE, OFFLINE = "online", "offline"


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()) or "device"


@dataclass(frozen=True)
class MqttOptions:
    """Which broker, and as whom.

    Attributes:
        host: of the broker.
        port: None is 8883 with TLS and 1883 without.
        device: what this device is called in topics: letters, digits, ``_`` and ``-``.
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


def discovery_messages(options: MqttOptions) -> dict[str, dict[str, Any]]:
    """Return Home Assistant's configuration of each entity, by topic."""
    common = {
        "state_topic": f"{options.topics}/result",
        "availability_topic": f"{options.topics}/status",
        "device": {"identifiers": [f"sranogan_{options.device}"], "name": f"SR-AnoGAN {options.device}"},
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
        topic = f"{options.discovery}/{component}/sranogan_{options.device}/{entity}/config"
        unique = {"unique_id": f"sranogan_{options.device}_{entity}", "value_template": template}
        found[topic] = {**common, **more, **unique}
    return found


class MqttTransport:
    """A client that publishes with QoS 1 and waits for the broker's acknowledgement."""

    def __init__(self, options: MqttOptions) -> None:
        """Nothing is connected before the first result."""
        self._options = options
        self._connected = threading.Event()
        self._why = "no answer yet"
        self._client: paho.Client | None = None
        self._under_way: tuple[str, paho.MQTTMessageInfo] | None = None

    def send(self, key: str, body: bytes) -> None:
        """Publish one result; raises UnreachableError until the broker has acknowledged it."""
        client = self._client or self._start()
        options = self._options
        if not self._connected.wait(options.answer_s):
            raise UnreachableError(f"the MQTT broker {options.host} cannot be reached: {self._why}")
        if self._under_way is None or self._under_way[0] != key:  # else the client repeats it by itself
            self._under_way = key, client.publish(f"{options.topics}/result", body, qos=1)
        try:
            self._under_way[1].wait_for_publish(options.answer_s)
            done = self._under_way[1].is_published()
        except (ValueError, RuntimeError) as error:
            self._under_way = None
            raise UnreachableError(
                f"the MQTT broker {options.host} did not take a result: {error}"
            ) from error
        if not done:
            raise UnreachableError(f"the MQTT broker {options.host} has not acknowledged a result")
        self._under_way = None

    def close(self) -> None:
        """Say ``offline`` and disconnect."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._connected.is_set():
            said = client.publish(f"{self._options.topics}/status", OFFLINE, qos=1, retain=True)
            with contextlib.suppress(ValueError, RuntimeError):  # gone: the broker publishes the last will
                said.wait_for_publish(self._options.answer_s)
        client.disconnect()
        client.loop_stop()

    def _start(self) -> paho.Client:
        options = self._options
        name = f"sranogan-{options.device}-{secrets.token_hex(4)}"  # of two equal names, one is thrown out
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
        client.will_set(f"{options.topics}/status", OFFLINE, qos=1, retain=True)
        if options.user:
            client.username_pw_set(options.user, options.password or None)
        if options.tls:
            files = (options.ca_file, options.cert_file, options.key_file)
            authority, certificate, key = (str(file) if file else None for file in files)
            client.tls_set(authority, certificate, key)
        client.reconnect_delay_set(*options.retry_s)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.connect_async(options.host, options.port or (8883 if options.tls else 1883), KEEP_ALIVE_S)
        client.loop_start()
        self._client = client
        return client

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            self._why = f"it answered {code}"
            return
        client.publish(f"{self._options.topics}/status", ONLINE, qos=1, retain=True)
        if self._options.discovery:
            for topic, message in discovery_messages(self._options).items():
                client.publish(topic, json.dumps(message), qos=1, retain=True)
        self._connected.set()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if self._connected.is_set():  # else it was refused, which says more
            self._why = f"the connection ended ({code})"
        self._connected.clear()

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self._why = "no connection; check the address, the port and TLS"
