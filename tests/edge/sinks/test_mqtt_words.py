"""What an MQTT broker is told of this device, and what people are told of a broker that is in the way."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sranogan_edge.sinks.courier import RefusedError, UnreachableError

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from sranogan_edge.sinks.mqtt import MqttTransport, discovery_messages
from sranogan_edge.sinks.mqtt_reach import broker_problem
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings, _client_of
from tests.support.mqtt_broker import Broker

Service = Callable[[str], str]
CURE = "Check address, user, password and certificates."


def test_home_assistant_is_told_four_entities() -> None:
    """Whole: names, kinds and classes are Home Assistant's own words."""
    common = {
        "state_topic": "ward/result",
        "availability_topic": "ward/status/one",
        "device": {"identifiers": ["sranogan_one"], "name": "SR-AnoGAN one"},
    }
    assert discovery_messages("ha", "ward/result", "ward/status/one", "one") == {
        "ha/sensor/sranogan_one/score/config": {
            **common,
            "name": "Score",
            "state_class": "measurement",
            "unique_id": "sranogan_one_score",
            "value_template": "{{ value_json.score }}",
        },
        "ha/sensor/sranogan_one/p_value/config": {
            **common,
            "name": "p-value",
            "state_class": "measurement",
            "unique_id": "sranogan_one_p_value",
            "value_template": "{{ value_json.p_value }}",
        },
        "ha/sensor/sranogan_one/verdict/config": {
            **common,
            "name": "Verdict",
            "unique_id": "sranogan_one_verdict",
            "value_template": "{{ value_json.verdict }}",
        },
        "ha/binary_sensor/sranogan_one/anomalous/config": {
            **common,
            "name": "Anomaly",
            "device_class": "problem",
            "unique_id": "sranogan_one_anomalous",
            "value_template": "{{ 'ON' if value_json.verdict == 'anomalous' else 'OFF' }}",
        },
    }


@pytest.mark.parametrize(
    ("name", "kind"), [("Packet too large", RefusedError), ("Payload format invalid", RefusedError)]
)
def test_what_a_broker_never_takes(name: str, kind: type[Exception]) -> None:
    """Too large, or of another format: it is set apart, and the cure is the broker's."""
    transport = MqttTransport(MqttSinkSettings("mqtt://host/ward"))
    packet = PacketTypes.DISCONNECT if "large" in name else PacketTypes.PUBACK
    found = transport._refused(ReasonCode(packet, name))
    assert type(found) is kind
    assert str(found) == f"the MQTT broker host refuses a result: {name}. Raise its limit of size."


@pytest.mark.parametrize("name", ["Not authorized", "Quota exceeded", "Topic name invalid"])
def test_what_a_broker_may_take_later(name: str) -> None:
    """The result waits; what was refused is told with its topic."""
    found = MqttTransport(MqttSinkSettings("mqtt://host/ward"))._refused(ReasonCode(PacketTypes.PUBACK, name))
    assert type(found) is UnreachableError
    assert str(found) == (
        f"the MQTT broker host does not take a result: {name} (topic ward/result). Results wait until it "
        "does; where it is not authorized, let the broker's access list allow the topic."
    )


def test_a_sink_waits_ten_seconds_for_an_answer_and_a_minute_at_most_to_connect_again() -> None:
    """So that a run that ends is not held up, and a broker that starts is found soon."""
    transport = MqttTransport(MqttSinkSettings("mqtt://host/ward", device="one"))
    assert (transport._answer_s, transport._retry_s) == (10.0, (1, 60))
    assert transport.name == "one"


