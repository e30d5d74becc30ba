"""The other end of MQTT on loopback, byte by byte: takes what is published, and answers as it is told to."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

CONNECT, PUBLISH = 1, 3
V311, V5 = 4, 5  # levels of the protocol, as CONNECT has them


@dataclass(frozen=True)
class Connect:
    """What a client said when it connected."""

    level: int
    keep_alive_s: int
    client: str
    will: tuple[str, bytes, int, bool] | None  # topic, body, quality of service, retained
    user: str | None
    password: str | None


@dataclass
class Published:
    """One message."""

    topic: str
    quality: int
    retained: bool
    body: bytes


@dataclass
class Answers:
    """What is said to a client; by default all is taken.

    Attributes:
        connect: the bytes that CONNECT of a level is answered with; none ends the connection.
        publish: reason code for a topic; None says nothing.
        end: reason code that a topic ends the connection with; None goes on.
    """

    connect: Callable[[int], bytes] = lambda level: taken(level)
    publish: Callable[[str], int | None] = lambda topic: 0
    end: Callable[[str], int | None] = lambda topic: None


def taken(level: int, properties: bytes = b"") -> bytes:
    """CONNACK of a level, with properties of MQTT 5."""
    body = bytes([0, 0]) + (bytes([len(properties)]) + properties if level == V5 else b"")
    return bytes([0x20, len(body)]) + body


def refused(level: int, code: int) -> bytes:
    """CONNACK with a reason code."""
    return bytes([0x20, 3, 0, code, 0]) if level == V5 else bytes([0x20, 2, 0, code])


@dataclass
class Peer:
    """A listener, one client at a time.

    Attributes:
        tls: how it encrypts; None speaks in the clear.
        answers: may be exchanged at any time.
        connects: of each connection.
        published: all messages.
    """

    tls: ssl.SSLContext | None = None
    answers: Answers = field(default_factory=Answers)
    connects: list[Connect] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closing = True
        with socket.socket() as last:
            last.connect_ex(("127.0.0.1", self.port))  # so that accept returns
        self._thread.join(30)
        self._listener.close()

    def of(self, topic: str) -> list[bytes]:
        """The bodies of a topic."""
        return [one.body for one in self.published if one.topic == topic]

    def _accept(self) -> None:
        while True:
            accepted, _ = self._listener.accept()
            if self._closing:
                accepted.close()
                return
            try:
                with self._encrypted(accepted) as connection, connection.makefile("rb") as file:
                    self._serve(connection, file)
            except OSError:  # the client went
                continue

    def _encrypted(self, accepted: socket.socket) -> socket.socket:
        return self.tls.wrap_socket(accepted, server_side=True) if self.tls else accepted

    def _serve(self, connection: socket.socket, file: BinaryIO) -> None:
        level = 0
        while head := file.read(1):
            kind, flags = head[0] >> 4, head[0] & 15
            packet = Packet(file.read(_number(file)))
            if kind == CONNECT:
                self.connects.append(_connect(packet))
                level = self.connects[-1].level
                answer = self.answers.connect(level)
                if not answer:
                    return
                connection.sendall(answer)
            elif kind == PUBLISH and not self._taken(connection, packet, flags, level):
                return

    def _taken(self, connection: socket.socket, packet: Packet, flags: int, level: int) -> bool:
        topic, quality = packet.text(), flags >> 1 & 3
        number = packet.take(2) if quality else b""
        if level == V5:
            packet.properties()
        self.published.append(Published(topic, quality, bool(flags & 1), packet.left))
        if (reason := self.answers.end(topic)) is not None:
            connection.sendall(bytes([0xE0, 2, reason, 0]))  # DISCONNECT
            return False
        code = self.answers.publish(topic)
        if quality and code is not None:  # PUBACK
            connection.sendall(
                bytes([0x40, 3]) + number + bytes([code]) if code else bytes([0x40, 2]) + number
            )
        return True


class Packet:
    """The bytes of one packet, taken piece by piece."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def take(self, count: int) -> bytes:
        """The next bytes."""
        found, self.left = self.left[:count], self.left[count:]
        return found

    def data(self) -> bytes:
        """Bytes with their length in front."""
        (length,) = struct.unpack(">H", self.take(2))
        return self.take(length)

    def text(self) -> str:
        """Text, the same way."""
        return self.data().decode()

    def properties(self) -> None:
        """Pass over those of MQTT 5, of which there are few."""
        (length,) = self.take(1)
        self.take(length)


def _connect(packet: Packet) -> Connect:
    assert packet.text() == "MQTT"
    (level, flags, keep_alive_s) = struct.unpack(">BBH", packet.take(4))
    if level == V5:
        packet.properties()
    client, will = packet.text(), None
    if flags & 4:
        if level == V5:
            packet.properties()
        will = packet.text(), packet.data(), flags >> 3 & 3, bool(flags & 32)
    user = packet.text() if flags & 128 else None
    password = packet.text() if flags & 64 else None
    return Connect(level, keep_alive_s, client, will, user, password)


def _number(file: BinaryIO) -> int:
    """A length of one to four bytes."""
    found, shift = 0, 0
    while True:
        (byte,) = file.read(1)
        found |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return found
