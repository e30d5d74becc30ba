"""Results to an MQTT broker: MQTT 5 with QoS 1, a last will, TLS, and Home Assistant's discovery by option.

Topics below the prefix (``sranogan/DEVICE`` by default):

- ``.../result``: each result as JSON (the line of ``results.jsonl`` and its ``key``);
- ``.../status/CLIENT``: ``online`` or ``offline``, retained; ``offline`` is the last will.

MQTT 5 answers each result with a reason: taken, or why not. MQTT 3.1.1 acknowledges what the broker throws
away, too; it is spoken where a broker knows nothing newer, and the log says so.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from sranogan_edge.sinks.courier import RefusedError, UnreachableError

if TYPE_CHECKING:
    from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings

__all__ = ["MqttTransport", "discovery_messages"]

KEEP_ALIVE_S = 30  # the broker publishes the last will after one and a half of these
ONLINE, OFFLINE = "online", "offline"
LOOK_S = 0.1
UNSUPPORTED_VERSION, PROTOCOL_ERROR, PACKET_TOO_LARGE = 132, 130, 149  # reason codes of MQTT 5
REFUSED_FOR_GOOD = frozenset({PACKET_TOO_LARGE, 153})  # 153: format; all else may be mended over there
ENDS_UNTIL_SURE = 2  # connections that end over one result, or before a first answer
_V5, _V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311

_log = logging.getLogger(__name__)


class MqttTransport:
    """A client that publishes with QoS 1 and waits for the broker's acknowledgement and its reason."""

    def __init__(
        self,
        settings: MqttSinkSettings,
        password: str = "",
        client: str = "",
        *,
        answer_s: float = 10.0,
        retry_s: tuple[int, int] = (1, 60),
    ) -> None:
        """Nothing is connected before the first result.

        Args:
            settings: which broker, and as whom.
            password: of the settings' user.
            client: tells apart devices of one name, and two runners of one device: letters and digits that
                stay the same from start to start; empty where nothing shares the name.
            answer_s: longest wait for a connection, and for the broker's acknowledgement.
            retry_s: first and longest pause between two attempts to connect.
        """
        self._settings, self._password = settings, password
        self._answer_s, self._retry_s = answer_s, retry_s
        self._host, self._port = settings.address
        self._topic = f"{settings.topics}/result"
        self.name = f"{settings.name}-{client}" if client else settings.name  # what no other client is called
        self._status = f"{settings.topics}/status/{self.name}"  # another's last will must not speak for us
        self._connected = threading.Event()
        self._why = "no answer yet"
        self._client: paho.Client | None = None
        self._version = _V5
        self._has_answered = self._is_without_5 = self._is_guessed = False
        self._early_ends = 0  # connections that ended before an answer
        self._most_bytes: int | None = None  # of a packet, as the broker said
        self._under_way: tuple[str, paho.MQTTMessageInfo] | None = None
        self._ends: list[ReasonCode] = []  # of connections, over the result that is under way
        self._said: dict[int, str] = {}  # topics of what is no result, by message number
        self._refusals: dict[int, ReasonCode] = {}  # of results, by message number

    def send(self, key: str, body: bytes) -> None:
        """Publish one result.

        Raises:
            RefusedError: the broker will never take it: it is too large.
            UnreachableError: the broker is away, or refuses it for a reason that may be mended there.
        """
        client = self._connection()
        self._refuse_too_large(body)
        if self._under_way is None or self._under_way[0] != key:  # else the client repeats it by itself
            self._ends.clear()
            self._under_way = key, client.publish(self._topic, body, qos=1)
        message = self._under_way[1]
        try:
            done = self._is_acknowledged(message)
        except (ValueError, RuntimeError) as error:
            self._under_way = None
            raise self._not_taken(str(error)) from error
        if not done and len(self._ends) >= ENDS_UNTIL_SURE:
            reason = self._ends[-1]
            self._drop()  # or the client would repeat it for ever
            if reason.value == PROTOCOL_ERROR:
                raise RefusedError(self._said_no("it answers with what is no MQTT 5; too large, perhaps"))
            raise self._refused(reason)
        if not done:
            raise UnreachableError(f"the MQTT broker {self._host} has not acknowledged a result")
        self._under_way = None
        if message.mid in self._refusals:
            raise self._refused(self._refusals.pop(message.mid))

    def close(self) -> None:
        """Say ``offline`` and disconnect."""
        if self._client is None:
            return
        if self._connected.is_set():
            said = self._say(self._client, self._status, OFFLINE)
            with contextlib.suppress(ValueError, RuntimeError):  # gone: the broker publishes the last will
                said.wait_for_publish(self._answer_s)
        self._drop()

    def _is_acknowledged(self, message: paho.MQTTMessageInfo) -> bool:
        end = time.monotonic() + self._answer_s
        while time.monotonic() < end and len(self._ends) < ENDS_UNTIL_SURE:
            message.wait_for_publish(LOOK_S)
            if message.is_published():
                return True
        return False

    def _refuse_too_large(self, body: bytes) -> None:
        size = 10 + len(self._topic.encode()) + len(body)  # header 5, topic length 2, number 2, properties 1
        if self._most_bytes is not None and size > self._most_bytes:
            raise RefusedError(self._said_no(f"it takes {self._most_bytes} bytes, and this has {size}"))

    def _refused(self, reason: ReasonCode) -> RefusedError | UnreachableError:
        if reason.value in REFUSED_FOR_GOOD:
            return RefusedError(self._said_no(str(reason)))
        return self._not_taken(f"{reason} (topic {self._topic})")

    def _said_no(self, why: str) -> str:
        return f"the MQTT broker {self._host} refuses a result: {why}. Raise its limit of size."

    def _not_taken(self, why: str) -> UnreachableError:
        return UnreachableError(
            f"the MQTT broker {self._host} does not take a result: {why}. Results wait until "
            "it does; where it is not authorized, let the broker's access list allow the topic."
        )

    def _connection(self) -> paho.Client:
        """Return a client that is connected, by the newest MQTT that the broker speaks."""
        client = self._client or self._start()
        if not self._is_connected() and self._version == _V5 and self._is_without_5:
            self._drop()
            self._version = _V311
            client = self._start()
            if not self._is_connected() and self._is_guessed:
                self._drop()
                self._version = _V5
        if not self._connected.is_set():
            raise UnreachableError(f"the MQTT broker {self._host} cannot be reached: {self._why}")
        return client

    def _is_connected(self) -> bool:
        end = time.monotonic() + self._answer_s
        while not self._connected.wait(LOOK_S) and time.monotonic() < end:
            if self._version == _V5 and self._is_without_5:
                return False
        return self._connected.is_set()

    def _start(self) -> paho.Client:
        settings = self._settings
        name = f"sranogan-{settings.name}-{secrets.token_hex(4)}"  # of two equal names, one is thrown out
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=self._version)
        client.will_set(self._status, OFFLINE, qos=1, retain=True)
        if settings.user:
            client.username_pw_set(settings.user, self._password or None)
        if settings.tls:
            files = (settings.ca_file, settings.cert_file, settings.key_file)
            authority, certificate, key = (str(file) if file else None for file in files)
            client.tls_set(authority, certificate, key)
        client.reconnect_delay_set(*self._retry_s)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_publish = self._on_connect_fail, self._on_publish
        self._client, self._early_ends = client, 0
        self._is_without_5 = self._is_guessed = self._is_guessed and self._version == _V311
        client.connect_async(self._host, self._port, KEEP_ALIVE_S)
        client.loop_start()
        return client

    def _drop(self) -> None:
        """End the client, and forget what it has under way: it would repeat that for ever."""
        client, self._client = self._client, None
        self._connected.clear()
        self._under_way = None
        self._ends.clear()
        if client:
            client.disconnect()
            client.loop_stop()

    def _say(self, client: paho.Client, topic: str, text: str) -> paho.MQTTMessageInfo:
        said = client.publish(topic, text, qos=1, retain=True)
        self._said[said.mid] = topic
        return said

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, more: Any) -> None:
        self._has_answered = True
        if code.is_failure:
            self._why = f"it answered {code}"
            self._is_without_5 |= code.value == UNSUPPORTED_VERSION
            return
        if self._version == _V311:
            _log.warning(
                "the MQTT broker %s does not speak MQTT 5. Results go there by MQTT 3.1.1, which does not "
                "tell what it refuses: what its access list or limits throw away counts as delivered.",
                self._host,
            )
        self._most_bytes = getattr(more, "MaximumPacketSize", None)
        self._say(client, self._status, ONLINE)
        if self._settings.discovery:
            found = discovery_messages(self._settings.discovery, self._topic, self._status, self.name)
            for topic, message in found.items():
                self._say(client, topic, json.dumps(message))
        self._connected.set()

    def _on_publish(self, _client: Any, _data: Any, number: int, code: ReasonCode, _more: Any) -> None:
        topic = self._said.pop(number, None)
        if code.is_failure and topic is None:
            self._refusals[number] = code
        elif code.is_failure:
            _log.warning("the MQTT broker %s refuses %s: %s", self._host, topic, code)

    def _on_disconnect(self, client: Any, _data: Any, flags: Any, code: ReasonCode, _more: Any) -> None:
        if client is not self._client:
            return
        if self._connected.is_set():  # else it was refused, which says more
            self._why = f"the connection ended ({code})"
            if self._under_way and (flags.is_disconnect_packet_from_server or code.value == PROTOCOL_ERROR):
                self._ends.append(code)
        elif self._version == _V5:
            self._early_ends += 1
            if self._early_ends >= ENDS_UNTIL_SURE and not self._is_without_5:
                self._is_without_5 = self._is_guessed = not self._has_answered
        self._connected.clear()

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self._why = "no connection; check the address, the port and TLS"


def discovery_messages(prefix: str, result: str, status: str, name: str) -> dict[str, dict[str, Any]]:
    """Return Home Assistant's configuration of each entity, by topic.

    Args:
        prefix: of the topics that Home Assistant looks at.
        result: topic of the results.
        status: topic that says whether we are online.
        name: of this device.
    """
    common = {
        "state_topic": result,
        "availability_topic": status,
        "device": {"identifiers": [f"sranogan_{name}"], "name": f"SR-AnoGAN {name}"},
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
        topic = f"{prefix}/{component}/sranogan_{name}/{entity}/config"
        unique = {"unique_id": f"sranogan_{name}_{entity}", "value_template": template}
        found[topic] = {**common, **more, **unique}
    return found
