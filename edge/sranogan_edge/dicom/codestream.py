"""What a compressed frame itself declares, read before a decoder trusts it with memory."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

__all__ = ["Declared", "declared_size"]

# DHP announces frames of several sizes (hierarchical JPEG), which no scanner writes and decoders trip over.
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_JPEG_HIERARCHICAL, _JPEG_SCAN = 0xDE, 0xDA
_J2K_START, _J2K_SIZE = b"\xff\x4f\xff\x51", struct.Struct(">2xH8I H")
_J2K_MOST_TILES = 4096  # 64 megapixels in tiles of 128 x 128


@dataclass(frozen=True)
class Declared:
    """Size of one frame, from its codestream."""

    rows: int
    columns: int
    samples: int


def declared_size(frame: bytes, transfer_syntax: UID) -> Declared | None:
    """Return what ``frame`` declares; None for kinds that declare nothing (RLE).

    Raises:
        ValueError: no readable header, or one that no scanner writes.
    """
    if transfer_syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        return _of_jpeg(frame)
    if transfer_syntax in JPEG2000TransferSyntaxes or transfer_syntax.startswith("1.2.840.10008.1.2.4.20"):
        return _of_jpeg_2000(frame)
    return None


def _of_jpeg(frame: bytes) -> Declared:
    """Walk the markers (ISO/IEC 10918-1, B.1.1) up to the first scan; exactly one may state a size."""
    found: Declared | None = None
    at = 2
    while frame[:2] == b"\xff\xd8" and at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _JPEG_SCAN and found:
            return found
        if marker in (_JPEG_HIERARCHICAL, _JPEG_SCAN) or (found and marker in _JPEG_SIZES):
            break
        (length,) = struct.unpack_from(">H", frame, at + 2)
        if marker in _JPEG_SIZES:
            found = Declared(*struct.unpack_from(">HHB", frame.ljust(at + 10, b"\0"), at + 5))
        at += 2 + max(2, length)
    raise ValueError("a frame has no readable JPEG header")


def _of_jpeg_2000(frame: bytes) -> Declared:
    """The SIZ marker segment (ISO/IEC 15444-1, A.5.1); DICOM has no JP2 boxes around it (PS3.5 A.4.4)."""
    if not frame.startswith(_J2K_START) or len(frame) < len(_J2K_START) + _J2K_SIZE.size:
        raise ValueError("a frame has no readable JPEG 2000 header")
    _, *sizes, samples = _J2K_SIZE.unpack_from(frame, len(_J2K_START))
    right, bottom, left, top, tile_width, tile_height, _, _ = sizes
    if min(tile_width, tile_height) < 1:
        raise ValueError("a frame has JPEG 2000 tiles of no size")
    tiles = -(-right // tile_width) * -(-bottom // tile_height)
    if tiles > _J2K_MOST_TILES:
        raise ValueError(f"a frame has {tiles:,} JPEG 2000 tiles, more than {_J2K_MOST_TILES:,}")
    return Declared(bottom - top, right - left, samples)
