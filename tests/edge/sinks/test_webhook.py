"""Results by HTTP POST: signed, tried again, set apart where refused, whatever the server answers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import SettingsError
from sranogan_edge.sinks.courier import Courier, RefusedError, UnreachableError
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.sink import SinkContext

pytest.importorskip("urllib3", reason="urllib3 is not installed (the extra 'webhook')")

from sranogan_edge.sinks.webhook import WebhookTransport, sign, signature_is_valid
from sranogan_edge.sinks.webhook_settings import WEBHOOK_SECRET, WebhookSinkSettings
from tests.support.remote_results import PATIENCE_S, SECRET, Clock, names, wait_until
from tests.support.result_lines import line


class Hook(BaseHTTPRequestHandler):
    """A server whose answers come from a list, then 200."""

    answers: list[tuple[int, dict[str, str]]]
    says: str
    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        self.got.append(({**dict(self.headers.items()), "status": str(status)}, body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(f"{self.says} {status}".encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    """A server on loopback: its address, and the class with what it got."""

    class Own(Hook):
        pass

    Own.answers, Own.got, Own.says = [], [], "said"

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
    transport = WebhookTransport(WebhookSinkSettings(url), SECRET)
    courier = Courier(transport, Outbox(tmp_path / "outbox.sqlite"), retry_s=(0.02, 0.1))
    for number in range(4):
        courier.write(line(number))
    wait_until(lambda: courier.health.waiting == 0)
    assert (courier.health.written, courier.health.refused) == (3, 1)
    courier.close()
    taken = [body for headers, body in own.got if headers["status"] == "200"]
    assert names(taken) == ["0.png", "2.png", "3.png"]
    for headers, body in own.got:
        stamp, signature = headers["X-Sranogan-Timestamp"], headers["X-Sranogan-Signature"]
        assert signature_is_valid(SECRET, stamp, body, signature, now=time.time())
        assert headers["X-Sranogan-Key"] == json.loads(body)["key"]
        assert (headers["Content-Type"], headers["User-Agent"]) == ("application/json", "sranogan-edge")


def test_a_signature_by_hand() -> None:
    """As openssl has it of "1700000000.{}"; a shortened, an empty or another one is none, nor an old one."""
    whole = "sha256=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"
    assert sign(SECRET, 1_700_000_000, b"{}") == whole
    for signature in ("", "sha256=", whole[:-1], whole + "0", whole[:7] + whole[8:]):
        assert not signature_is_valid(SECRET, "1700000000", b"{}", signature, now=1.7e9)
    for seconds, valid in ((-301, False), (-300, True), (300, True), (301, False)):
        assert signature_is_valid(SECRET, "1700000000", b"{}", whole, now=1.7e9 + seconds) is valid


@pytest.mark.parametrize(
    ("asked", "pause_s"),
    [
        ("3599", 3599.0),
        ("3600", 3600.0),
        ("999999", 3600.0),
        ("9" * 400, 3600.0),
        ("-5", None),
        ("soon", None),
    ],
)
def test_nobody_may_ask_for_more_than_an_hour(
    hook: tuple[str, type[Hook]], asked: str, pause_s: float | None
) -> None:
    """A server that says 999999 is asked again after an hour; what is no number is passed over."""
    url, own = hook
    own.answers += [(503, {"Retry-After": asked})]
    courier = Courier(
        WebhookTransport(WebhookSinkSettings(url), SECRET), Outbox(None), clock=Clock(), start=False
    )
    courier.write(line(0))
    found = courier.pump()
    assert found == pause_s if pause_s else 0.5 <= found <= 1.0  # else the first pause of our own


def test_a_server_may_ask_for_patience(hook: tuple[str, type[Hook]]) -> None:
    """Retry-After is kept to, and its message shows the answer but not the address's query."""
    url, own = hook
    own.answers += [(503, {"Retry-After": "120"})]
    clock = Clock()
    courier = Courier(
        WebhookTransport(WebhookSinkSettings(url), SECRET), Outbox(None), clock=clock, start=False
    )
    courier.write(line(0))
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
        transport = WebhookTransport(WebhookSinkSettings(address, answer_s=0.2), SECRET)
        with pytest.raises(UnreachableError, match="cannot be reached"):
            transport.send("key", b"{}")
        deaf.listen()
        with pytest.raises(UnreachableError, match="cannot be reached") as unreachable:
            transport.send("key", b"{}")
        assert "hidden" not in str(unreachable.value)