def test_a_broker_that_knows_no_mqtt_5_is_taken_at_its_word() -> None:
    """Whatever it answers to what the client tried next; another reason by itself says nothing of that."""
    transport = MqttTransport(MqttSinkSettings("mqtt://host/ward"))
    seen = []
    for name in ("Not authorized", "Unsupported protocol version", "Not authorized"):
        transport._on_connect(
            paho.Client(CallbackAPIVersion.VERSION2), None, None, ReasonCode(PacketTypes.CONNACK, name), None
        )
        seen.append((transport._is_without_5, transport._why))
    assert seen == [
        (False, "it answered Not authorized"),
        (True, "it answered Unsupported protocol version"),
        (True, "it answered Not authorized"),
    ]


@pytest.mark.parametrize(("most", "fits"), [(None, True), (10 + 11 + 30, True), (10 + 11 + 29, False)])
def test_what_is_larger_than_a_broker_said_is_not_sent(most: int | None, fits: bool) -> None:
    """Of 30 bytes with 11 of the topic and 10 of MQTT's own; a connection would end over it."""
    transport = MqttTransport(MqttSinkSettings("mqtt://host/ward"))
    transport._most_bytes = most
    if fits:
        transport._refuse_too_large(bytes(30))
        return
    with pytest.raises(RefusedError) as refused:
        transport._refuse_too_large(bytes(30))
    assert str(refused.value) == (
        "the MQTT broker host refuses a result: it takes 50 bytes, and this has 51. Raise its limit of size."
    )


def test_where_no_broker_is() -> None:
    """Nobody listens, or nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        transport = MqttTransport(MqttSinkSettings(f"mqtt://127.0.0.1:{port}"), answer_s=0.3)
        with pytest.raises(UnreachableError) as away:
            transport.send("key", b"{}")
        assert str(away.value) == "the MQTT broker 127.0.0.1 cannot be reached: no answer yet"
        transport.close()
        settings = MqttSinkSettings(f"mqtt://127.0.0.1:{port}")
        assert broker_problem(settings, "", 0.3) == f"no answer in 0.3 s. {CURE}"
    transport = MqttTransport(MqttSinkSettings(f"mqtt://127.0.0.1:{port}"), answer_s=0.5)
    with pytest.raises(UnreachableError) as away:
        transport.send("key", b"{}")
    assert str(away.value) == (
        "the MQTT broker 127.0.0.1 cannot be reached: no connection; check the address, the port and TLS"
    )
    transport.close()
    assert broker_problem(settings, "", 0.5) == f"Connection refused. {CURE}"


def test_whether_a_broker_lets_us_in(tmp_path: Path, service: Service) -> None:
    """A real one; certificates that are none are told as well."""
    program = service("mosquitto")
    broker = Broker(program, tmp_path, settings="allow_anonymous false\n")
    broker.start()
    try:
        settings = MqttSinkSettings(f"mqtt://me@127.0.0.1:{broker.port}")
        assert broker_problem(settings, "wrong", 20.0).lower() == f"not authorized. {CURE}".lower()
    finally:
        broker.stop()
    broker = Broker(program, tmp_path)
    broker.start()
    try:
        assert broker_problem(MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}"), "", 20.0) == ""
    finally:
        broker.stop()
    odd = tmp_path / "odd.pem"
    odd.write_text("no certificate")
    tls = MqttSinkSettings("mqtts://127.0.0.1:1", ca_file=odd)
    assert broker_problem(tls, "", 0.5).endswith(f". {CURE}")


@pytest.mark.parametrize("kept", [b"", b"\xff\xfe", b"0123abcd", b"0123abcd\nmore", b"0123ABCD\n"])
def test_a_name_at_the_broker_that_is_damaged_is_made_anew(tmp_path: Path, kept: bytes) -> None:
    """Eight characters with a line break, whatever was there; a sound one stays, in a folder made for it."""
    outbox = tmp_path / "a" / "b" / "outbox-1.sqlite"
    made = _client_of(outbox)
    file = outbox.with_suffix(".client")
    assert file.read_text() == f"{made}\n"
    assert _client_of(outbox) == made
    file.write_bytes(kept)
    other = _client_of(outbox)
    assert other != made
    assert file.read_text() == f"{other}\n"
