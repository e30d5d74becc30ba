"""Results by MQTT, read byte by byte: who connects, what is published how, and when a result has arrived."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.sinks.courier import RefusedError, UnreachableError
from sranogan_edge.sinks.sink import SinkContext
from tests.support.certificates import Authority
from tests.support.mqtt_peer import V5, V311, Answers, Connect, Peer, Published, refused, taken
from tests.support.remote_results import wait_until
from tests.support.result_lines import line

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")

from sranogan_edge.sinks.mqtt import MqttTransport, discovery_messages
from sranogan_edge.sinks.mqtt_reach import broker_problem
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings

RESULT, STATUS = "sranogan/one/result", "sranogan/one/status/one"
NOT_AUTHORIZED, UNSUPPORTED, TOO_LARGE, PROTOCOL_ERROR = 135, 132, 149, 130


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Give one that takes all."""
    made = Peer()
    yield made
    made.close()


def transport_to(peer: Peer, uri: str = "", client: str = "", **more: Any) -> MqttTransport:
    """A client of the device "one" that waits some seconds for an answer."""
    settings = MqttSinkSettings(
        f"mqtt://{uri}127.0.0.1:{peer.port}", device="one", discovery=more.get("discovery")
    )
    return MqttTransport(
        settings, more.get("password", ""), client, answer_s=more.get("answer_s", 20.0), retry_s=(1, 1)
    )


def trouble(transport: MqttTransport) -> str:
    """Why a result cannot be sent now."""
    with pytest.raises(UnreachableError) as away:
        transport.send("a", b"{}")
    return str(away.value)


def test_results_have_quality_of_service_1(peer: Peer) -> None:
    """Each result, and the status; results are not retained, the status is."""
    transport = transport_to(peer)
    for key in ("a", "b"):
        transport.send(key, b"{}")
    transport.close()
    wait_until(lambda: len(peer.published) == 4)
    assert peer.published == [
        Published(STATUS, 1, True, b"online"),
        Published(RESULT, 1, False, b"{}"),
        Published(RESULT, 1, False, b"{}"),
        Published(STATUS, 1, True, b"offline"),
    ]


def test_how_a_device_connects(peer: Peer) -> None:
    """By MQTT 5, under a name that nobody else has, with its last will, its user and a sign of life."""
    for user, password in (("me", "word"), ("me", None), (None, None)):
        transport = transport_to(peer, f"{user}@" if user else "", "c1", password=password or "")
        transport.send("a", b"{}")
        transport.close()
        found = peer.connects[-1]
        will = ("sranogan/one/status/one-c1", b"offline", 1, True)
        assert found == Connect(V5, 30, found.client, will, user, password)
        assert re.fullmatch("sranogan-one-[0-9a-f]{8}", found.client)
    assert len({one.client for one in peer.connects}) == 3


def test_without_a_password_none_is_sent(peer: Peer) -> None:
    """The name alone, as the settings have it."""
    transport = MqttTransport(MqttSinkSettings(f"mqtt://me@127.0.0.1:{peer.port}", device="one"))
    transport.send("a", b"{}")
    transport.close()
    assert (peer.connects[-1].user, peer.connects[-1].password) == ("me", None)
    assert peer.connects[-1].will == (STATUS, b"offline", 1, True)


