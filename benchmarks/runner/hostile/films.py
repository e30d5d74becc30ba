"""Hostile DICOM objects: more elements, items, fragments or values than a film has, and damaged ones."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np

from benchmarks.runner.hostile.codecs import jpeg_of_scans, many_precincts
from benchmarks.runner.hostile.kinds import Rng, kind, mutated

__all__ = ["deep", "film", "many_elements", "many_fragments", "many_items", "many_values"]

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
JPEG_2000, JPEG_BASELINE = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"
_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")
_UNDEFINED = 0xFFFFFFFF
_SIDE = 64


def element(group: int, number: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """One explicit element; without a ``vr`` an implicit one."""
    size = len(value) if length is None else length
    if not vr:
        return struct.pack("<HHI", group, number, size) + value
    if vr in _LONG:
        return struct.pack("<HH2sHI", group, number, vr, 0, size) + value
    return struct.pack("<HH2sH", group, number, vr, size) + value


def text(value: str) -> bytes:
    """A value of even length."""
    return value.encode() + b" " * (len(value) % 2)


def film(
    *,
    more: bytes = b"",
    meta: bytes = b"",
    syntax: str = EXPLICIT,
    rows: int = _SIDE,
    pixels: bytes | None = None,
) -> bytes:
    """A CR film of noise with ``more`` elements before its pixels, and ``meta`` in its meta information."""

    def put(group: int, number: int, vr: bytes, value: bytes) -> bytes:
        return element(group, number, b"" if syntax == IMPLICIT else vr, value)

    kind_uid, uid = text("1.2.840.10008.5.1.4.1.1.1"), text("1.2.3.4.5")
    head = element(2, 0x10, b"UI", text(syntax)) + meta
    body = [put(8, 0x16, b"UI", kind_uid), put(8, 0x18, b"UI", uid), put(8, 0x60, b"CS", b"CR")]
    body += [put(0x10, 0x20, b"LO", b"P1"), put(0x20, 0xD, b"UI", uid), put(0x20, 0xE, b"UI", uid)]
    numbers = {0x2: 1, 0x10: rows, 0x11: rows, 0x100: 8, 0x101: 8, 0x102: 7, 0x103: 0}
    layout = [put(0x28, number, b"US", struct.pack("<H", value)) for number, value in numbers.items()]
    layout.insert(1, put(0x28, 4, b"CS", text("MONOCHROME2")))
    data = put(0x7FE0, 0x10, b"OW", _noise(rows)) if pixels is None else encapsulated(pixels)
    start = element(2, 0, b"UL", struct.pack("<I", len(head)))
    return b"".join([bytes(128), b"DICM", start, head, *body, *layout, more, data])


@cache
def _noise(rows: int) -> bytes:
    return np.random.default_rng(0).integers(0, 256, rows * rows, np.uint8).tobytes()


def encapsulated(frame: bytes) -> bytes:
    """Compressed pixel data of one frame."""
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    part = struct.pack("<HHI", 0xFFFE, 0xE000, len(frame) + len(frame) % 2) + frame + b"\0" * (len(frame) % 2)
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return element(0x7FE0, 0x10, b"OB", item + part + end, length=_UNDEFINED)


@cache
def empty_elements(count: int, vr: bytes = b"LO") -> bytes:
    """Empty private elements, 8 bytes each, in ascending order as far as there are numbers."""
    heads = np.zeros((count, 8), np.uint8)
    numbers = np.arange(count, dtype=np.uint32)
    heads[:, 0:2] = (0x29 + 2 * (numbers // 0xE000)).astype("<u2").view(np.uint8).reshape(-1, 2)
    heads[:, 2:4] = (0x1000 + numbers % 0xE000).astype("<u2").view(np.uint8).reshape(-1, 2)
    heads[:, 4:6] = np.frombuffer(vr or b"\0\0", np.uint8)
    return heads.tobytes()


def sequence(
    items: bytes, *, defined: bool, implicit: bool = False, tag: tuple[int, int] = (0x28, 0x3010)
) -> bytes:
    """A sequence of ``items``, of stated length or ended by a delimiter."""
    vr = b"" if implicit else b"SQ"
    if defined:
        return element(*tag, vr, items)
    return element(*tag, vr, items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), length=_UNDEFINED)


def item(content: bytes) -> bytes:
    """One item of stated length."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


