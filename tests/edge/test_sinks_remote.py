"""Results to other machines: kept while these are gone, signed, in order, and never in the feed's way."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.results import ResultLine
from sranogan_edge.sinks.courier import Courier, RefusedError, UnreachableError
from sranogan_edge.sinks.open import open_sink
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.sink import record_of

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
pytest.importorskip("urllib3", reason="urllib3 is not installed (the extra 'webhook')")

from sranogan_edge.sinks.mqtt import MqttOptions, MqttTransport, discovery_messages
from sranogan_edge.sinks.webhook import WebhookOptions, WebhookTransport, sign, signature_is_valid

SECRET = b"0123456789abcdef"
PATIENCE_S = 60.0
Service = Callable[[str], str]


def line(number: int) -> ResultLine:
    """The line of a judged image."""
    stamp = "2026-01-01T12:00:00Z"
    return ResultLine(
        f"{number}.png", 1.0, 0.5, "normal", 2.0, 1.0, {}, None, None, "ab", 4, "LiteRT", None, stamp
    )


def names(bodies: list[bytes]) -> list[str]:
    """The file names of results as they were received."""
    return [json.loads(body)["file"] for body in bodies]


def files(count: int, start: int = 0) -> list[str]:
    """The file names of so many lines."""
    return [f"{number}.png" for number in range(start, count)]


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until ``true()``, or fail."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


class Line:
    """A transport whose other side is there or not."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.tries = 0
        self.error: Exception | None = None
        self.closed = False

    def send(self, key: str, body: bytes) -> None:
        self.tries += 1
        if self.error:
            raise self.error
        self.got.append(body)

    def close(self) -> None:
        self.closed = True


class Clock:
    """A time that only moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_broker_that_is_gone_for_an_hour() -> None:
    """A result a second, an hour long: tries get rare, all wait, then arrive once, in order."""
    clock, transport = Clock(), Line()
    courier = Courier(transport, Outbox(None), clock=clock, start=False)
    transport.error = UnreachableError("no broker")
    for number in range(3600):
        clock.now += 1
        courier.write(line(number), None)
        courier.pump()
    assert transport.tries < 40
    assert (courier.health.state, courier.health.waiting) == ("failing", 3600)
    assert courier.health.message == "no broker"
    transport.error = None
    clock.now += courier.pump()
    courier.pump()
    assert names(transport.got) == files(3600)
    health = courier.health
    assert (health.state, health.written, health.waiting, health.lost) == ("ok", 3600, 0, 0)


def test_results_wait_across_a_restart(tmp_path: Path) -> None:
    """What was not sent when the runner ended, or was killed, is sent by the next one; no key waits twice."""
    transport = Line()
    transport.error = UnreachableError("no broker")
    courier = Courier(transport, Outbox(tmp_path / "outbox.sqlite"), start=False)
    for number in (0, 1, 0):
        courier.write(line(number), None)
    courier.pump()
    courier.close()
    assert transport.closed
    assert courier.health.state == "closed"
    transport.error = None
    Courier(transport, Outbox(tmp_path / "outbox.sqlite"), start=False).pump()
    assert names(transport.got) == files(2)


def test_an_outbox_has_a_limit(tmp_path: Path) -> None:
    """The oldest go first and are counted, across a restart too."""
    for part in (range(15), range(15, 25)):
        outbox = Outbox(tmp_path / "outbox.sqlite", limit=10)
        for number in part:
            outbox.put(str(number), b"%d" % number)
        assert len(outbox) == 10
        assert outbox.lost == part[-1] + 1 - 10
        first = outbox.first()
        assert first is not None
        assert first.body == b"%d" % (part[-1] - 9)
        outbox.close()
    with pytest.raises(SettingsError, match="at least 1"):
        Outbox(None, limit=0)


def test_what_is_refused_is_set_apart() -> None:
    """One result that the other side will never take does not hold up the others."""
    transport, outbox = Line(), Outbox(None)
    courier = Courier(transport, outbox, start=False)
    transport.error = RefusedError("answered 400")
    courier.write(line(0), None)
    courier.pump()
    transport.error = None
    courier.write(line(1), None)
    courier.pump()
    assert names(transport.got) == ["1.png"]
    assert (courier.health.refused, courier.health.waiting, courier.health.written) == (1, 0, 1)


def test_a_library_that_raises_anything_stops_nothing() -> None:
    """An error that nobody foresaw is one more reason to wait, by its name."""
    clock, transport = Clock(), Line()
    courier = Courier(transport, Outbox(None), clock=clock, start=False)
    transport.error = AttributeError("surprise")
    courier.write(line(0), None)
    assert courier.pump() > 0
    assert courier.health.message == "AttributeError: surprise"
    transport.error = None
    clock.now += 10
    courier.pump()
    assert names(transport.got) == ["0.png"]


def test_a_full_disk_below_the_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results stay in memory, the newest of them, and go to the disk once it takes them."""
    outbox, transport = Outbox(None), Line()
    courier = Courier(transport, outbox, start=False)

    def full(key: str, body: bytes) -> None:
        raise ResultsError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "put", full)
        for number in range(1100):
            courier.write(line(number), None)
        assert (courier.health.waiting, courier.health.lost) == (1000, 100)
        assert "disk is full" in courier.health.message
    courier.pump()
    assert names(transport.got) == files(1100, 100)


