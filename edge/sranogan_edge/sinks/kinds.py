"""The kinds of sink: one URI, one class of settings, which opens it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sranogan_edge.errors import SettingsError
from sranogan_edge.sinks.dicom_settings import DicomSinkSettings
from sranogan_edge.sinks.jsonl import JsonlSinkSettings
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from sranogan_edge.sinks.sink import SinkSettings
from sranogan_edge.sinks.sqlite import SqliteSinkSettings
from sranogan_edge.sinks.webhook_settings import WebhookSinkSettings
from sranogan_edge.text import meant

__all__ = ["SINKS", "sink_of", "sink_settings"]

SINKS: Mapping[str, type[SinkSettings]] = {  # by scheme
    "jsonl": JsonlSinkSettings,
    "sqlite": SqliteSinkSettings,
    "mqtt": MqttSinkSettings,
    "mqtts": MqttSinkSettings,
    "http": WebhookSinkSettings,
    "https": WebhookSinkSettings,
    "dicom": DicomSinkSettings,
    "dicoms": DicomSinkSettings,
}
_ADDRESSES = frozenset(SINKS) - {"jsonl", "sqlite"}  # what stands behind the colon begins with //


def sink_settings(uri: str) -> type[SinkSettings]:
    """Return the class of settings that the sink ``uri`` has; raises SettingsError where there is none."""
    scheme, _, rest = uri.partition(":")
    if scheme not in SINKS or not rest or (scheme in _ADDRESSES and not rest.startswith("//")):
        near = "" if scheme in SINKS else meant(scheme, SINKS)
        raise SettingsError(
            f"no such sink{near}. There are jsonl:FOLDER, sqlite:FILE, mqtt://[USER@]HOST[:PORT][/TOPIC], "
            "mqtts://HOST, https://HOST/PATH, dicom://[OUR_AE@]HOST:PORT/CALLED_AE, "
            "dicoms://HOST:PORT/CALLED_AE"
        )
    return SINKS[scheme]


def sink_of(uri: str, **options: Any) -> SinkSettings:
    """Return the settings of the sink that ``uri`` names; raises SettingsError where they cannot be."""
    return sink_settings(uri)(uri, **options)
