"""An image of 8 x 8 equal pixels in each compressed transfer syntax, to ask decoders what they can do.

Written byte by byte, in the greatest depth that the syntax is used with: a decoder may well be there and
know 8 bits only.
"""

from __future__ import annotations

import struct

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

__all__ = ["SAMPLED", "sample"]

_SIDE = 8
_RLE_VALUE = 0x1234


def sample(transfer_syntax: UID) -> tuple[Dataset, int]:
    """Return a data set of one frame in ``transfer_syntax`` (one of ``SAMPLED``), and its pixels' value."""
    frame, bits, value = SAMPLED[transfer_syntax]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = transfer_syntax
    dataset.Rows = dataset.Columns = _SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = 8 if bits <= 8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.PixelData = encapsulate([frame])
    return dataset, value


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _jpeg(start_of_frame: int, bits: int) -> bytes:
    """JPEG, ISO/IEC 10918-1: every difference and coefficient is 0, so all is mid-grey."""
    lossless = start_of_frame == 0xC3
    one_code = bytes([1, *bytes(15), 0])  # a Huffman table that has the code 0, for "nothing"
    tables = [] if lossless else [_segment(0xDB, bytes([0, *[1] * 64])), _segment(0xC4, b"\x10" + one_code)]
    frame = struct.pack(">BHHBBBB", bits, _SIDE, _SIDE, 1, 1, 0x11, 0)
    spectrum = b"\x01\x00\x00" if lossless else b"\x00\x3f\x00"  # or the predictor
    parts = [
        b"\xff\xd8",
        *tables,
        _segment(0xC4, b"\x00" + one_code),
        _segment(start_of_frame, frame),
        _segment(0xDA, b"\x01\x01\x00" + spectrum),
        bytes(_SIDE) if lossless else b"\x3f",  # a bit a pixel; or two bits, filled up with ones
        b"\xff\xd9",
    ]
    return b"".join(parts)


def _jpeg_ls(bits: int) -> bytes:
    """JPEG-LS, ISO/IEC 14495-1: all black is one run, 17 bits of one."""
    frame = struct.pack(">BHHBBBB", bits, _SIDE, _SIDE, 1, 1, 0x11, 0)
    scan = _segment(0xDA, b"\x01\x01\x00\x00\x00\x00")
    return b"\xff\xd8" + _segment(0xF7, frame) + scan + b"\xff\x7f\xc0\xff\xd9"


def _jpeg_2000(bits: int, *, high_throughput: bool = False) -> bytes:
    """JPEG 2000, ISO/IEC 15444-1 (and -15): no packet holds anything, so all is mid-grey."""
    abilities = 0x4000 if high_throughput else 0
    size = struct.pack(">H8I", abilities, _SIDE, _SIDE, 0, 0, _SIDE, _SIDE, 0, 0)
    size += struct.pack(">HBBB", 1, bits - 1, 1, 1)
    style = struct.pack(">BBHB5B", 0, 0, 1, 0, 0, 4, 4, 0x40 if high_throughput else 0, 1)  # no levels, 5-3
    header = [b"\xff\x4f", _segment(0x51, size)]
    if high_throughput:
        header.append(_segment(0x50, struct.pack(">IH", 0x00020000, 0)))
    header += [_segment(0x52, style), _segment(0x5C, bytes([0x40, bits << 3]))]
    tile = _segment(0x90, struct.pack(">HIBB", 0, 15, 0, 1)) + b"\xff\x93" + b"\0"
    return b"".join(header) + tile + b"\xff\xd9"


def _rle() -> bytes:
    """PS3.5, annex G: a segment for each byte of a pixel, in it one run of 64."""
    runs = [bytes([257 - _SIDE**2, byte]) for byte in struct.pack(">H", _RLE_VALUE)]
    return struct.pack("<16I", 2, 64, 66, *[0] * 13) + b"".join(runs)


_J2K, _HT = (_jpeg_2000(16), 16, 2**15), (_jpeg_2000(16, high_throughput=True), 16, 2**15)
_LOSSLESS, _LS = (_jpeg(0xC3, 16), 16, 2**15), (_jpeg_ls(16), 16, 0)

SAMPLED: dict[UID, tuple[bytes, int, int]] = {  # the frame, its bits, the value of its pixels
    RLELossless: (_rle(), 16, _RLE_VALUE),
    JPEGBaseline8Bit: (_jpeg(0xC0, 8), 8, 2**7),
    JPEGExtended12Bit: (_jpeg(0xC1, 12), 12, 2**11),
    JPEGLossless: _LOSSLESS,
    JPEGLosslessSV1: _LOSSLESS,
    JPEGLSLossless: _LS,
    JPEGLSNearLossless: _LS,
    JPEG2000Lossless: _J2K,
    JPEG2000: _J2K,
    HTJ2KLossless: _HT,
    HTJ2KLosslessRPCL: _HT,
    HTJ2K: _HT,
}
