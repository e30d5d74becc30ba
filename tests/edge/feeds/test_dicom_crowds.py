"""However many connections and associations somebody holds, the next scanner gets in, and it is told."""

from __future__ import annotations

import io
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")
pytest.importorskip("cryptography", reason="the extra sign is not installed")
import pydicom

from sranogan_edge.alarms import Alarms
from sranogan_edge.feeds.dicom_doors import BEGINNING, Doors
from sranogan_edge.feeds.dicom_seats import Seats
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.refusals import Refusals
from tests.support.certificates import Authority
from tests.support.dicom_archive import until
from tests.support.dicom_peer import IMAGE, Make, Shelf, associate, receiving, request_association
from tests.support.flood import flood

Pairs = Callable[[], tuple[socket.socket, socket.socket]]
HANDLES = Path("/proc/self/fd")


def send_from(address: str, port: int, data: bytes, **more: Any) -> int | None:
    """Send one object from an address of this machine; tried as often as a scanner does."""
    for _ in range(5):
        association = associate(port, bind_address=(address, 0), **more)
        if association.is_established:
            status = association.send_c_store(pydicom.dcmread(io.BytesIO(data)))
            association.release()
            return status.get("Status")
    return None


@pytest.mark.parametrize("say", [b"", request_association(b"XRAY1")[:20]], ids=["silent", "half"])
@pytest.mark.parametrize("addresses", [["127.0.0.1"], [f"127.0.0.{n}" for n in range(1, 9)]])
def test_a_thousand_connections_shut_out_nobody(make_dicom: Make, addresses: list[str], say: bytes) -> None:
    """Silent or in the midst of asking; a film from another address is stored, and the health tells it."""
    handles, threads = len(os.listdir(HANDLES)), threading.active_count()
    with receiving(Shelf(), handshake_s=60) as receiver, flood(receiver.port, 1000, *addresses, say=say):
        assert len(os.listdir(HANDLES)) - handles < 400
        assert threading.active_count() - threads < 2 * BEGINNING + 10
        assert send_from("127.0.0.9", receiver.port, make_dicom(IMAGE)) == 0x0000
        assert receiver.refusals.total > 500
        assert "all places are taken" in receiver.refusals.alarm


def test_three_hundred_silent_ones_with_tls_shut_out_nobody(tmp_path: Path, make_dicom: Make) -> None:
    """They never shake hands: each is closed in time, or makes room."""
    authority = Authority(tmp_path)
    certificate, key = authority.sign("node")
    trusting = ssl.create_default_context(cafile=str(authority.file))
    tls = {"tls_certificate": certificate, "tls_key": key}
    with receiving(Shelf(), handshake_s=60, **tls) as receiver, flood(receiver.port, 300):
        found = send_from("127.0.0.9", receiver.port, make_dicom(IMAGE), tls_args=(trusting, "127.0.0.1"))
        assert found == 0x0000


def test_a_tls_handshake_that_trickles_ends(tmp_path: Path) -> None:
    """A byte now and then is no reason to wait longer than for a handshake."""
    certificate, key = Authority(tmp_path).sign("node")
    with receiving(Shelf(), handshake_s=1.0, tls_certificate=certificate, tls_key=key) as receiver:
        client = socket.create_connection(("127.0.0.1", receiver.port))
        closed, hello = threading.Event(), b"\x16\x03\x01\x02\x00" + bytes(500)

        def trickle() -> None:
            for byte in hello:
                try:
                    client.sendall(bytes([byte]))
                except OSError:
                    break
                if closed.wait(0.3):
                    return
            closed.set()

        thread = threading.Thread(target=trickle)
        thread.start()
        assert closed.wait(30)
        thread.join()
        client.close()
        assert until(lambda: len(receiver._doors) == 0)


