"""Results to a real mosquitto: kept while it is gone, over TLS, with last will and discovery."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import SettingsError
from sranogan_edge.sinks.courier import Courier, UnreachableError
from sranogan_edge.sinks.open import open_sink
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.sink import record_of

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")

from sranogan_edge.sinks.mqtt import MqttOptions, MqttTransport, discovery_messages
from tests.edge.remote_results import PATIENCE_S, SECRET, files, names, wait_until
from tests.edge.result_lines import line

Service = Callable[[str], str]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "a/b"}, "device name"),
        ({"prefix": "a/#"}, "topic prefix"),
        ({"discovery": "homeassistant/"}, "topic prefix"),
        ({"ca_file": Path("/none")}, "without TLS"),
        ({"tls": True, "ca_file": Path("/none")}, "no such certificate"),
    ],
)
def test_mqtt_options_that_cannot_work(options: dict[str, Any], said: str) -> None:
    """Each is refused at the start."""
    with pytest.raises(SettingsError, match=said):
        MqttOptions("host", **options)


class Broker:
    """A real mosquitto on loopback, that can be stopped and started again."""

    def __init__(
        self, program: str, folder: Path, settings: str = "allow_anonymous true\n", more: str = ""
    ) -> None:
        self.program = program
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.settings = folder / "mosquitto.conf"
        self.settings.write_text(f"listener {self.port} 127.0.0.1\n{settings}{more}")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self.program, "-c", str(self.settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def broker(tmp_path: Path, service: Service) -> Iterator[Broker]:
    """One that is running."""
    made = Broker(service("mosquitto"), tmp_path)
    made.start()
    yield made
    made.stop()


class Listener:
    """A client that notes all messages of one broker."""

    def __init__(self, broker: Broker) -> None:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.got: list[tuple[str, bytes, bool]] = []
        self.ready = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = lambda _c, _d, m: self.got.append((m.topic, bytes(m.payload), m.retain))
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self.ready.wait(PATIENCE_S)

    def of(self, topic: str) -> list[bytes]:
        return [body for found, body, _ in self.got if found == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_a_broker_that_stops_and_starts_again(broker: Broker, tmp_path: Path) -> None:
    """Results go on while it is away, and all of them arrive in order; its absence shows in the health."""
    options = MqttOptions("127.0.0.1", broker.port, device="one", answer_s=2.0, retry_s=(1, 1))
    outbox = Outbox(tmp_path / "outbox.sqlite")
    courier = Courier(MqttTransport(options), outbox, retry_s=(0.1, 0.5))
    first = Listener(broker)
    for number in range(20):
        courier.write(line(number))
    wait_until(lambda: len(first.of("sranogan/one/result")) == 20)
    assert first.of("sranogan/one/status") == [b"online"]
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
    wait_until(lambda: second.of("sranogan/one/status")[-1:] == [b"offline"])
    second.close()


def test_the_last_will(broker: Broker, tmp_path: Path) -> None:
    """A device whose connection breaks is reported "offline" by the broker; the word is retained."""
    listener = Listener(broker)
    transport = MqttTransport(MqttOptions("127.0.0.1", broker.port, device="one"))
    transport.send("key", b"{}")
    wait_until(lambda: listener.of("sranogan/one/status") == [b"online"])
    client = transport._client
    assert client is not None
    client.loop_stop()
    broken = client.socket()
    assert broken is not None
    broken.close()
    wait_until(lambda: listener.of("sranogan/one/status") == [b"online", b"offline"])
    listener.close()
    late = Listener(broker)
    wait_until(lambda: ("sranogan/one/status", b"offline", True) in late.got)
    late.close()


def test_home_assistant_finds_the_device(broker: Broker) -> None:
    """By option, each entity's configuration is retained, and its templates read the results."""
    options = MqttOptions("127.0.0.1", broker.port, device="one", discovery="homeassistant")
    transport = MqttTransport(options)
    transport.send("key", b"{}")
    listener = Listener(broker)
    expected = discovery_messages(options)
    wait_until(lambda: all(listener.of(topic) for topic in expected))
    transport.close()
    listener.close()
    topic = "homeassistant/binary_sensor/sranogan_one/anomalous/config"
    found = json.loads(listener.of(topic)[0])
    assert found["device_class"] == "problem"
    assert found["availability_topic"] == "sranogan/one/status"
    assert found["state_topic"] == "sranogan/one/result"
    assert len({json.dumps(message["unique_id"]) for message in expected.values()}) == len(expected) == 4


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, {"score": "1.0", "p_value": "0.5", "verdict": "normal", "anomalous": "OFF"}),
        ({"verdict": "anomalous", "score": 9.5}, {"score": "9.5", "anomalous": "ON"}),
        ({"verdict": "error", "score": None, "error": "x"}, {"score": "None", "anomalous": "OFF"}),
    ],
)
def test_home_assistant_reads_the_results(changes: dict[str, Any], shown: dict[str, str]) -> None:
    """The templates, rendered as Home Assistant does; "None" is its word for unknown."""
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 is not installed")
    result = json.loads(json.dumps(record_of(replace(line(0), **changes))))
    for topic, message in discovery_messages(MqttOptions("h", device="one", discovery="ha")).items():
        prefix, component, node, entity, end = topic.split("/")
        assert (prefix, node, end) == ("ha", "sranogan_one", "config")
        assert component in ("sensor", "binary_sensor")
        assert message["device"]["identifiers"] == ["sranogan_one"]
        assert message["unique_id"] == f"sranogan_one_{entity}"
        template = jinja2.Template(message["value_template"])
        if entity in shown:
            assert template.render(value_json=result) == shown[entity]


