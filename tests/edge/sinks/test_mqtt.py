"""Results to a real mosquitto: kept while it is gone, over TLS, with last will and discovery."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import SettingsError
from sranogan_edge.sinks.courier import Courier
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.sink import SinkContext, record_of

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
from sranogan_edge.sinks.mqtt import MqttTransport, discovery_messages
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from tests.support.mqtt_broker import Broker, Listener
from tests.support.remote_results import SECRET, files, names, wait_until
from tests.support.result_lines import line

Service = Callable[[str], str]


def test_results_wait_where_no_broker_is(tmp_path: Path) -> None:
    """In an outbox of so many, in a folder that is made for it, under a name at the broker that stays."""
    context, kept = SinkContext(tmp_path / "a" / "b", environ={}), []
    for number in range(2):
        sink = sink_of("mqtt://127.0.0.1:1", max_waiting=7).open(context)
        assert isinstance(sink, Courier)
        assert isinstance(sink._transport, MqttTransport)
        sink._transport._answer_s = 0.1  # nobody is there
        sink.write(line(number))
        assert (sink._outbox.limit, len(sink._outbox)) == (7, number + 1)
        sink.close()
        (named,) = (tmp_path / "a" / "b").glob("outbox-*.client")
        kept.append(named.read_text())
    assert kept[0] == kept[1]
    assert len(kept[0]) == 9


@pytest.mark.parametrize(
    ("uri", "options", "said"),
    [
        ("mqtt://host", {"device": "a/b"}, "device name"),
        ("mqtt://host/$SYS", {}, "topic prefix"),
        ("mqtt://host/a/+/b", {}, "topic prefix"),
        ("mqtt://host", {"discovery": "homeassistant/"}, "discovery: an MQTT topic prefix"),
        ("mqtt://host", {"ca_file": Path("/none")}, "without TLS"),
        ("mqtts://host", {"ca_file": Path("/none")}, "no such certificate"),
    ],
)
def test_mqtt_options_that_cannot_work(tmp_path: Path, uri: str, options: dict[str, Any], said: str) -> None:
    """Each is refused at the start."""
    with pytest.raises(SettingsError, match=said):
        sink_of(uri, **options).open(SinkContext(tmp_path))


def test_a_broker_that_stops_and_starts_again(broker: Broker, tmp_path: Path) -> None:
    """Results go on while it is away, and all of them arrive in order; its absence shows in the health."""
    options = MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}", device="one")
    outbox = Outbox(tmp_path / "outbox.sqlite")
    courier = Courier(MqttTransport(options, answer_s=2.0, retry_s=(1, 1)), outbox, retry_s=(0.1, 0.5))
    first = Listener(broker)
    for number in range(20):
        courier.write(line(number))
    wait_until(lambda: len(first.of("sranogan/one/result")) == 20)
    assert first.of("sranogan/one/status/one") == [b"online"]
    first.close()
    broker.stop()
    for number in range(20, 50):
        courier.write(line(number))
    wait_until(lambda: courier.health.state == "failing")
    assert courier.health.waiting >= 29
    broker.start()
    second = Listener(broker)
    wait_until(lambda: courier.health.waiting == 0)
    wait_until(lambda: names(second.of("sranogan/one/result"))[-1:] == ["49.png"])
    arrived = names(first.of("sranogan/one/result") + second.of("sranogan/one/result"))
    assert list(dict.fromkeys(arrived)) == [name for name in files(50) if name in arrived]
    assert courier.health.written == 50
    courier.close()
    wait_until(lambda: second.of("sranogan/one/status/one")[-1:] == [b"offline"])
    second.close()


def test_the_last_will(broker: Broker, tmp_path: Path) -> None:
    """A device whose connection breaks is reported "offline" by the broker; the word is retained."""
    listener = Listener(broker)
    transport = MqttTransport(MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}", device="one"))
    transport.send("key", b"{}")
    wait_until(lambda: listener.of("sranogan/one/status/one") == [b"online"])
    client = transport._client
    assert client is not None
    client.loop_stop()
    broken = client.socket()
    assert broken is not None
    broken.close()
    wait_until(lambda: listener.of("sranogan/one/status/one") == [b"online", b"offline"])
    listener.close()
    late = Listener(broker)
    wait_until(lambda: ("sranogan/one/status/one", b"offline", True) in late.got)
    late.close()


def test_home_assistant_finds_the_device(broker: Broker) -> None:
    """By option, each entity's configuration is retained, and its templates read the results."""
    options = MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}", device="one", discovery="homeassistant")
    transport = MqttTransport(options)
    transport.send("key", b"{}")
    listener = Listener(broker)
    expected = discovery_messages("homeassistant", "sranogan/one/result", "sranogan/one/status/one", "one")
    wait_until(lambda: all(listener.of(topic) for topic in expected))
    transport.close()
    listener.close()
    topic = "homeassistant/binary_sensor/sranogan_one/anomalous/config"
    found = json.loads(listener.of(topic)[0])
    assert found["device_class"] == "problem"
    assert found["availability_topic"] == "sranogan/one/status/one"
    assert found["state_topic"] == "sranogan/one/result"
    assert len({json.dumps(message["unique_id"]) for message in expected.values()}) == len(expected) == 4


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, {"score": "1.0", "p_value": "0.5", "verdict": "normal", "anomalous": "OFF"}),
        ({"verdict": "anomalous", "score": 9.5}, {"score": "9.5", "anomalous": "ON"}),
        ({"verdict": "error", "score": None, "error": "x"}, {"score": "None", "anomalous": "OFF"}),
        (
            {"verdict": "not asked for", "score": None, "p_value": None, "reason": "x"},
            {"score": "None", "p_value": "None", "verdict": "not asked for", "anomalous": "OFF"},
        ),
    ],
)
def test_home_assistant_reads_the_results(changes: dict[str, Any], shown: dict[str, str]) -> None:
    """The templates, rendered as Home Assistant does; "None" is its word for unknown."""
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 is not installed")
    result = json.loads(json.dumps(record_of(replace(line(0), **changes))))
    for topic, message in discovery_messages("ha", "result", "status", "one").items():
        prefix, component, node, entity, end = topic.split("/")
        assert (prefix, node, end) == ("ha", "sranogan_one", "config")
        assert component in ("sensor", "binary_sensor")
        assert message["device"]["identifiers"] == ["sranogan_one"]
        assert message["unique_id"] == f"sranogan_one_{entity}"
        template = jinja2.Template(message["value_template"])
        if entity in shown:
            assert template.render(value_json=result) == shown[entity]