@kind("dicom: millions of empty elements", "film", refused=True)
def many_elements(rng: Rng, count: int = 3_000_000) -> bytes:
    """In the data set, in an item of a sequence of either kind, implicit ones, or in the meta information."""
    elements = empty_elements(count)
    match int(rng.integers(0, 5)):
        case 0:
            return film(more=elements)
        case 1:
            return film(more=sequence(item(elements), defined=True))
        case 2:
            return film(more=sequence(item(elements), defined=False))
        case 3:
            return film(more=empty_elements(count, b""), syntax=IMPLICIT)
        case _:
            return film(meta=element(2, 0x102, b"OB", b"") * (count // 2))


@kind("dicom: a million empty items", "film", refused=True)
def many_items(rng: Rng, count: int = 1_000_000) -> bytes:
    """In a sequence of either kind, explicit or implicit."""
    implicit = bool(rng.integers(0, 2))
    found = sequence(item(b"") * count, defined=bool(rng.integers(0, 2)), implicit=implicit)
    return film(more=found, syntax=IMPLICIT if implicit else EXPLICIT)


@kind("dicom: sequences inside of sequences", "film", refused=True)
def deep(rng: Rng, levels: int = 2000) -> bytes:
    """More levels than Python recurses."""
    found = b""
    opened = element(0x0028, 0x3010, b"SQ", b"", length=_UNDEFINED)
    opened += struct.pack("<HHI", 0xFFFE, 0xE000, _UNDEFINED)
    closed = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return film(more=opened * levels + found + closed * levels)


@kind("dicom: millions of fragments", "film", refused=True)
def many_fragments(rng: Rng, count: int = 1_000_000) -> bytes:
    """Compressed pixel data in pieces of nothing."""
    pieces = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    whole = film(syntax=JPEG_2000, pixels=b"")
    return whole[: whole.rindex(b"\xe0\x7f\x10\0")] + element(0x7FE0, 0x10, b"OB", pieces, length=_UNDEFINED)


@kind("dicom: millions of values", "film", refused=True)
def many_values(rng: Rng, count: int = 8_000_000) -> bytes:
    """A window, or a model name, of millions of values: Python would make an object of each."""
    group, number = [(0x28, 0x1050), (0x8, 0x1090), (0x28, 0x1052)][int(rng.integers(0, 3))]
    value = element(group, number, b"", b"1\\" * (count // 2))
    return film(more=value, syntax=IMPLICIT)


@kind("dicom: a hostile jpeg 2000", "film", refused=True)
def precincts_in_a_film(rng: Rng) -> bytes:
    """A film of 700 bytes of JPEG 2000, as large as it says."""
    side = int(rng.integers(1000, 6000))
    frame = many_precincts(np.random.default_rng(0))
    frame = frame.replace(frame[8:16], struct.pack(">II", side, side)).replace(
        frame[24:32], struct.pack(">II", side, side)
    )
    return film(syntax=JPEG_2000, rows=side, pixels=frame)


@kind("dicom: a jpeg of thousands of scans", "film", refused=True)
def scans_in_a_film(rng: Rng) -> bytes:
    """The same as a frame of a film."""
    return film(syntax=JPEG_BASELINE, rows=500, pixels=jpeg_of_scans(rng, 5000, 500))


@kind("dicom objects, damaged", "film", weight=600)
def damaged_film(rng: Rng) -> bytes:
    """Native or JPEG 2000, explicit or implicit, with any damage: most of it in the header."""
    syntax = [EXPLICIT, IMPLICIT][int(rng.integers(0, 2))]
    whole = film(syntax=syntax, rows=32)
    head = len(whole) - 32 * 32
    return mutated(whole[:head], rng) + whole[head:] if rng.random() < 0.8 else mutated(whole, rng)
