"""DICOM on the wire: what a client sent is recorded, and sent again, damaged or changed."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

__all__ = ["ASSOCIATE", "damaged", "pdus_of", "recorded", "replayed"]

ASSOCIATE = 1  # the kind of PDU, PS3.8, 9.3.1
_HEADER_BYTES = 6  # kind, reserved, length of the rest


def recorded(port: int, talk: Callable[[int], object]) -> list[bytes]:
    """The PDUs that a client sends to the server at ``port``; ``talk`` gets the port to connect to."""
    stream = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as middle:

        def pass_on() -> None:
            client, _ = middle.accept()
            with client, socket.create_connection(("127.0.0.1", port)) as server:
                back = threading.Thread(target=_copy, args=(server, client, None))
                back.start()
                _copy(client, server, stream)
                back.join()

        thread = threading.Thread(target=pass_on)
        thread.start()
        talk(int(middle.getsockname()[1]))
        thread.join()
    return pdus_of(bytes(stream))


def _copy(source: socket.socket, target: socket.socket, note: bytearray | None) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            if note is not None:
                note += part
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def pdus_of(stream: bytes) -> list[bytes]:
    """Cut a stream into its PDUs."""
    found, at = [], 0
    while at < len(stream):
        (length,) = struct.unpack_from(">I", stream, at + 2)
        found.append(stream[at : at + _HEADER_BYTES + length])
        at += len(found[-1])
    return found


def replayed(
    port: int,
    pdus: list[bytes],
    patience_s: float,
    wait_for: bytes | None = None,
    *,
    source: str = "127.0.0.1",
) -> bytes:
    """Send ``pdus`` (the first, then the rest once something came back), and hear the server out.

    As a client that dies it hangs up before the answers came; with ``wait_for`` it listens until it has heard
    these bytes, or the server ends it. ``source`` is the address that it comes from.

    Raises:
        TimeoutError: the server kept the connection for longer than ``patience_s`` after all was sent.
    """
    heard = bytearray()
    at = ("127.0.0.1", port)
    with socket.create_connection(at, timeout=patience_s, source_address=(source, 0)) as client:
        with suppress(ConnectionError):
            client.sendall(pdus[0])
            if len(pdus) > 1:
                client.settimeout(0.5)  # a damaged request may have no answer before its rest comes
                with suppress(TimeoutError):
                    heard += client.recv(65536)
                client.settimeout(patience_s)
                client.sendall(b"".join(pdus[1:]))
        with suppress(OSError):  # the server closed it meanwhile
            if wait_for is None:
                client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while (not wait_for or wait_for not in heard) and (part := client.recv(65536)):
                heard += part
    return bytes(heard)


def damaged(pdus: list[bytes], draw: random.Random) -> list[bytes]:
    """A copy with one to four faults: bytes, lengths, kinds, cuts, and PDUs left out, repeated or swapped."""
    made = [bytearray(pdu) for pdu in pdus]
    for _ in range(draw.randint(1, 4)):
        _damage(made, draw)
    return [bytes(pdu) for pdu in made if pdu] or [b"\0"]


def _damage(made: list[bytearray], draw: random.Random) -> None:
    place = draw.randrange(len(made))
    pdu = made[place]
    fault = draw.choice(
        ("byte", "byte", "byte", "length", "inner", "kind", "cut", "drop", "twice", "swap", "noise")
    )
    if fault == "byte" and pdu:
        head = draw.random() < 0.7  # where the headers of PDU, command and data set are
        pdu[draw.randrange(min(len(pdu), 400) if head else len(pdu))] = draw.randrange(256)
    elif fault == "length" and len(pdu) >= _HEADER_BYTES:
        struct.pack_into(">I", pdu, 2, draw.choice((0, 1, len(pdu), 2**20, 2**20 + 1, 2**30, 2**32 - 1)))
    elif fault == "inner" and len(pdu) >= 12:  # of the first presentation data value, or an item
        struct.pack_into(">I", pdu, draw.randrange(6, 9), draw.choice((0, 1, 2, 2**16, 2**31, 2**32 - 1)))
    elif fault == "kind" and pdu:
        pdu[0] = draw.randrange(256)
    elif fault == "cut":
        del pdu[draw.randrange(len(pdu) + 1) :]
    elif fault == "drop":
        pdu.clear()
    elif fault == "twice":
        made.insert(place, bytearray(pdu))
    elif fault == "swap":
        other = draw.randrange(len(made))
        made[place], made[other] = made[other], made[place]
    else:
        pdu[draw.randrange(len(pdu) + 1) :] = draw.randbytes(draw.randrange(200))