def test_sinks_of_other_machines_open_by_their_address(broker: Broker, tmp_path: Path) -> None:
    """One outbox file each; the password and the secret come from the environment."""
    environ = {"SRANOGAN_MQTT_PASSWORD": "word", "SRANOGAN_WEBHOOK_SECRET": SECRET.decode()}
    listener = Listener(broker)
    uri = f"mqtt://nurse@127.0.0.1:{broker.port}/ward/7"
    sinks = [
        sink_of(one).open(SinkContext(tmp_path / "out", environ=environ))
        for one in (uri, "https://127.0.0.1:9/x")
    ]
    for sink in sinks:
        sink.write(line(0))
    wait_until(lambda: names(listener.of("ward/7/result")) == ["0.png"])
    listener.close()
    for sink in sinks:
        sink.close()
    assert len(list((tmp_path / "out").glob("outbox-*.sqlite"))) == 2


def test_two_devices_of_one_name(broker: Broker, tmp_path: Path) -> None:
    """Each is online and offline by itself, under a topic that it keeps across a restart."""
    listener = Listener(broker)
    uri = f"mqtt://127.0.0.1:{broker.port}/ward"

    def states() -> dict[str, bytes]:
        return {topic: body for topic, body, _ in listener.got if topic.startswith("ward/status/")}

    sinks = [sink_of(uri, device="one").open(SinkContext(tmp_path / name)) for name in "ab"]
    for sink in sinks:
        sink.write(line(0))
    wait_until(lambda: list(states().values()) == [b"online"] * 2)
    first, second = states()
    assert first.startswith("ward/status/one-")
    sinks[0].close()
    wait_until(lambda: b"offline" in states().values())
    assert sorted(states().values()) == [b"offline", b"online"]
    sinks[0] = sink_of(uri, device="one").open(SinkContext(tmp_path / "a"))
    sinks[0].write(line(1))
    wait_until(lambda: states() == {first: b"online", second: b"online"})
    for sink in sinks:
        sink.close()
    listener.close()


def test_a_run_that_ends_tells_what_was_not_delivered(
    tiny_bundle: Path, tmp_path: Path, broker: Broker
) -> None:
    """The log of a real process says how many results wait or were refused, and why; the outbox has them."""
    pytest.importorskip("keras_sranogan", reason="the device has no phantoms")
    from PIL import Image

    from keras_sranogan.data.phantom import render_normal

    Image.fromarray(render_normal(5, 0, 96).pixels).save(tmp_path / "film.png")
    broker.stop()
    limits = f"listener {broker.port} 127.0.0.1\nallow_anonymous true\nmax_packet_size 400\n"
    broker.settings.write_text(limits)
    score = Path(sys.executable).with_name("sranogan-score")
    command = [score, tiny_bundle, tmp_path / "film.png", "--sink", f"mqtt://127.0.0.1:{broker.port}"]

    def told(out: str) -> str:
        whole = [*map(str, command), "--out", str(tmp_path / out)]
        return subprocess.run(whole, capture_output=True, text=True, timeout=120, check=True).stderr

    assert "1 results wait in its outbox for the next start. the MQTT broker 127.0.0.1 cannot be" in told("a")
    broker.start()
    assert "1 results were refused for good and set apart" in told("b")