def test_a_broker_that_refuses(tmp_path: Path, service: Service) -> None:
    """A wrong password is told in the health, not taken for a network that is gone."""
    broker = Broker(service("mosquitto"), tmp_path, settings="allow_anonymous false\n")
    broker.start()
    try:
        transport = MqttTransport(MqttOptions("127.0.0.1", broker.port, answer_s=1.0))
        with pytest.raises(UnreachableError, match="Not authorized"):
            transport.send("key", b"{}")
        transport.close()
    finally:
        broker.stop()


def test_an_encrypted_broker(tmp_path: Path, service: Service) -> None:
    """TLS with its own authority works; a broker whose certificate is not known is not spoken to."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed (Debian: apt install openssl)")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    key.chmod(0o644)
    tmp_path.chmod(0o755)
    files = f"certfile {certificate}\nkeyfile {key}\n"
    broker = Broker(service("mosquitto"), tmp_path, more=files + "user root\n")
    broker.start()
    try:
        known = MqttTransport(MqttOptions("127.0.0.1", broker.port, tls=True, ca_file=certificate))
        known.send("key", b"{}")
        known.close()
        unknown = MqttTransport(MqttOptions("127.0.0.1", broker.port, tls=True, answer_s=1.0))
        with pytest.raises(UnreachableError, match="cannot be reached"):
            unknown.send("key", b"{}")
        unknown.close()
    finally:
        broker.stop()


def test_sinks_of_other_machines_open_by_their_address(broker: Broker, tmp_path: Path) -> None:
    """One outbox file each; the password and the secret come from the environment."""
    environ = {"SRANOGAN_MQTT_PASSWORD": "word", "SRANOGAN_WEBHOOK_SECRET": SECRET.decode()}
    listener = Listener(broker)
    uri = f"mqtt://nurse@127.0.0.1:{broker.port}/ward/7"
    sinks = [open_sink(one, tmp_path / "out", environ=environ) for one in (uri, "https://127.0.0.1:9/x")]
    for sink in sinks:
        sink.write(line(0))
    wait_until(lambda: names(listener.of("ward/7/result")) == ["0.png"])
    listener.close()
    for sink in sinks:
        sink.close()
    assert len(list((tmp_path / "out").glob("outbox-*.sqlite"))) == 2
