"""A webhook's requests: which answers count as taken, whose certificate is believed, how long steps take."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import SettingsError
from sranogan_edge.sinks.courier import RefusedError, UnreachableError

pytest.importorskip("urllib3", reason="urllib3 is not installed (the extra 'webhook')")

import urllib3

from sranogan_edge.sinks.deadline import Deadline, _Watched
from sranogan_edge.sinks.sink import SinkContext
from sranogan_edge.sinks.webhook import WebhookTransport, sign, signature_is_valid
from sranogan_edge.sinks.webhook_settings import WebhookSinkSettings
from tests.support.certificates import Authority
from tests.support.remote_results import SECRET
from tests.support.result_lines import line

URL = "https://hooks.example/results?token=hidden&v=1"


def transport(**options: object) -> WebhookTransport:
    """To a server that is never asked."""
    return WebhookTransport(WebhookSinkSettings(URL, **options), SECRET)  # type: ignore[arg-type]  # real fields


def test_each_time_limit_is_of_its_step(tmp_path: Path) -> None:
    """To reach the server, and to wait for a byte of its answer; no second attempt; the authority named."""
    made = transport(connect_s=2.0, answer_s=7.0, total_s=30.0, ca_file=tmp_path / "ca.pem")
    stated = made._pool.connection_pool_kw
    assert (stated["timeout"].connect_timeout, stated["timeout"].read_timeout) == (2.0, 7.0)
    assert (stated["retries"].total, stated["ca_certs"], made._total_s) == (
        False,
        str(tmp_path / "ca.pem"),
        30.0,
    )
    assert transport()._pool.connection_pool_kw["ca_certs"] is None


@pytest.mark.parametrize(
    ("secret", "said"), [("", "set SRANOGAN_WEBHOOK_SECRET"), ("x" * 15, "has 15 bytes")]
)
def test_a_secret_that_is_none_says_how_to_make_one(secret: str, said: str) -> None:
    """None at all, or fewer than 16 bytes."""
    with pytest.raises(SettingsError, match=rf"{said}.* Make one with: openssl rand -hex 32$"):
        WebhookSinkSettings(URL).secret({"SRANOGAN_WEBHOOK_SECRET": secret})
    assert WebhookSinkSettings(URL).secret({"SRANOGAN_WEBHOOK_SECRET": "x" * 16}) == b"x" * 16


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """Which goes before the environment."""
    (tmp_path / "secret").write_text("f" * 20 + "\n")
    (tmp_path / "secret").chmod(0o600)
    settings = WebhookSinkSettings(URL, secret_file=tmp_path / "secret")
    assert settings.secret({"SRANOGAN_WEBHOOK_SECRET": "x" * 16}) == b"f" * 20


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_what_is_taken(status: int) -> None:
    """Any answer from 200 to 299."""
    transport()._judge(status, "", "")


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_is_refused_for_good(status: int) -> None:
    """The body is at fault, and would be the next time."""
    with pytest.raises(RefusedError) as refused:
        transport()._judge(status, "no", "5")
    assert str(refused.value) == f"https://hooks.example/results answered {status}: 'no'"


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 307, 401, 403, 404, 408, 409, 429, 500, 503])
def test_what_is_tried_again(status: int) -> None:
    """What may be mended over there, a redirection too: results go to nobody who was not named."""
    with pytest.raises(UnreachableError, match=f"answered {status}"):
        transport()._judge(status, "later", "")


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("", None), ("120", 120.0), ("3600", 3600.0), ("3601", 3600.0), ("soon", None), ("-1", None)],
)
def test_how_long_a_server_may_ask_for(header: str, wait_s: float | None) -> None:
    """Whole seconds, up to an hour; anything else says nothing."""
    with pytest.raises(UnreachableError) as told:
        transport()._judge(503, "", header)
    assert told.value.retry_after_s == wait_s


def test_an_answer_that_is_no_text_is_told_as_far_as_it_is() -> None:
    """Odd bytes end nothing: the result waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nno\xff\xfe")

        thread = threading.Thread(target=reply)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        with pytest.raises(UnreachableError) as told:
            WebhookTransport(WebhookSinkSettings(address, answer_s=20.0), SECRET).send("key", b"{}")
        thread.join(60)
    assert str(told.value) == f"{address} answered 500: 'no\ufffd\ufffd'"


def test_an_encrypted_webhook_is_the_one_that_is_named(tmp_path: Path) -> None:
    """By the authority of ca_file, and by no other; one that trickles ends in time as in the clear."""
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("hook"))
    got, ends = list[bytes](), threading.Event()
    answers = iter([b"HTTP/1.1 204 Yes\r\n\r\n", b"HTTP/1.1 204 Yes\r\nX-Slow: "])

    def serve() -> None:
        for _ in range(3):
            accepted, _ = server.accept()
            try:
                with context.wrap_socket(accepted, server_side=True) as client:
                    while not got or not got[-1].endswith(b"{}"):
                        got.append(client.recv(65536))
                    client.sendall(answer := next(answers))
                    while answer.endswith(b" ") and not ends.wait(0.02):
                        client.sendall(b"x")
                    got.append(b"")
            except OSError:  # it was not believed, or is ended
                continue

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/hook"
        with pytest.raises(UnreachableError, match=r"cannot be reached: .*certificate verify failed"):
            WebhookTransport(WebhookSinkSettings(url, ca_file=other.file), SECRET).send("key", b"{}")
        assert not got
        WebhookTransport(WebhookSinkSettings(url, ca_file=authority.file), SECRET).send("key", b"{}")
        assert b"X-Sranogan-Key: key" in b"".join(got)
        slow = WebhookTransport(WebhookSinkSettings(url, ca_file=authority.file, total_s=1.0), SECRET)
        with pytest.raises(UnreachableError, match=r"took longer than 1 s \(total_s\)"):
            slow.send("key", b"{}")
        ends.set()
        thread.join(60)
    assert not thread.is_alive()