def test_idle_associations_leave_places_for_other_addresses(make_dicom: Make) -> None:
    """One address holds half of the places at most, however politely it asks for more."""
    with receiving(Shelf(), max_associations=8) as receiver:
        idle = [associate(receiver.port) for _ in range(8)]
        assert [one.is_established for one in idle] == [True] * 4 + [False] * 4
        assert send_from("127.0.0.2", receiver.port, make_dicom(IMAGE)) == 0x0000
        assert "it holds 4 of the 4 associations of one address" in receiver.refusals.alarm
        for one in idle[:4]:
            one.release()


def test_idle_associations_of_many_addresses_make_room(make_dicom: Make) -> None:
    """Where all places are taken, one that only says hello gives way once it stored nothing for a while."""
    with receiving(Shelf(), max_associations=2, max_per_address=1, idle_s=1.0) as receiver:
        idle = [associate(receiver.port, bind_address=(f"127.0.0.{n}", 0)) for n in (2, 3)]
        stop = threading.Event()

        def hello() -> None:
            while not stop.wait(0.2):
                for one in idle:
                    if one.is_established:
                        one.send_c_echo()

        thread = threading.Thread(target=hello)
        thread.start()
        assert until(lambda: send_from("127.0.0.4", receiver.port, make_dicom(IMAGE)) == 0x0000)
        stop.set()
        thread.join()
        assert "stored nothing for 1 s" in receiver.refusals.alarm
        for one in idle:
            one.abort()


def test_what_was_refused_is_in_the_feed_s_health() -> None:
    """As a number for the metrics, and as an alarm while it lasts."""
    feed = DicomFeedSettings("dicom:127.0.0.1:0?calling=XRAY1", max_associations=1).open()
    try:
        first = associate(feed.receiver.port)
        with socket.create_connection(("127.0.0.1", feed.receiver.port)) as second:
            second.sendall(request_association(b"XRAY1"))
            assert second.recv(10)[0] == 3
        assert feed.health.refused == 1
        assert feed.health.alarm.startswith("senders are refused, all places are taken")
        feed.receiver.refusals._now = lambda: float("inf")
        assert feed.health.alarm == ""
        first.release()
    finally:
        feed.close()


def test_refusals_are_logged_once_a_minute_for_an_address(caplog: pytest.LogCaptureFixture) -> None:
    """A flood is no flood of the log, whatever number of addresses it has."""
    clock = [0.0]
    refusals = Refusals("DICOM", "crowded", lambda: clock[0])
    for number in range(2000):
        refusals.note("10.0.0.1", f"closed at port {number}")
    assert len(caplog.records) == 1
    clock[0] = 61.0
    refusals.note("10.0.0.1", "closed")
    assert len(caplog.records) == 2
    for number in range(2000):
        refusals.note(f"10.1.{number // 250}.{number % 250}", "closed")
    assert len(refusals._told) <= 256
    assert refusals.total == 4001


def test_other_examples_are_one_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """The newest address changes; the alarm is told once."""
    alarms, refusals = Alarms(), Refusals("DICOM", "crowded")
    for number in range(5):
        refusals.note(f"10.0.0.{number}", "closed")
        alarms.note("feed x", refusals.alarm)
    assert sum("alarm:" in record.message for record in caplog.records) == 1


class Peer:
    """An association, or a connection, as far as a place is concerned."""

    ident = 1

    def __init__(self) -> None:
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive


def test_places_go_by_address_and_by_work() -> None:
    """Whoever stored nothing for longest makes room; the dead hold no place."""
    clock = [0.0]
    seats = Seats(3, 2, 10.0, lambda: clock[0])
    a, b, c, d = (Peer() for _ in range(4))
    assert seats.take(a, "one") == seats.take(b, "one") == seats.take(c, "two") == ("", None)
    assert seats.take(d, "three") == ("all 3 are taken", None)
    assert seats.take(d, "one") == ("it holds 2 of the 2 associations of one address", None)
    clock[0] = 10.0
    seats.worked(a)
    assert seats.take(d, "one") == ("", b)
    assert seats.taken() == [a, c, d]
    c.alive = False
    assert seats.take(b, "three") == ("", None)


