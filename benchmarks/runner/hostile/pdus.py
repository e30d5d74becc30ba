"""Hostile associations: damaged PDUs, damaged objects inside of sound ones, extremes, and noise."""

from __future__ import annotations

import random
import struct

from benchmarks.runner.hostile.films import IMPLICIT, damaged_film, film
from benchmarks.runner.hostile.kinds import Rng, kind, mutated
from benchmarks.runner.hostile.wire import damaged

__all__ = ["Talk", "of_contexts", "with_object"]

Talk = list[bytes]  # PDUs: association, C-ECHO, C-STORE (command, data), release
_DATA, _RELEASE, _ABORT = 4, 5, 7  # kinds of PDU, PS3.8, 9.3.1
_PDV_BYTES = 16_000
_META_BYTES = 132  # preamble and "DICM"
_EXTREMES = (0, 1, 5, 2**16, 2**20, 2**20 + 1, 2**31 - 1, 2**31, 2**32 - 1)


def pdu(kind_: int, body: bytes, *, length: int | None = None) -> bytes:
    """One PDU; its length may lie."""
    return struct.pack(">BxI", kind_, len(body) if length is None else length) + body


def _item(kind_: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind_, len(body) & 0xFFFF) + body


def of_contexts(contexts: bytes, user: bytes = b"\x51\0\0\4\0\0\x40\0") -> bytes:
    """An A-ASSOCIATE-RQ with these presentation contexts."""
    body = struct.pack(">H2x", 1) + b"SRANOGAN".ljust(16) + b"XRAY1".ljust(16) + bytes(32)
    body += _item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + _item(0x50, user)
    return pdu(1, body)


def with_object(talk: Talk, data: bytes) -> Talk:
    """The talk with another data set in its C-STORE, whatever its command says of it."""
    stores = [at for at, one in enumerate(talk) if one[0] == _DATA and len(one) > 12 and not one[11] & 1]
    context = talk[stores[0]][10]
    parts = [data[at : at + _PDV_BYTES] for at in range(0, len(data), _PDV_BYTES)] or [b""]
    made = []
    for number, part in enumerate(parts):
        last = 2 if number == len(parts) - 1 else 0
        made.append(pdu(_DATA, struct.pack(">IBB", len(part) + 2, context, last) + part))
    return [*talk[: stores[0]], *made, *talk[stores[-1] + 1 :]]


@kind("pdu: associations, damaged", "pdu", weight=40)
def damaged_talk(rng: Rng, talk: Talk) -> Talk:
    """One to four faults: bytes, lengths, kinds, cuts, and PDUs left out, repeated or swapped."""
    return damaged(talk, random.Random(int(rng.integers(0, 2**62))))


@kind("pdu: a C-STORE of a damaged object", "pdu", weight=40)
def damaged_object(rng: Rng, talk: Talk) -> Talk:
    """The association is sound; the object is not."""
    return with_object(talk, _data_set(damaged_film(rng)))


@kind("pdu: a C-STORE of another object", "pdu", weight=5)
def other_object(rng: Rng, talk: Talk) -> Talk:
    """A sound object that is not the one which the command names, or of another transfer syntax."""
    whole = film(syntax=IMPLICIT) if rng.integers(0, 2) else film()
    return with_object(talk, _data_set(whole))


def _data_set(file: bytes) -> bytes:
    """What stands behind the meta information, where it says how long it is; else all of it."""
    if len(file) > _META_BYTES + 12 and file[_META_BYTES : _META_BYTES + 6] == b"\2\0\0\0UL":
        (size,) = struct.unpack_from("<I", file, _META_BYTES + 8)
        return file[min(len(file), _META_BYTES + 12 + size) :]
    return file


@kind("pdu: lengths that lie", "pdu", weight=5)
def lying_lengths(rng: Rng, talk: Talk) -> Talk:
    """A PDU, or the value in it, claims another length than it has."""
    made, at = list(talk), int(rng.integers(0, len(talk)))
    length = int(rng.choice(_EXTREMES))
    if rng.integers(0, 2) and len(made[at]) > 12:
        made[at] = made[at][:6] + struct.pack(">I", length) + made[at][10:]
    else:
        made[at] = pdu(made[at][0], made[at][6:], length=length)
    return made