def test_a_really_full_disk_below_the_outbox(small_disk: Path) -> None:
    """SQLite's own error is answered the same way; after space is freed everything arrives."""
    subprocess.run(["mount", "-o", "remount,size=256k", str(small_disk)], check=True)
    outbox, transport = Outbox(small_disk / "outbox.sqlite"), Line()
    transport.error = UnreachableError("no broker")
    clock = Clock()
    courier = Courier(transport, outbox, clock=clock, start=False)
    for number in range(300):
        courier.write(line(number), None)
    assert courier.health.waiting == 300
    assert len(outbox) < 300
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    transport.error = None
    for _ in range(2):
        clock.now += 600
        courier.pump()
    assert names(transport.got) == files(300)
    courier.close()


class Hook(BaseHTTPRequestHandler):
    """A server whose answers come from a list, then 200."""

    answers: list[tuple[int, dict[str, str]]]
    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        self.got.append(({**dict(self.headers.items()), "status": str(status)}, body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"said " + str(status).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    """A server on loopback: its address, and the class with what it got."""

    class Own(Hook):
        pass

    Own.answers, Own.got = [], []

    server = HTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?token=hidden", Own
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_that_fails_and_recovers(hook: tuple[str, type[Hook]], tmp_path: Path) -> None:
    """500, 429 and a redirect are tried again, 422 is set apart; what arrives is signed and in order."""
    url, own = hook
    own.answers += [(500, {}), (429, {"Retry-After": "0"}), (302, {"Location": url}), (200, {}), (422, {})]
    transport = WebhookTransport(WebhookOptions(url, SECRET))
    courier = Courier(transport, Outbox(tmp_path / "outbox.sqlite"), retry_s=(0.02, 0.1))
    for number in range(4):
        courier.write(line(number), None)
    wait_until(lambda: courier.health.waiting == 0)
    assert (courier.health.written, courier.health.refused) == (3, 1)
    courier.close()
    taken = [body for headers, body in own.got if headers["status"] == "200"]
    assert names(taken) == ["0.png", "2.png", "3.png"]
    for headers, body in own.got:
        stamp, signature = headers["X-Sranogan-Timestamp"], headers["X-Sranogan-Signature"]
        assert signature_is_valid(SECRET, stamp, body, signature, now=time.time())
        assert headers["X-Sranogan-Key"] == json.loads(body)["key"]


def test_a_server_may_ask_for_patience(hook: tuple[str, type[Hook]]) -> None:
    """Retry-After is kept to, and its message shows the answer but not the address's query."""
    url, own = hook
    own.answers += [(503, {"Retry-After": "120"})]
    clock = Clock()
    courier = Courier(WebhookTransport(WebhookOptions(url, SECRET)), Outbox(None), clock=clock, start=False)
    courier.write(line(0), None)
    assert courier.pump() == 120
    assert "answered 503: 'said 503'" in courier.health.message
    assert "hidden" not in courier.health.message
    clock.now = 119
    courier.pump()
    assert len(own.got) == 1
    clock.now = 120
    courier.pump()
    assert len(own.got) == 2


def test_no_server_at_all() -> None:
    """A closed port, and a server that never answers, end in a short time and say where."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}/hook?token=hidden"
        transport = WebhookTransport(WebhookOptions(address, SECRET, answer_s=0.2))
        with pytest.raises(UnreachableError, match="cannot be reached"):
            transport.send("key", b"{}")
        deaf.listen()
        with pytest.raises(UnreachableError, match="cannot be reached") as unreachable:
            transport.send("key", b"{}")
        assert "hidden" not in str(unreachable.value).partition(": ")[0]


@pytest.mark.parametrize("answer", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_server_that_answers_rubbish(answer: bytes) -> None:
    """Whatever comes back, or nothing: no word of having it, so the result waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        with pytest.raises(UnreachableError, match="cannot be reached"):
            WebhookTransport(WebhookOptions(address, SECRET, answer_s=5.0)).send("key", b"{}")
        thread.join()


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    """Its status counts; of its text, some bytes are read."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            client, _ = server.accept()
            with client, suppress(OSError):
                client.recv(65536)
                client.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 999999999\r\n\r\n")
                while True:
                    client.sendall(bytes(65536))

        thread = threading.Thread(target=reply)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        with pytest.raises(RefusedError, match="answered 400"):
            WebhookTransport(WebhookOptions(address, SECRET)).send("key", b"{}")
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_signatures() -> None:
    """Another body, another time, another secret and an old request are each found out."""
    signature = sign(SECRET, 1000, b"body")
    assert signature_is_valid(SECRET, "1000", b"body", signature, now=1010)
    assert not signature_is_valid(SECRET, "1000", b"Body", signature, now=1010)
    assert not signature_is_valid(SECRET, "1001", b"body", signature, now=1010)
    assert not signature_is_valid(b"fedcba9876543210", "1000", b"body", signature, now=1010)
    assert not signature_is_valid(SECRET, "1000", b"body", signature, now=1400)
    assert not signature_is_valid(SECRET, "soon", b"body", signature, now=1010)
    assert not signature_is_valid(SECRET, "1000", b"body", "\u00e9", now=1010)


def test_the_check_in_the_documentation() -> None:
    """The lines in docs/sinks.md tell a genuine request from a forged and an old one."""
    text = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text()
    made: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], made)
    now = int(time.time())
    for stamp, body, genuine in ((now, b"body", True), (now, b"Body", False), (now - 900, b"body", False)):
        signature = sign(SECRET, stamp, b"body")
        headers = {"X-Sranogan-Timestamp": str(stamp), "X-Sranogan-Signature": signature}
        assert made["is_genuine"](SECRET, headers, body) is genuine


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("http://example.com/x", SECRET, "unencrypted"),
        ("https://example.com/x", b"short", "at least 16"),
        ("https://user:word@example.com/x", SECRET, "no password"),
        ("file:///etc/passwd", SECRET, "must be https"),
    ],
)
def test_webhooks_that_cannot_work(url: str, secret: bytes, said: str) -> None:
    """Each is refused at the start; the secret shows in no repr."""
    with pytest.raises(SettingsError, match=said):
        WebhookOptions(url, secret)
    assert "0123" not in repr(WebhookOptions("https://example.com/x", SECRET))


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
        courier.write(line(number), None)
    wait_until(lambda: len(first.of("sranogan/one/result")) == 20)
    assert first.of("sranogan/one/status") == [b"online"]
    first.close()
    broker.stop()
    for number in range(20, 50):
        courier.write(line(number), None)
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
        sink.write(line(0), None)
    wait_until(lambda: names(listener.of("ward/7/result")) == ["0.png"])
    listener.close()
    for sink in sinks:
        sink.close()
    assert len(list((tmp_path / "out").glob("outbox-*.sqlite"))) == 2
