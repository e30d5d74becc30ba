"""Results by MQTT with QoS 1, read byte by byte: no broker may forget them, none counts before it says so."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from sranogan_edge.sinks.courier import UnreachableError

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")

from sranogan_edge.sinks.mqtt import MqttTransport
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings

CONNECT, PUBLISH = 1, 3
CONNACK = bytes([0x20, 3, 0, 0, 0])  # taken, no properties
RESULT = "sranogan/one/result"


class Reader:
    """Takes one connection by MQTT 5, notes what is published and acknowledges all topics but ``silent``.

    Attributes:
        published: topic, QoS and retain flag of each message.
        will: QoS of the last will.
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, int, bool]] = []
        self.will, self.silent = -1, ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        self._thread.join(30)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as file:
            while head := file.read(1):
                size, shift = 0, 0
                while True:
                    (byte,) = file.read(1)
                    size |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                self._answer(connection, head[0], file.read(size))

    def _answer(self, connection: socket.socket, head: int, body: bytes) -> None:
        if head >> 4 == CONNECT:
            self.will = body[7] >> 3 & 3  # after the protocol's name and level
            connection.sendall(CONNACK)
        elif head >> 4 == PUBLISH:
            (length,) = struct.unpack_from(">H", body)
            topic, quality = body[2 : 2 + length].decode(), head >> 1 & 3
            self.published.append((topic, quality, bool(head & 1)))
            if quality and topic != self.silent:
                connection.sendall(bytes([0x40, 2]) + body[2 + length : 4 + length])  # PUBACK


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Give one that listens."""
    made = Reader()
    yield made
    made.close()


def transport_to(reader: Reader) -> MqttTransport:
    """A client of the device "one" that waits a second for an answer."""
    return MqttTransport(MqttSinkSettings(f"mqtt://127.0.0.1:{reader.port}", device="one"), answer_s=1.0)


def test_results_have_quality_of_service_1(reader: Reader) -> None:
    """Each result, the status and the last will; results are not retained, the status is."""
    transport = transport_to(reader)
    for key in ("a", "b"):
        transport.send(key, b"{}")
    transport.close()
    status = ("sranogan/one/status/one", 1, True)
    assert reader.published == [status, (RESULT, 1, False), (RESULT, 1, False), status]
    assert reader.will == 1


def test_a_result_that_is_not_acknowledged_did_not_arrive(reader: Reader) -> None:
    """A broker that takes it and says nothing has not taken it."""
    reader.silent, transport = RESULT, transport_to(reader)
    with pytest.raises(UnreachableError, match="has not acknowledged a result"):
        transport.send("a", b"{}")
    transport.close()
    assert (RESULT, 1, False) in reader.published
