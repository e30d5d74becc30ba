"""What a compressed frame itself declares, read before a decoder trusts it with memory, and small mends."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from pydicom.uid import (
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from sranogan_edge.image.codestream_bounds import JPEG_2000_MOST_TILES, JPEG_2000_START, unboxed

__all__ = ["Declared", "declared_size", "mended", "syntax_of"]

# DHP announces frames of several sizes (hierarchical JPEG), which no scanner writes and decoders trip over.
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_JPEG_HIERARCHICAL, _JPEG_SCAN = 0xDE, 0xDA
_JPEG_SEQUENTIAL = (0xC0, 0xC1)  # baseline and extended, Huffman
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # none of those that stand inside a scan's data
_WHOLE_SPECTRUM = b"\x00\x3f\x00"  # coefficients 0 to 63, in full
_J2K_SIZE, _J2K_HT = struct.Struct(">2xH8I H"), 0x4000


@dataclass(frozen=True)
class Declared:
    """Size and depth of one frame, from its codestream."""

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool = False


def declared_size(frame: bytes, transfer_syntax: UID) -> Declared | None:
    """Return what ``frame`` declares; None for kinds that declare nothing (RLE).

    Raises:
        ValueError: no readable header, or one that no scanner writes.
    """
    if transfer_syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        return _of_jpeg(frame)[0]
    if _is_jpeg_2000(transfer_syntax):
        return _of_jpeg_2000(frame)
    return None


def mended(frame: bytes, transfer_syntax: UID) -> bytes:
    """Return ``frame`` as decoders want it; it stays itself where nothing is to be mended.

    JPEG 2000: without the boxes of a JP2 file, which DICOM does not allow (PS3.5, A.4.4). Sequential JPEG: a
    scan has the whole spectrum, whatever its header says, for no other is possible (ISO/IEC 10918-1, B.2.3);
    some scanners write that it ends at 0.
    """
    if _is_jpeg_2000(transfer_syntax):
        return unboxed(frame)
    if transfer_syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        return _whole_spectrum(frame)
    return frame


def syntax_of(frame: bytes) -> UID | None:
    """Tell the transfer syntax of a compressed frame from its own markers; None where they do not tell."""
    frame = unboxed(frame)
    if frame.startswith(JPEG_2000_START):
        (abilities,) = struct.unpack_from(">H", frame.ljust(8, b"\0"), 6)
        return HTJ2KLossless if abilities & _J2K_HT else JPEG2000Lossless
    try:
        kind = _of_jpeg(frame)[1]
    except ValueError:
        return None
    known = {0xC0: JPEGBaseline8Bit, 0xC1: JPEGExtended12Bit, 0xC3: JPEGLosslessSV1, 0xF7: JPEGLSLossless}
    return known.get(kind)


def _is_jpeg_2000(transfer_syntax: UID) -> bool:
    return transfer_syntax in JPEG2000TransferSyntaxes or transfer_syntax.startswith("1.2.840.10008.1.2.4.20")


def _of_jpeg(frame: bytes) -> tuple[Declared, int, int]:
    """Walk the markers (ISO/IEC 10918-1, B.1.1) up to the first scan; exactly one may state a size.

    Returns what it states, its marker's second byte, and where the scan's marker is.
    """
    found: tuple[Declared, int] | None = None
    at = 2
    while frame[:2] == b"\xff\xd8" and at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _JPEG_SCAN and found:
            return *found, at
        if marker in (_JPEG_HIERARCHICAL, _JPEG_SCAN) or (found and marker in _JPEG_SIZES):
            break
        (length,) = struct.unpack_from(">H", frame, at + 2)
        if marker in _JPEG_SIZES:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame.ljust(at + 10, b"\0"), at + 4)
            found = Declared(rows, columns, samples, bits), marker
        at += 2 + max(2, length)
    raise ValueError("a frame has no readable JPEG header")


def _whole_spectrum(frame: bytes) -> bytes:
    try:
        _, kind, at = _of_jpeg(frame)
    except ValueError:  # to be told by who asks for its size
        return frame
    if kind not in _JPEG_SEQUENTIAL:
        return frame
    made = bytearray(frame)
    while at + 4 <= len(made):
        (length,) = struct.unpack_from(">H", made, at + 2)
        last = at + 1 + length  # of the segment: where its spectrum begins and ends, then the approximation
        if made[at + 1] == _JPEG_SCAN and last < len(made):
            made[last - 2 : last + 1] = _WHOLE_SPECTRUM
        following = _JPEG_MARKER.search(made, last + 1)
        if following is None:
            break
        at = following.start()
    return bytes(made) if made != frame else frame


def _of_jpeg_2000(frame: bytes) -> Declared:
    """The SIZ marker segment (ISO/IEC 15444-1, A.5.1)."""
    if not frame.startswith(JPEG_2000_START) or len(frame) < len(JPEG_2000_START) + _J2K_SIZE.size + 1:
        raise ValueError("a frame has no readable JPEG 2000 header")
    _, *sizes, samples = _J2K_SIZE.unpack_from(frame, len(JPEG_2000_START))
    right, bottom, left, top, tile_width, tile_height, _, _ = sizes
    if min(tile_width, tile_height) < 1:
        raise ValueError("a frame has JPEG 2000 tiles of no size")
    tiles = -(-right // tile_width) * -(-bottom // tile_height)
    if tiles > JPEG_2000_MOST_TILES:
        raise ValueError(f"a frame has {tiles:,} JPEG 2000 tiles, more than {JPEG_2000_MOST_TILES:,}")
    depth = frame[len(JPEG_2000_START) + _J2K_SIZE.size]
    return Declared(bottom - top, right - left, samples, (depth & 0x7F) + 1, bool(depth & 0x80))