@kind("pdu: hundreds of presentation contexts", "pdu", weight=2)
def many_contexts(rng: Rng, talk: Talk) -> Talk:
    """More than there are numbers for, with numbers twice, even or 0, with many syntaxes, or none."""
    names = (b"1.2.840.10008.1.1", b"1.2.840.10008.5.1.4.1.1.1.1", b"9" * 64, b"", b"\xff" * 30)
    made = b""
    for number in range(int(rng.integers(100, 700))):
        syntaxes = _item(0x40, b"1.2.840.10008.1.2") * int(rng.integers(0, 4))
        name = _item(0x30, names[int(rng.integers(0, len(names)))])
        made += _item(0x20, bytes([number % 256, 0, 0, 0]) + name + syntaxes)
    return [of_contexts(made), *talk[1:]]


@kind("pdu: user items", "pdu", weight=3)
def user_items(rng: Rng, talk: Talk) -> Talk:
    """Roles, negotiations, identities and items that there are none of, of any length."""
    items = [_item(int(rng.integers(0x50, 0x60)), rng.bytes(int(rng.integers(0, 300)))) for _ in range(20)]
    context = _item(0x20, b"\1\0\0\0" + _item(0x30, b"1.2.840.10008.1.1") + _item(0x40, b"1.2.840.10008.1.2"))
    return [of_contexts(context, b"".join(items)), *talk[1:]]


@kind("pdu: titles", "pdu", weight=3)
def titles(rng: Rng, talk: Talk) -> Talk:
    """AE titles of any bytes: blank, control codes, no ASCII."""
    head = talk[0]
    called = b"SRANOGAN".ljust(16) if rng.integers(0, 2) else rng.bytes(16)
    return [head[:10] + called + rng.bytes(16) + head[42:], *talk[1:]]


@kind("pdu: out of turn", "pdu", weight=5)
def out_of_turn(rng: Rng, talk: Talk) -> Talk:
    """Any PDU first, and any after it; releases and aborts in between, one again and again."""
    more = [
        pdu(_RELEASE, bytes(4)),
        pdu(_ABORT, bytes(4)),
        pdu(2, talk[0][6:]),
        pdu(3, bytes(4)),
        pdu(6, bytes(4)),
    ]
    pool = [*talk, *more]
    return [pool[int(at)] for at in rng.integers(0, len(pool), int(rng.integers(1, 12)))]


@kind("pdu: commands, damaged", "pdu", weight=20)
def damaged_command(rng: Rng, talk: Talk) -> Talk:
    """The elements of a C-ECHO's or C-STORE's command, any damage."""
    commands = [at for at, one in enumerate(talk) if one[0] == _DATA and len(one) > 12 and one[11] & 1]
    at, made = int(rng.choice(commands)), list(talk)
    said = mutated(made[at][12:], rng, 3)
    made[at] = pdu(_DATA, struct.pack(">I", len(said) + 2) + made[at][10:12] + said)
    return made


@kind("pdu: noise", "pdu", weight=5)
def noise(rng: Rng, talk: Talk) -> Talk:
    """No DICOM at all: random bytes, HTTP, TLS."""
    others = (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + rng.bytes(300))
    return [others[int(rng.integers(0, 2))] if rng.integers(0, 2) else rng.bytes(int(rng.integers(1, 2000)))]


@kind("pdu: a flood of silent connections", "pdu flood")
def silent_pdus(rng: Rng) -> bytes:
    """They say nothing."""
    return b""


@kind("pdu: a flood of half requests", "pdu flood")
def half_pdus(rng: Rng) -> bytes:
    """They begin to ask for an association, and stop."""
    whole = of_contexts(_item(0x20, bytes(40)))
    return whole[: int(rng.integers(1, len(whole)))]
