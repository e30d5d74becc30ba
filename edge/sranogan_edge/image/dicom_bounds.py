"""Bounds on the elements of a DICOM file, counted by their lengths before anything is made of them.

pydicom makes several objects of each element and item, 400 bytes and up to 70 us each: 40 MiB of empty
elements took gigabytes and minutes. The walk takes about 1 us each, and ends at the first one too many. It
reads as pydicom does, mistakes too; where it cannot go on, pydicom cannot either, or has few more to make.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR

from sranogan_edge.errors import OversizedImageError

__all__ = ["check_elements"]

MOST_ELEMENTS = 200_000  # an enhanced object of 1,024 frames has about 100,000
MOST_ITEMS = 20_000
MOST_FRAGMENTS = 65_536  # of compressed pixel data
MOST_DEPTH = 32  # sequences inside of sequences
MOST_VALUE_BYTES = (
    2**18
)  # of texts and numbers, which come apart into values; tables of 2**16 numbers have half
_ITEM, _ITEM_ENDS, _SEQUENCE_ENDS = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED, _PIXEL_DATA, _META_GROUP = 0xFFFFFFFF, 0x7FE00010, 0x0002
_LONG_VR = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_FRAGMENTED = frozenset({b"OB", b"OW", b"OD", b"OF", b"OL", b"OV"})
_ELEMENTS, _ITEMS, _FRAGMENTS = "elements", "items", "fragments"


@dataclass
class _Level:
    """Where the walk is: among elements, a sequence's items, or fragments; and where these end."""

    kind: str
    end: int
    implicit: bool


def check_elements(data: bytes, begin: int, source: str) -> None:
    """Count what is in the DICOM file ``data``, whose first element is at ``begin``.

    Raises:
        OversizedImageError: more elements, items or fragments than any film has, or deeper sequences.
    """
    _Walk(data, source).run(begin)


class _Walk:
    """One walk over a file."""

    def __init__(self, data: bytes, source: str) -> None:
        self._data, self._source = data, source
        self._counts = dict.fromkeys((_ELEMENTS, _ITEMS, _FRAGMENTS), 0)
        self._most = {_ELEMENTS: MOST_ELEMENTS, _ITEMS: MOST_ITEMS, _FRAGMENTS: MOST_FRAGMENTS}
        self._tag, self._length = struct.Struct("<HH"), struct.Struct("<I")
        self._levels: list[_Level] = []

    def run(self, at: int) -> None:
        """Walk from ``at`` to the end, or to where it cannot go on."""
        data = self._data
        in_meta = True
        self._levels = [_Level(_ELEMENTS, len(data), self._is_implicit(at))]
        while self._levels:
            level = self._levels[-1]
            if at + 8 > level.end:
                at = max(at, level.end)
                self._levels.pop()
                continue
            group, element = self._tag.unpack_from(data, at)
            if in_meta and group != _META_GROUP:
                in_meta = False
                if group & 0xFF == 0 and group:  # as big-endian it is a small number: the syntax says so
                    self._tag, self._length = struct.Struct(">HH"), struct.Struct(">I")
                level.implicit = self._is_implicit(at)
                continue
            tag = group << 16 | element
            at = self._element(tag, at, level) if level.kind == _ELEMENTS else self._item(tag, at, level)

    def _item(self, tag: int, at: int, level: _Level) -> int:
        length = int(self._length.unpack_from(self._data, at + 4)[0])
        at += 8
        if tag == _SEQUENCE_ENDS:
            self._levels.pop()
            return at
        self._count(level.kind)
        if level.kind == _FRAGMENTS:
            return at + length
        self._enter(_ELEMENTS, level.end if length == _UNDEFINED else min(at + length, level.end), at)
        return at

    def _element(self, tag: int, at: int, level: _Level) -> int:
        if tag == _ITEM_ENDS:
            if len(self._levels) > 1:
                self._levels.pop()
            return at + 8
        self._count(_ELEMENTS)
        vr, value, length = self._header(at, level)
        if length == _UNDEFINED:
            fragmented = tag == _PIXEL_DATA or vr in _FRAGMENTED
            self._enter(_FRAGMENTS if fragmented else _ITEMS, level.end, value, level.implicit)
            return value
        if vr == b"SQ" or (vr in (b"", b"UN") and _known_vr(tag) == "SQ"):
            self._enter(_ITEMS, min(value + length, level.end), value, level.implicit)
            return value
        if length > MOST_VALUE_BYTES and _comes_apart(tag, vr):
            raise self._refused(f"{length:,} bytes of values in ({tag >> 16:04X},{tag & 0xFFFF:04X})")
        return value + length

    def _header(self, at: int, level: _Level) -> tuple[bytes, int, int]:
        """Value representation (empty where none is stated), where the value begins, and its length."""
        vr = self._data[at + 4 : at + 6]
        if level.implicit or not _is_vr(vr):
            return b"", at + 8, self._length.unpack_from(self._data, at + 4)[0]
        if vr not in _LONG_VR:
            order = "<" if self._length.format == "<I" else ">"
            return vr, at + 8, struct.unpack_from(f"{order}H", self._data, at + 6)[0]
        if at + 12 > len(self._data):
            return vr, len(self._data), 0
        return vr, at + 12, self._length.unpack_from(self._data, at + 8)[0]

    def _enter(self, kind: str, end: int, at: int, implicit: bool | None = None) -> None:
        if len(self._levels) > 2 * MOST_DEPTH:  # a level of items and one of elements each
            raise self._refused(f"sequences more than {MOST_DEPTH} deep")
        self._levels.append(_Level(kind, end, self._is_implicit(at) if implicit is None else implicit))

    def _is_implicit(self, at: int) -> bool:
        return not _is_vr(self._data[at + 4 : at + 6])

    def _count(self, kind: str) -> None:
        self._counts[kind] += 1
        if self._counts[kind] > self._most[kind]:
            raise self._refused(f"more than {self._most[kind]:,} {kind}")

    def _refused(self, what: str) -> OversizedImageError:
        return OversizedImageError(
            f"{self._source}: the DICOM file holds {what}, which no film has. Send or export it again "
            "without what does not belong to the image."
        )


def _is_vr(found: bytes) -> bool:
    """As pydicom tells: two capital letters, or it is taken for a length."""
    return b"AA" <= found <= b"ZZ" and len(found) == 2


def _comes_apart(tag: int, vr: bytes) -> bool:
    """Whether a value becomes a list, of texts or numbers; bytes (OB, OW ...) and long texts stay whole."""
    stated = vr.decode("ascii", "replace") if vr not in (b"", b"UN") else _known_vr(tag)
    return stated[:1] != "O" and stated not in ("UN", "UT", "LT", "ST", "UR", "SQ")


def _known_vr(tag: int) -> str:
    """What DICOM's dictionary says, the first of several; a private element's value stays bytes."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"