def test_who_stores_again_and_again_stays_however_long() -> None:
    """A long study is no idle association: it began long ago, and stored something just now."""
    clock = [0.0]
    seats = Seats(1, 1, 10.0, lambda: clock[0])
    scanner, other = Peer(), Peer()
    assert seats.take(scanner, "one") == ("", None)
    for clock[0] in (9.0, 18.0, 27.0):
        seats.worked(scanner)
    clock[0] = 36.9
    assert seats.take(other, "two") == ("all 1 are taken", None)
    clock[0] = 37.0
    assert seats.take(other, "two") == ("", scanner)


@pytest.fixture
def pairs() -> Iterator[Callable[[], tuple[socket.socket, socket.socket]]]:
    """Give a function that makes connected sockets: the node's, and the peer's."""
    made: list[socket.socket] = []

    def make() -> tuple[socket.socket, socket.socket]:
        pair = socket.socketpair()
        made.extend(pair)
        return pair

    yield make
    for one in made:
        one.close()


def test_who_holds_most_connections_gives_way_first(pairs: Pairs) -> None:
    """Its oldest that says nothing; what has a thread stays."""
    doors, ends = Doors(4, Refusals("DICOM", "crowded")), {}
    for peer in [("10.0.0.1", 1), ("10.0.0.1", 2), ("10.0.0.1", 3), ("10.0.0.2", 1), ("10.0.0.3", 1)]:
        own, ends[peer] = pairs()
        assert doors.enter(peer, own)
    assert {one.peer for one in doors._inside} == ends.keys() - {("10.0.0.1", 1)}
    assert ends["10.0.0.1", 1].recv(1) == b""  # closed
    for end in list(ends.values())[1:]:
        end.sendall(b"\1")
    begun: list[Any] = []
    while len(begun) < 4:
        doors.look(lambda client, peer: begun.append(peer))
    assert not doors.enter(("10.0.0.4", 1), pairs()[0])
    doors.left_alone(("10.0.0.2", 1))  # its thread has ended
    assert doors.enter(("10.0.0.4", 1), pairs()[0])


def test_threads_are_few_and_shared_by_address(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many that begin to ask get no more threads than there are; another address's goes in front of them."""
    monkeypatch.setattr("sranogan_edge.feeds.dicom_doors._CHANCE_S", 1e9)
    doors, begun = Doors(1000, Refusals("DICOM", "crowded")), list[Any]()
    for port in range(2 * BEGINNING):
        own, end = pairs()
        assert doors.enter(("10.0.0.1", port), own)
        end.sendall(b"\1")
    for _ in range(10):
        doors.look(lambda client, peer: begun.append(peer))
    assert len(begun) == BEGINNING
    own, end = pairs()
    doors.enter(("10.0.0.2", 1), own)
    end.sendall(b"\1")
    doors.look(lambda client, peer: begun.append(peer))
    monkeypatch.setattr("sranogan_edge.feeds.dicom_doors._CHANCE_S", 0.0)
    doors.look(lambda client, peer: begun.append(peer))
    assert len(begun) == BEGINNING  # threads that were told to end have not yet
    doors.left_alone(begun[0])
    doors.look(lambda client, peer: begun.append(peer))
    assert begun[BEGINNING] == ("10.0.0.2", 1)


def test_where_no_thread_is_to_be_had_the_door_stays_open(pairs: Pairs) -> None:
    """That connection is closed and counted; the next one is looked at."""
    doors, begun = Doors(10, Refusals("DICOM", "crowded")), list[Any]()
    ends = []
    for port in (1, 2):
        own, end = pairs()
        doors.enter(("10.0.0.1", port), own)
        end.sendall(b"\1")
        ends.append(end)

        def begin(client: socket.socket, peer: Any) -> None:
            if peer[1] == 1:
                raise RuntimeError("can't start new thread")
            begun.append(peer)

        doors.look(begin)
    with suppress(ConnectionResetError):  # what it said was not read
        assert ends[0].recv(1) == b""
    assert (begun, doors.refusals.total, len(doors)) == ([("10.0.0.1", 2)], 1, 1)
