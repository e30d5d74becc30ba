"""Whether a broker lets us in; nothing is published."""

from __future__ import annotations

import secrets
import threading
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings

__all__ = ["broker_problem"]


def broker_problem(settings: MqttSinkSettings, password: str, timeout_s: float) -> str:
    """Why the broker does not take a connection in time; empty where it does."""
    found: list[str] = []
    answered = threading.Event()
    host, port = settings.address
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"sranogan-doctor-{secrets.token_hex(4)}",
        protocol=MQTTProtocolVersion.MQTTv311,  # every broker speaks it
    )

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            found.append(str(reason))
        answered.set()

    client.on_connect = connected
    client.connect_timeout = timeout_s
    if settings.user:
        client.username_pw_set(settings.user, password or None)
    try:
        if settings.tls:
            ca, cert, key = (
                str(file) if file else None
                for file in (settings.ca_file, settings.cert_file, settings.key_file)
            )
            client.tls_set(ca, cert, key)
        client.connect(host, port)
        client.loop_start()
        if not answered.wait(timeout_s):
            found.append(f"no answer in {timeout_s:g} s")
    except (OSError, ValueError) as error:  # ssl.SSLError too
        found.append(str(getattr(error, "strerror", None) or error))
    finally:
        client.disconnect()
        client.loop_stop()
    return f"{found[0]}. Check address, user, password and certificates." if found else ""