@pytest.mark.parametrize("before", [0, 181, 190])
def test_a_server_that_repeats_the_address(hook: tuple[str, type[Hook]], before: int) -> None:
    """The token of its query is not told on, also where the answer is cut short within it."""
    url, own = hook
    own.answers += [(404, {})]
    own.says = f"{'x' * before} no /hook?token=hidden and a=b"
    with pytest.raises(UnreachableError, match=r"/hook answered 404: '.* no ") as unreachable:
        WebhookTransport(WebhookSinkSettings(url), SECRET).send("key", b"{}")
    assert "hid" not in str(unreachable.value)
    assert "hidden" not in repr(WebhookSinkSettings(url))


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
            WebhookTransport(WebhookSinkSettings(address, answer_s=5.0), SECRET).send("key", b"{}")
        thread.join()


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    """Its status counts; of its text, some bytes are read."""
    sent = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            client, _ = server.accept()
            with client, suppress(OSError):
                client.recv(65536)
                client.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 65536000\r\n\r\n")
                for number in range(1000):
                    client.sendall(bytes(65536))
                    sent.append(number)

        thread = threading.Thread(target=reply)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        with pytest.raises(RefusedError, match="answered 400"):
            WebhookTransport(WebhookSinkSettings(address), SECRET).send("key", b"{}")
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert len(sent) < 1000  # some MB may lie on the way


def test_of_an_answer_two_hundred_characters_are_told(hook: tuple[str, type[Hook]]) -> None:
    """Less what it repeats of the address, of which nothing is cut in two."""
    url, own = hook
    own.answers += [(404, {})]
    own.says = "x" * 500
    with pytest.raises(UnreachableError) as unreachable:
        WebhookTransport(WebhookSinkSettings(url), SECRET).send("key", b"{}")
    assert str(unreachable.value) == f"{url.partition('?')[0]} answered 404: '{'x' * 200}'"


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
    """The lines in docs/guide/sinks.md tell a genuine request from a forged and an old one."""
    text = (Path(__file__).parents[3] / "docs" / "guide" / "sinks.md").read_text()
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
        ("https://", SECRET, "must be https"),
    ],
)
def test_webhooks_that_cannot_work(tmp_path: Path, url: str, secret: bytes, said: str) -> None:
    """Each is refused at the start."""
    with pytest.raises(SettingsError, match=said):
        sink_of(url).open(SinkContext(tmp_path, environ={WEBHOOK_SECRET: secret.decode()}))


@pytest.mark.parametrize("trickles", ["headers", "status line", "body"])
@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept connection"])
def test_a_server_that_trickles_ends_in_time(trickles: str, kept: bool) -> None:
    """A byte now and then is no answer, wherever it stands; it is tried again later."""
    say = {
        "headers": b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000,
        "status line": b"HTTP/1.1 200 " + b"O" * 10_000,
        "body": b"HTTP/1.1 500 No\r\nContent-Length: 20000\r\n\r\n" + b"x" * 10_000,
    }[trickles]
    done = threading.Event()

    def take(client: socket.socket) -> None:
        got = b""
        while not got.endswith(b"\r\n\r\n{}"):
            got += client.recv(65536)

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client, suppress(OSError):
            if kept:
                take(client)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            take(client)
            begun = say.find(b"\r\n\r\n") + 4 if trickles == "body" else 0
            client.sendall(say[:begun])
            for byte in say[begun:]:
                client.sendall(bytes([byte]))
                if done.wait(0.02):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        transport = WebhookTransport(WebhookSinkSettings(address, answer_s=5.0, total_s=0.5), SECRET)
        if kept:
            transport.send("first", b"{}")
        with pytest.raises(UnreachableError, match=r"took longer than 0\.5 s \(total_s\)"):
            transport.send("key", b"{}")
        done.set()
        transport.close()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