def test_a_sink_connects_by_what_its_settings_say(
    peer: Peer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the password of the environment, under the name that its outbox keeps."""
    context = SinkContext(tmp_path, environ={"SRANOGAN_MQTT_PASSWORD": "word"})
    settings = MqttSinkSettings(f"mqtt://me@127.0.0.1:{peer.port}/ward", device="one")
    courier = settings.open(context)
    courier.write(line(0))
    wait_until(lambda: len(peer.of("ward/result")) == 1)
    courier.close()
    kept = settings.outbox(context).with_suffix(".client").read_text().strip()
    found = peer.connects[0]
    assert (found.user, found.password, found.will) == (
        "me",
        "word",
        (f"ward/status/one-{kept}", b"offline", 1, True),
    )
    assert caplog.messages == []
    elsewhere = MqttSinkSettings("mqtt://me@192.0.2.1/ward", device="one")
    elsewhere.open(context).close()
    assert caplog.messages == [f"{elsewhere}: {elsewhere.open_password(context.environ)}"]


def test_a_connection_that_ends_just_now_is_told(peer: Peer) -> None:
    """Between the look at it and the publishing: the result waits, for the client's own reason."""
    transport = transport_to(peer)
    transport.send("a", b"{}")
    client = transport._client
    assert client is not None
    client.loop_stop()
    client.disconnect()
    client.loop()  # the end is noted
    transport._connected.set()  # as it was a moment ago
    told = trouble(transport)
    assert told.startswith("the MQTT broker 127.0.0.1 does not take a result: Message publish failed: ")
    assert "not currently connected" in told


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves a socket open
def test_an_encrypted_connection_with_certificates_of_both_sides(tmp_path: Path) -> None:
    """The broker's is checked by the authority that is named, ours is shown; neither is taken on trust."""
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.sign("broker"))
    tls.load_verify_locations(authority.file)
    tls.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.sign("device")
    peer = Peer(tls)
    try:
        uri = f"mqtts://127.0.0.1:{peer.port}"
        known = MqttSinkSettings(
            uri, device="one", ca_file=authority.file, cert_file=certificate, key_file=key
        )
        transport = MqttTransport(known)
        transport.send("a", b"{}")
        transport.close()
        assert broker_problem(known, "", 20.0) == ""
        for unknown in (replace(known, ca_file=None), replace(known, ca_file=other.file)):
            transport = MqttTransport(unknown, answer_s=1.0)
            assert "cannot be reached" in trouble(transport)
            transport.close()
            assert "certificate verify failed" in broker_problem(unknown, "", 20.0).lower()
    finally:
        peer.close()
    assert peer.of(RESULT) == [b"{}"]


def test_a_broker_is_asked_by_who_we_are(peer: Peer) -> None:
    """By name and password and the MQTT that all speak, under a name of its own; nothing is published."""
    settings = MqttSinkSettings(f"mqtt://me@127.0.0.1:{peer.port}", device="one")
    for password in ("word", ""):
        assert broker_problem(settings, password, 20.0) == ""
        found = peer.connects[-1]
        assert (found.level, found.user, found.password, found.will) == (V311, "me", password or None, None)
        assert re.fullmatch("sranogan-doctor-[0-9a-f]{8}", found.client)
    assert peer.connects[0].client != peer.connects[1].client
    peer.answers = Answers(connect=lambda level: refused(level, 5))
    cure = "Check address, user, password and certificates."
    assert broker_problem(settings, "", 20.0) == f"Not authorized. {cure}"
    assert peer.published == []


def test_discovery_is_retained(peer: Peer) -> None:
    """Each entity's configuration, under the name that no other client has, once for a connection."""
    transport = transport_to(peer, client="c1", discovery="ha")
    transport.send("a", b"{}")
    transport.close()
    expected = discovery_messages("ha", RESULT, "sranogan/one/status/one-c1", "one-c1")
    found = {one.topic: one for one in peer.published if one.topic.startswith("ha/")}
    assert {topic: json.loads(one.body) for topic, one in found.items()} == expected
    assert all((one.quality, one.retained) == (1, True) for one in found.values())


def test_a_result_that_is_not_acknowledged_did_not_arrive(peer: Peer) -> None:
    """A broker that takes it and says nothing has not taken it; it is not published twice for that."""
    peer.answers = Answers(publish=lambda topic: None if topic == RESULT else 0)
    transport = transport_to(peer, answer_s=1.0)
    for _ in range(2):
        wait_until(lambda: trouble(transport) == "the MQTT broker 127.0.0.1 has not acknowledged a result")
    transport.close()
    assert peer.of(RESULT) == [b"{}"]


def test_what_is_not_authorized_is_told_and_sent_again(peer: Peer) -> None:
    """With its reason and topic; once it is allowed, it arrives."""
    peer.answers = Answers(publish=lambda topic: NOT_AUTHORIZED if topic == RESULT else 0)
    transport = transport_to(peer)
    with pytest.raises(
        UnreachableError, match=r"does not take a result: Not authorized \(topic sranogan/one/"
    ):
        transport.send("a", b"{}")
    peer.answers = Answers()
    transport.send("a", b"{}")
    transport.close()
    assert peer.of(RESULT) == [b"{}", b"{}"]