def test_a_webhook_s_results_wait_in_a_file_of_their_own(tmp_path: Path) -> None:
    """So many as may; it is opened with the secret of the environment."""
    context = SinkContext(tmp_path / "a" / "b", environ={"SRANOGAN_WEBHOOK_SECRET": SECRET.decode()})
    settings = WebhookSinkSettings("https://127.0.0.1:1/x", max_waiting=7)
    courier = settings.open(context)
    courier.write(line(0))
    assert (courier._outbox.limit, len(courier._outbox)) == (7, 1)
    assert settings.outbox(context).is_file()
    courier.close()


def test_values_of_the_address_are_told_nobody() -> None:
    """Each is dotted out, whole, wherever the server repeats it."""
    assert transport()._masked("no such token=hidden (hidden), v=1") == "no such token=...... (......), v=."


@pytest.mark.parametrize(
    ("query", "said", "shown"),
    [
        ("token=a=b&", "a=b, b", "..., b"),
        ("secret", "secret!", "......!"),
        ("x=a+b%26c", "a+b%26c a b&c", "....... ....."),
        ("", "token=", "token="),
    ],
)
def test_what_a_value_of_the_address_is(query: str, said: str, shown: str) -> None:
    """All behind the first =, as it stands there and as it is meant; a word alone is one too."""
    made = WebhookTransport(WebhookSinkSettings(f"https://hooks.example/results?{query}"), SECRET)
    assert made._masked(said) == shown


@pytest.mark.parametrize(
    ("late_s", "valid"), [(-300.0, True), (300.0, True), (-300.5, False), (300.5, False)]
)
def test_a_request_is_valid_for_five_minutes(late_s: float, valid: bool) -> None:
    """By the receiver's clock, which may be behind or before the sender's."""
    signature = sign(SECRET, 1000, b"body")
    assert signature_is_valid(SECRET, "1000", b"body", signature, now=1000 + late_s) is valid
    assert not signature_is_valid(SECRET, "1001", b"body", signature, now=1000)
    assert not signature_is_valid(SECRET, "1000", b"bodY", signature, now=1000)
    assert not signature_is_valid(SECRET[:-1], "1000", b"body", signature, now=1000)


def test_a_deadline_is_of_one_request() -> None:
    """One that passed does not end the next, and a timer that is no longer needed ends nothing."""
    deadline = Deadline()
    deadline._end()
    assert deadline.passed
    with deadline.within(60.0):
        assert not deadline.passed
    assert not deadline.passed


def test_a_connection_that_comes_after_the_end_is_ended_at_once() -> None:
    """The time may be over while a name is looked up: what is connected then waits for nothing."""
    deadline = Deadline()
    here, there = socket.socketpair()
    with here, there:
        deadline.use(here)
        here.sendall(b"x")
        assert there.recv(10) == b"x"  # it lives
        deadline._end()
        assert there.recv(10) == b""
    here, there = socket.socketpair()
    with here, there:
        deadline.use(here)
        there.settimeout(5)
        assert there.recv(10) == b""


def test_a_connection_that_is_gone_already_is_no_trouble() -> None:
    """It ended by itself just before its time was over."""
    deadline = Deadline()
    here, there = socket.socketpair()
    with there:
        deadline.use(here)
        here.close()
        deadline._end()
        assert deadline.passed


def test_a_connection_that_is_used_again_is_the_one_in_use() -> None:
    """Though another was made meanwhile: it is the one that a deadline ends."""
    deadline, pools = Deadline(), urllib3.PoolManager()
    deadline.watch(pools)
    plain: Any = pools.pool_classes_by_scheme["http"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        first, second = (plain.ConnectionCls(*server.getsockname()) for _ in range(2))
        for one in (first, second):
            one.connect()
            assert [deadline._in_use] == [one._second]
        first.request("GET", "/")
        assert [deadline._in_use] == [first._second]
        for one in (first, second):
            one.close()


def test_a_closed_connection_leaves_no_handle_open() -> None:
    """The second handle, by which a deadline ends a request, goes with the first; it is no longer in use."""
    here, there = socket.socketpair()
    deadline = Deadline()

    class Plain:
        def _new_conn(self) -> socket.socket:
            return here

        def close(self) -> None:
            here.close()

    connection = type("Own", (_Watched, Plain), {"deadline": deadline})()
    with there:
        assert connection._new_conn() is here
        second = connection._second
        assert second is not None
        assert second.fileno() not in (-1, here.fileno())
        assert [deadline._in_use] == [second]
        connection.close()
        assert (second.fileno(), here.fileno(), deadline._in_use) == (-1, -1, None)
        connection.close()  # twice is once
