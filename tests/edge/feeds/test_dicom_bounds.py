"""What one DICOM peer can hold: bytes, time, connections; whatever it sends, the next film gets in."""

from __future__ import annotations

import io
import os
import resource
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.feeds import dicom_doors
from tests.support.dicom_archive import until
from tests.support.dicom_peer import IMAGE, Make, Shelf, associate, receiving, request_association, send


def test_an_object_above_the_limit_ends_its_association(make_dicom: Make) -> None:
    """A larger object than allowed is cut off while it comes in; the receiver goes on."""
    shelf = Shelf()
    with receiving(shelf, max_object_bytes=100_000) as receiver:
        large = make_dicom(np.zeros((1024, 1024), np.uint16))
        association = associate(receiver.port)
        assert association.send_c_store(pydicom.dcmread(io.BytesIO(large))).get("Status") is None
        assert until(lambda: association.is_aborted)
        assert send(receiver.port, make_dicom(IMAGE)) == 0x0000
    assert len(shelf.kept) == 1


def test_an_object_just_above_the_limit_is_refused_for_good(make_dicom: Make) -> None:
    """One that the connection's room for headers lets through is answered; the association goes on."""
    shelf = Shelf()
    with receiving(shelf, max_object_bytes=IMAGE.nbytes) as receiver:
        assert send(receiver.port, make_dicom(IMAGE)) == 0xC001
        assert send(receiver.port, make_dicom(IMAGE[:32])) == 0x0000
    assert len(shelf.kept) == 1


def test_a_claimed_gigabyte_allocates_nothing() -> None:
    """A PDU that claims 1 GiB ends the connection at its header, before and in an association."""
    with receiving(Shelf()) as receiver:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for first in (b"", request_association(b"XRAY1")):
            with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as client:
                if first:
                    client.sendall(first)
                    assert client.recv(4096)[0] == 2
                client.sendall(struct.pack(">BxI", 4 if first else 1, 2**30) + bytes(1000))
                with suppress(ConnectionError):
                    assert client.recv(10)[:1] in (b"\x07", b"")  # A-ABORT, or closed
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
        assert associate(receiver.port).is_established


def closed_after(client: socket.socket) -> float:
    """Seconds until the receiver closes this connection (or aborts it)."""
    begin = time.monotonic()
    client.settimeout(20)
    with suppress(ConnectionError):
        while client.recv(4096):
            pass
    return time.monotonic() - begin


def test_half_open_slow_and_endless_peers_time_out() -> None:
    """No peer holds a place for ever: silent, trickling, idle, or echoing on and on."""
    times = {"handshake_s": 1.0, "pdu_s": 1.5, "idle_s": 2.0, "max_association_s": 4.0}
    with receiving(Shelf(), **times) as receiver:
        address = ("127.0.0.1", receiver.port)
        with socket.create_connection(address) as silent:
            assert closed_after(silent) < 10
        with socket.create_connection(address) as trickling:
            trickling.sendall(request_association(b"XRAY1")[:20])
            assert closed_after(trickling) < 10
        with socket.create_connection(address) as idle:
            idle.sendall(request_association(b"XRAY1"))
            assert idle.recv(4096)[0] == 2
            assert closed_after(idle) < 10
        endless = associate(receiver.port)
        begin = time.monotonic()
        while endless.is_established and time.monotonic() - begin < 20:
            endless.send_c_echo()
            time.sleep(0.2)
        assert 3 < time.monotonic() - begin < 15
        assert until(lambda: receiver.associations == 0)


def test_two_hundred_at_once_are_served_or_refused_politely(
    make_dicom: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 200 connections at once as many as allowed get an association, all others a clean rejection."""
    monkeypatch.setattr(dicom_doors, "_CHANCE_S", 60.0)  # here nobody is slow, however busy the machine is
    many = {"max_associations": 5, "max_per_address": 5}
    with receiving(Shelf(), **many, handshake_s=30, idle_s=60, pdu_s=60) as receiver:
        clients = [socket.create_connection(("127.0.0.1", receiver.port), timeout=60) for _ in range(200)]
        for client in clients:
            client.sendall(request_association(b"XRAY1"))
        answers = [client.recv(10) for client in clients]
        assert sorted({answer[0] for answer in answers}) == [2, 3]
        assert sum(answer[0] == 2 for answer in answers) == 5
        assert {answer[7:10] for answer in answers if answer[0] == 3} == {b"\2\3\2"}  # for now: local limit
        for client in clients:
            client.close()
        assert until(lambda: receiver.associations == 0, 60)
        assert send(receiver.port, make_dicom(IMAGE)) == 0x0000


def test_half_open_connections_do_not_lock_scanners_out(make_dicom: Make) -> None:
    """Connections that ask for nothing do not count as associations."""
    with receiving(Shelf(), max_associations=2) as receiver:
        silent = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(20)]
        assert send(receiver.port, make_dicom(IMAGE)) == 0x0000
        for client in silent:
            client.close()


def test_nothing_is_left_open(make_dicom: Make) -> None:
    """Thirty associations leave no file handle and no thread behind."""
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("no /proc here to count file handles in")
    with receiving(Shelf()) as receiver:
        send(receiver.port, make_dicom(IMAGE))
        before = len(os.listdir(handles))
        for _ in range(30):
            send(receiver.port, make_dicom(IMAGE))
        assert until(lambda: len(os.listdir(handles)) <= before + 2)
        assert until(lambda: receiver.associations == 0)
