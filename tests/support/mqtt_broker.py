"""A real mosquitto on loopback, somebody who listens there, and a broker that is too old for MQTT 5."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import threading
from pathlib import Path

from tests.support.remote_results import PATIENCE_S, wait_until


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


class OldBroker(socketserver.ThreadingTCPServer):
    """Stands before a real broker and lets MQTT 3.1.1 through; MQTT 5 it refuses as brokers without it do.

    Attributes:
        port: where it listens.
        refused: number of connections by MQTT 5.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, broker: Broker, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _OldConnection)
        self.broker, self.answer, self.refused = broker, answer, 0
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _OldConnection(socketserver.BaseRequestHandler):
    server: OldBroker

    def handle(self) -> None:
        """Look at the protocol level of CONNECT; carry bytes both ways where it is 4."""
        first = self.request.recv(4096)
        name = first.index(b"MQTT")
        if first[name + 4] != 4:
            self.server.refused += 1
            self.request.sendall(self.server.answer)
            return
        with socket.create_connection(("127.0.0.1", self.server.broker.port)) as broker:
            broker.sendall(first)
            threading.Thread(target=_carry, args=(broker, self.request), daemon=True).start()
            _carry(self.request, broker)


def _carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(4096):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:  # one side has ended
        return