def test_a_status_that_is_not_authorized_holds_up_no_result(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which topic is refused."""
    peer.answers = Answers(publish=lambda topic: NOT_AUTHORIZED if topic == STATUS else 0)
    transport = transport_to(peer)
    for key in "ab":
        transport.send(key, b"{}")
    transport.close()
    told = f"the MQTT broker 127.0.0.1 refuses {STATUS}: Not authorized"
    assert told in [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]


def test_what_is_larger_than_the_broker_said_is_not_even_published(peer: Peer) -> None:
    """It says so when we connect: here 100 bytes for all of a packet."""
    peer.answers = Answers(connect=lambda level: taken(level, b"\x27" + (100).to_bytes(4, "big")))
    transport = transport_to(peer)
    with pytest.raises(RefusedError, match="it takes 100 bytes, and this has 109"):
        transport.send("a", bytes(80))
    transport.send("b", bytes(71))
    transport.close()
    assert peer.of(RESULT) == [bytes(71)]


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (TOO_LARGE, RefusedError, "refuses a result: Packet too large. Raise its limit of size."),
        (
            PROTOCOL_ERROR,
            RefusedError,
            "refuses a result: it answers with what is no MQTT 5; too large, perhaps. Raise its limit",
        ),
        (
            NOT_AUTHORIZED,
            UnreachableError,
            r"does not take a result: Not authorized \(topic sranogan/one/result\)",
        ),
    ],
)
def test_a_result_over_which_connections_end(peer: Peer, code: int, kind: type[Exception], said: str) -> None:
    """Twice, to be sure; it is not repeated by itself then, and the next one goes out."""
    peer.answers = Answers(end=lambda topic: code if topic == RESULT else None)
    transport = transport_to(peer)
    with pytest.raises(kind, match=said):
        transport.send("a", b"[1]")
    tries = peer.of(RESULT)
    assert set(tries) == {b"[1]"}
    assert len(tries) in (2, 3)  # the first end may come before it is known what was under way
    peer.answers = Answers()
    transport.send("b", b"[2]")
    transport.close()
    assert peer.of(RESULT) == [*tries, b"[2]"]


@pytest.mark.parametrize("how", ["a reason of MQTT 5", "a reason of MQTT 3.1.1", "no answer"])
def test_a_broker_without_mqtt_5(peer: Peer, caplog: pytest.LogCaptureFixture, how: str) -> None:
    """It is spoken to by 3.1.1, and the log says what that costs, once."""
    answer = {"a reason of MQTT 5": refused(V5, UNSUPPORTED), "a reason of MQTT 3.1.1": refused(V311, 1)}
    peer.answers = Answers(connect=lambda level: answer.get(how, b"") if level == V5 else taken(level))
    transport = transport_to(peer)
    for key in "ab":
        transport.send(key, b"{}")
    transport.close()
    wait_until(lambda: len(peer.published) == 4)
    assert [one.topic for one in peer.published] == [STATUS, RESULT, RESULT, STATUS]
    assert peer.connects[-1].level == V311
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert told == [
        "the MQTT broker 127.0.0.1 does not speak MQTT 5. Results go there by MQTT 3.1.1, which does not "
        "tell what it refuses: what its access list or limits throw away counts as delivered."
    ]


def test_a_broker_that_does_not_know_us(peer: Peer) -> None:
    """Its answer is told, and it is no broker without MQTT 5 for that."""
    peer.answers = Answers(connect=lambda level: refused(level, NOT_AUTHORIZED if level == V5 else 5))
    transport = transport_to(peer, answer_s=2.5)
    why = "the MQTT broker 127.0.0.1 cannot be reached: it answered Not authorized"
    wait_until(lambda: trouble(transport) == why)
    assert {one.level for one in peer.connects} == {V5}
    peer.answers = Answers()
    transport.send("a", b"{}")
    transport.close()
    assert peer.of(RESULT) == [b"{}"]


def test_a_broker_that_answers_nobody_is_asked_by_mqtt_5_again(peer: Peer) -> None:
    """That 3.1.1 gets no answer either shows that it was a guess; later it speaks MQTT 5."""
    peer.answers = Answers(connect=lambda level: b"")
    transport = transport_to(peer, answer_s=2.5)
    wait_until(
        lambda: "cannot be reached" in trouble(transport) and peer.connects[-1].level == V311,
    )
    peer.answers = Answers()
    transport.send("a", b"{}")
    transport.close()
    assert peer.connects[-1].level == V5
    assert peer.of(RESULT) == [b"{}"]
