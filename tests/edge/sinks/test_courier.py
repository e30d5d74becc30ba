"""Results on their way: kept while the other side is gone, in order, and never in the feed's way."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.service.delivery import Delivery, SinkReader
from sranogan_edge.sinks.courier import Courier, RefusedError, UnreachableError
from sranogan_edge.sinks.outbox import Message, Outbox
from sranogan_edge.spool.spool import Spool, SpoolLimits
from tests.support.remote_results import Clock, files, names, wait_until
from tests.support.result_lines import line
from tests.support.service_bench import Sink


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


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: a real disk takes minutes to have 100,000 results for sure."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("rate", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_a_broker_that_is_gone_for_an_hour(quick_folder: Path, rate: int) -> None:
    """So many results a second, an hour long: tries get rare, all wait on the disk, then arrive in order."""
    clock, transport = Clock(), Line()
    courier = Courier(transport, Outbox(quick_folder / "outbox.sqlite"), clock=clock, start=False)
    transport.error = UnreachableError("no broker")
    count = 3600 * rate
    for number in range(count):
        clock.now += 1 / rate
        courier.write(line(number))
        courier.pump()
    assert transport.tries < 40
    assert (courier.health.state, courier.health.waiting) == ("failing", count)
    assert courier.health.message == "no broker"
    courier.close()
    transport.error = None
    courier = Courier(transport, Outbox(quick_folder / "outbox.sqlite"), clock=clock, start=False)
    assert courier.health.waiting == count
    courier.pump()
    assert names(transport.got) == files(count)
    health = courier.health
    assert (health.state, health.written, health.waiting, health.lost) == ("ok", count, 0, 0)
    courier.close()


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
        ever = outbox._database.execute("SELECT number FROM counts WHERE name = 'lost'").fetchone()[0]
        assert (outbox.lost, ever) == ((5, 5) if part[0] == 0 else (10, 15))
        first = outbox.first()
        assert first is not None
        assert first.body == b"%d" % (part[-1] - 9)
        outbox.close()
    with pytest.raises(SettingsError, match="max_waiting must be 1 or more"):
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


def test_pauses_grow_and_begin_anew_once_it_works() -> None:
    """1, 2, 4 ... seconds up to 8, the upper half of each; after a success the first one again."""
    clock, transport = Clock(), Line()
    courier = Courier(transport, Outbox(None), retry_s=(1.0, 8.0), clock=clock, start=False)
    for longest in ((1, 2, 4, 8, 8, 8), (1, 2)):
        courier.write(line(0))
        transport.error = UnreachableError("no broker")
        for most in longest:
            pause_s = courier.pump()
            assert most / 2 <= pause_s <= most
            assert courier.pump() == pytest.approx(pause_s)  # too early: nothing is tried
            clock.now += pause_s + 1e-6
        transport.error = None
        courier.pump()
        assert (courier.health.state, courier.health.message) == ("ok", "")
    assert transport.tries == 6 + 1 + 2 + 1


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


def test_what_an_outbox_cannot_take_waits_in_the_spool(tmp_path: Path) -> None:
    """The sink fails with the outbox's reason, the other goes on; all arrives once there is room again."""
    outbox, transport, other = Outbox(tmp_path / "outbox.sqlite"), Line(), Sink()
    outbox._database.execute("PRAGMA max_page_count = 1")  # SQLite lets it grow no more: "disk is full"
    courier = Courier(transport, outbox)
    spool = Spool(tmp_path / "spool", SpoolLimits(min_free_bytes=0))
    transport.error = UnreachableError("no broker")
    delivery = Delivery(spool.outbox, {"broker": SinkReader(courier), "other": SinkReader(other)})
    for number in range(300):
        spool.outbox.record(asdict(line(number)), {})
    delivery.announce()
    wait_until(lambda: len(other.lines) == 300)
    wait_until(lambda: "disk is full" in delivery.failing.get("broker", ""))
    reached = spool.outbox.cursor("broker")
    assert reached
    assert courier.health.waiting == reached.number < 300
    spool.outbox.remove_frames(0, None, 1000)
    assert len(spool.outbox.results(0, 300)) == 300 - courier.health.waiting
    transport.error = None
    with outbox._lock:
        outbox._database.execute("PRAGMA max_page_count = 1000000")
    wait_until(lambda: len(transport.got) == 300)
    assert names(transport.got) == files(300)
    wait_until(lambda: {one.state for one in delivery.health.values()} == {"ok"})
    delivery.close()
    spool.close()


