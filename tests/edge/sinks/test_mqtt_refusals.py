"""What a real mosquitto refuses: strangers, topics, sizes, versions; each is told, and what can wait does."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sranogan_edge.sinks.courier import Courier, UnreachableError
from sranogan_edge.sinks.outbox import Outbox

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
from sranogan_edge.sinks.mqtt import MqttTransport
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from tests.support.mqtt_broker import Broker, Listener, OldBroker
from tests.support.remote_results import files, names, wait_until
from tests.support.result_lines import line

Service = Callable[[str], str]


def test_a_broker_that_refuses(tmp_path: Path, service: Service) -> None:
    """A wrong password is told in the health, not taken for a network that is gone."""
    broker = Broker(service("mosquitto"), tmp_path, settings="allow_anonymous false\n")
    broker.start()
    try:
        transport = MqttTransport(MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}"), answer_s=1.0)
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
        known = MqttTransport(MqttSinkSettings(f"mqtts://127.0.0.1:{broker.port}", ca_file=certificate))
        known.send("key", b"{}")
        known.close()
        unknown = MqttTransport(MqttSinkSettings(f"mqtts://127.0.0.1:{broker.port}"), answer_s=1.0)
        with pytest.raises(UnreachableError, match="cannot be reached"):
            unknown.send("key", b"{}")
        unknown.close()
    finally:
        broker.stop()


def test_what_the_access_list_refuses_waits_and_is_told(tmp_path: Path, service: Service) -> None:
    """It is not counted as delivered, the health says why, and it arrives once the list allows the topic."""
    rights = tmp_path / "acl"
    rights.write_text("topic read #\ntopic readwrite +/status/#\n")
    broker = Broker(service("mosquitto"), tmp_path, more=f"acl_file {rights}\nuser root\n")
    broker.start()
    try:
        listener = Listener(broker)
        options = MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}/ward", device="one")
        courier = Courier(MqttTransport(options), Outbox(tmp_path / "outbox.sqlite"), retry_s=(0.1, 0.2))
        for number in range(3):
            courier.write(line(number))
        wait_until(lambda: courier.health.state == "failing")
        health = courier.health
        assert "does not take a result: Not authorized (topic ward/result)" in health.message
        assert "access list" in health.message
        assert (health.written, health.waiting, health.refused) == (0, 3, 0)
        assert listener.of("ward/result") == []
        rights.write_text("topic readwrite #\n")
        assert broker.process
        broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: courier.health.waiting == 0)
        wait_until(lambda: names(listener.of("ward/result")) == files(3))
        assert (courier.health.state, courier.health.written) == ("ok", 3)
        courier.close()
        listener.close()
    finally:
        broker.stop()


@pytest.mark.parametrize("limit", ["message_size_limit 2000", "max_packet_size 2000"])
def test_what_is_too_large_for_the_broker_is_set_apart(tmp_path: Path, service: Service, limit: str) -> None:
    """It is counted as refused, not as delivered, with the broker's reason; those behind it arrive."""
    broker = Broker(service("mosquitto"), tmp_path, more=f"{limit}\n")
    broker.start()
    try:
        listener = Listener(broker)
        options = MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}", device="one")
        courier = Courier(
            MqttTransport(options, retry_s=(1, 1)), Outbox(tmp_path / "outbox.sqlite"), retry_s=(0.1, 0.2)
        )
        for number in range(3):
            courier.write(line(number, reason="x" * 3000 if number == 1 else None))
        wait_until(lambda: courier.health.waiting == 0)
        health = courier.health
        assert (health.written, health.refused, health.lost) == (2, 1, 0)
        wait_until(lambda: len(names(listener.of("sranogan/one/result"))) == 2)
        assert names(listener.of("sranogan/one/result")) == ["0.png", "2.png"]
        courier.close()
        listener.close()
    finally:
        broker.stop()
    with sqlite3.connect(tmp_path / "outbox.sqlite") as database:
        ((body, reason),) = database.execute("SELECT body, reason FROM refused").fetchall()
    assert json.loads(body)["file"] == "1.png"
    assert reason.startswith("the MQTT broker 127.0.0.1 refuses a result: ")
    assert "large" in reason or "it takes 2000 bytes" in reason


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b""])
def test_a_broker_without_mqtt_5(broker: Broker, caplog: pytest.LogCaptureFixture, answer: bytes) -> None:
    """It refuses version 5, by an answer of 3.1.1 or by none, and gets results by 3.1.1; the log says so."""
    listener = Listener(broker)
    with OldBroker(broker, answer) as old:
        transport = MqttTransport(
            MqttSinkSettings(f"mqtt://127.0.0.1:{old.port}", device="one"), retry_s=(1, 1)
        )
        transport.send("key", b"{}")
        wait_until(lambda: listener.of("sranogan/one/result") == [b"{}"])
        assert old.refused >= 1
        transport.send("other", b"[]")
        wait_until(lambda: listener.of("sranogan/one/result") == [b"{}", b"[]"])
        transport.close()
        wait_until(lambda: listener.of("sranogan/one/status/one") == [b"online", b"offline"])
        old.shutdown()
    listener.close()
    (told,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert "127.0.0.1 does not speak MQTT 5" in told
    assert "does not tell what it refuses" in told


def test_a_status_that_is_refused_is_told(
    tmp_path: Path, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Results go on; the log says which topic the broker does not take."""
    rights = tmp_path / "acl"
    rights.write_text("topic read #\ntopic write ward/result\n")
    broker = Broker(service("mosquitto"), tmp_path, more=f"acl_file {rights}\nuser root\n")
    broker.start()
    try:
        transport = MqttTransport(MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}/ward", device="one"))
        transport.send("key", b"{}")
        told = "the MQTT broker 127.0.0.1 refuses ward/status/one: Not authorized"
        wait_until(lambda: told in [one.getMessage() for one in caplog.records])
        transport.close()
    finally:
        broker.stop()
