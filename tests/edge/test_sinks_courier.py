"""Results on their way: kept while the other side is gone, in order, and never in the feed's way."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.sinks.courier import Courier, RefusedError, UnreachableError
from sranogan_edge.sinks.outbox import Outbox
from tests.edge.remote_results import Clock, files, names
from tests.edge.result_lines import line


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


def test_a_broker_that_is_gone_for_an_hour() -> None:
    """A result a second, an hour long: tries get rare, all wait, then arrive once, in order."""
    clock, transport = Clock(), Line()
    courier = Courier(transport, Outbox(None), clock=clock, start=False)
    transport.error = UnreachableError("no broker")
    for number in range(3600):
        clock.now += 1
        courier.write(line(number))
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
        courier.write(line(number))
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
    courier.write(line(0))
    courier.pump()
    transport.error = None
    courier.write(line(1))
    courier.pump()
    assert names(transport.got) == ["1.png"]
    assert (courier.health.refused, courier.health.waiting, courier.health.written) == (1, 0, 1)


def test_a_library_that_raises_anything_stops_nothing() -> None:
    """An error that nobody foresaw is one more reason to wait, by its name."""
    clock, transport = Clock(), Line()
    courier = Courier(transport, Outbox(None), clock=clock, start=False)
    transport.error = AttributeError("surprise")
    courier.write(line(0))
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
            courier.write(line(number))
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
        courier.write(line(number))
    assert courier.health.waiting == 300
    assert len(outbox) < 300
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    transport.error = None
    for _ in range(2):
        clock.now += 600
        courier.pump()
    assert names(transport.got) == files(300)
    courier.close()