def test_a_really_full_disk_below_the_outbox(small_disk: Path) -> None:
    """SQLite's own error names the outbox, and what it took is in it; after space is freed it goes on."""
    subprocess.run(["mount", "-o", "remount,size=256k", str(small_disk)], check=True)
    transport, clock = Line(), Clock()
    courier = Courier(transport, Outbox(small_disk / "outbox.sqlite"), clock=clock, start=False)

    def fill() -> None:
        for number in range(300):
            courier.write(line(number))

    with pytest.raises(ResultsError, match=r"outbox\.sqlite fails: database or disk is full"):
        fill()
    stored = courier.health.waiting
    assert 0 < stored < 300
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    for number in range(stored, 300):
        courier.write(line(number))
    for _ in range(2):  # what a full disk did not let it note is noted then
        clock.now += 600
        courier.pump()
    assert names(transport.got) == files(300)
    courier.close()


def test_another_side_that_hangs_keeps_nobody_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for so long, and ends with the process at last; what it has is there the next time."""
    monkeypatch.setattr("sranogan_edge.sinks.courier.LAST_TRY_S", 0.01)
    monkeypatch.setattr("sranogan_edge.sinks.courier.LEAVING_S", 0.01)
    hangs, goes_on = threading.Event(), threading.Event()

    class Deaf(Line):
        def send(self, key: str, body: bytes) -> None:
            hangs.set()
            goes_on.wait(60)

    courier = Courier(Deaf(), Outbox(None))
    courier.write(line(0))
    assert hangs.wait(60)
    courier.close()
    thread = courier._thread
    assert thread is not None
    assert (thread.is_alive(), thread.daemon, courier.health.waiting) == (True, True, 1)
    goes_on.set()
    thread.join(60)
    assert not thread.is_alive()


def test_what_json_does_not_have_is_never_sent() -> None:
    """A score that is no number is an error of its own; nothing of it waits."""
    courier = Courier(Line(), Outbox(None), start=False)
    with pytest.raises(ValueError, match="JSON compliant"):
        courier.write(line(0, score=float("nan")))
    assert courier.health.waiting == 0


@pytest.mark.parametrize("start", [True, False])
def test_a_sink_is_closed_once(start: bool) -> None:
    """Whoever closes it again finds it closed: the other side hears one goodbye, and the outbox no more."""
    ended: list[str] = []

    class Polite(Line):
        def close(self) -> None:
            ended.append("transport")

    class Watched(Outbox):
        def close(self) -> None:
            ended.append("outbox")
            super().close()

    courier = Courier(Polite(), Watched(None), start=start)
    courier.close()
    courier.close()
    assert ended == ["transport", "outbox"]
    assert courier.health.state == "closed"


class Forgetful(Outbox):
    """An outbox that cannot note, the first time, that a message arrived."""

    failures = 1

    def done(self, message: Message) -> None:
        if self.failures:
            self.failures -= 1
            raise ResultsError("the disk is full")
        super().done(message)


def test_what_arrived_is_not_sent_again_for_want_of_a_note() -> None:
    """Where only the note of its arrival failed, the note alone is made up for; the next one is sent."""
    clock, transport = Clock(), Line()
    outbox = Forgetful(None)
    courier = Courier(transport, outbox, clock=clock, start=False)
    courier.write(line(0))
    courier.write(line(1))
    assert courier.pump() > 0
    assert (names(transport.got), outbox.sent, courier.health.message) == (["0.png"], 0, "the disk is full")
    clock.now += 10
    courier.pump()
    assert (names(transport.got), outbox.sent, len(outbox)) == (["0.png", "1.png"], 2, 0)
    assert courier.health.state == "ok"
