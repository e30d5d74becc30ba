"""Bounds on what a JPEG or JPEG 2000 codestream makes its decoder do, read from its headers alone.

A few hundred bytes may ask for billions of precincts, and each scan of a progressive JPEG goes over the whole
image once more: width x height says nothing of either.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sranogan_edge.errors import OversizedImageError

__all__ = ["JPEG_2000_MOST_TILES", "JPEG_2000_START", "check_codestream", "unboxed"]

JPEG_2000_START = b"\xff\x4f\xff\x51"  # SOC, then SIZ
JPEG_2000_MOST_TILES = 4096  # 64 megapixels in tiles of 128 x 128
MOST_SCANS = 100  # encoders write up to about 20
MOST_SEGMENTS = 10_000  # of a JPEG
MOST_PARTS = 2**19  # precincts and code blocks; 64 megapixels of grey in blocks of 16 x 16 have 340,000
MOST_PACKETS = 2**22  # precincts x quality layers
MOST_TILE_PARTS = 2**16
MOST_COMPONENTS = 4
_JP2_START = b"\x00\x00\x00\x0cjP  "
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", 0xDA, 0xD9
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")  # none of those that stand inside a scan's data
_SOT, _SOD, _EOC, _COD, _COC = 0xFF90, 0xFF93, 0xFFD9, 0xFF52, 0xFF53
_OWN_PRECINCTS, _WHOLE = 1, 15  # exponents of 2
_SIZ = struct.Struct(">2xH8IH")
_SHORT_COMPONENTS = 257  # up to so many, a component's number is one byte


_Style = tuple[int, int, int, list[tuple[int, int]]]


@dataclass(frozen=True)
class _Sizes:
    """Of a JPEG 2000 image (ISO/IEC 15444-1, A.5.1)."""

    width: int
    height: int
    tiles: int
    components: int


def check_codestream(frame: bytes, source: str, max_pixels: int) -> None:
    """Refuse a JPEG or JPEG 2000 codestream, boxed or not, that no encoder of images writes; pass all else.

    Raises:
        OversizedImageError: too many scans, tiles, precincts, code blocks, layers or components, or pixels.
    """
    if frame.startswith(_JPEG_START) and (problem := _too_many_of(frame)):
        raise _refused(source, f"a JPEG of more than {problem}")
    stream = unboxed(frame)
    if stream.startswith(JPEG_2000_START):
        problem = _problem(stream, max_pixels)
        if problem:
            raise _refused(source, f"a JPEG 2000 image of {problem}")


def unboxed(frame: bytes) -> bytes:
    """The codestream inside of a JP2 file (ISO/IEC 15444-1, I.4); ``frame`` itself where there is none."""
    at = 0
    while frame.startswith(_JP2_START) and at + 16 <= len(frame):
        length, kind, longer = struct.unpack_from(">I4sQ", frame, at)
        head = 16 if length == 1 else 8
        length = longer if length == 1 else length or len(frame) - at
        if kind == b"jp2c":
            return frame[at + head : at + length]
        at += max(length, head)
    return frame


def _refused(source: str, what: str) -> OversizedImageError:
    return OversizedImageError(
        f"{source}: {what}. Decoding it would take more time or memory than an image of its size is worth. "
        "Export it again, with the usual options of its encoder."
    )


def _too_many_of(frame: bytes) -> str:
    """What a JPEG has too many of, up to its end: what follows (phones append a video) is not decoded."""
    at, scans = 2, 0
    for _ in range(MOST_SEGMENTS):
        found = _JPEG_MARKER.search(frame, at)
        if found is None or frame[found.start() + 1] == _JPEG_END or found.end() + 2 > len(frame):
            return ""
        scans += frame[found.start() + 1] == _JPEG_SCAN
        if scans > MOST_SCANS:
            return f"{MOST_SCANS} scans"
        at = found.end() + max(2, struct.unpack_from(">H", frame, found.end())[0])
    return f"{MOST_SEGMENTS:,} segments"


def _problem(frame: bytes, max_pixels: int) -> str:
    """What there is too much of; empty where all keeps to its bounds."""
    sizes = _sizes(frame)
    if sizes is None:  # to be told by who decodes it
        return ""
    if sizes.width * sizes.height > max_pixels:
        return f"{sizes.width} x {sizes.height} pixels; {max_pixels:,} pixels are allowed"
    if sizes.components > MOST_COMPONENTS:
        return f"{sizes.components:,} components; {MOST_COMPONENTS} are allowed"
    if sizes.tiles > JPEG_2000_MOST_TILES:
        return f"{sizes.tiles:,} tiles; {JPEG_2000_MOST_TILES:,} are allowed"
    layers, most, tile_parts = 1, 0, 0
    for marker, begin, end in _segments(frame):
        tile_parts += marker == _SOT
        if tile_parts > MOST_TILE_PARTS:
            return f"more than {MOST_TILE_PARTS:,} tile-parts"
        if marker not in (_COD, _COC):
            continue
        segment = frame[begin:end]
        if marker == _COD and len(segment) >= 5:
            layers = max(layers, struct.unpack_from(">H", segment, 2)[0])
        style = _style(segment, marker, sizes.components)
        precincts, blocks = _parts(sizes, *style) if style else (0, 0)
        if precincts + blocks > MOST_PARTS:
            return f"{precincts + blocks:,} precincts and code blocks; {MOST_PARTS:,} are allowed"
        most = max(most, precincts)
    packets = layers * most
    return f"{packets:,} packets; {MOST_PACKETS:,} are allowed" if packets > MOST_PACKETS else ""


def _sizes(frame: bytes) -> _Sizes | None:
    """What SIZ states; None where it is cut off or states nothing that could be."""
    if len(frame) < len(JPEG_2000_START) + _SIZ.size:
        return None
    _, right, bottom, left, top, tile_width, tile_height, _, _, components = _SIZ.unpack_from(
        frame, len(JPEG_2000_START)
    )
    if min(tile_width, tile_height) < 1 or right <= left or bottom <= top:
        return None
    tiles = -(-right // tile_width) * -(-bottom // tile_height)
    return _Sizes(right - left, bottom - top, tiles, components)


def _segments(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of the content of each segment, in the main header and those of tile-parts."""
    at, part_ends = 2, len(frame)
    while at + 4 <= len(frame):
        marker, length = struct.unpack_from(">HH", frame, at)
        if marker == _SOD:
            at = part_ends
            continue
        if marker == _EOC or marker < 0xFF00 or length < 2:
            return
        if marker == _SOT and at + 12 <= len(frame):
            (size,) = struct.unpack_from(">I", frame, at + 6)
            part_ends = at + max(size, 14) if size else len(frame)
        yield marker, at + 4, min(at + 2 + length, len(frame))
        at += 2 + length


def _style(
    segment: bytes, marker: int, components: int
) -> tuple[int, int, int, list[tuple[int, int]]] | None:
    """Levels, exponents of the code blocks' sides and of each resolution's precincts; None where cut off."""
    flags_at = 0 if marker == _COD else 1 if components < _SHORT_COMPONENTS else 2
    at = flags_at + (5 if marker == _COD else 1)
    if at + 5 > len(segment):
        return None
    levels, width, height = segment[at : at + 3]
    precincts = [(_WHOLE, _WHOLE)] * (levels + 1)
    if segment[flags_at] & _OWN_PRECINCTS:
        stated = segment[at + 5 : at + 6 + levels]
        for number, sides in enumerate(stated):
            precincts[number] = sides & 15, sides >> 4
    return levels, (width & 15) + 2, (height & 15) + 2, precincts


def _parts(
    sizes: _Sizes, levels: int, block_width: int, block_height: int, precincts: list[tuple[int, int]]
) -> tuple[int, int]:
    """How many precincts and code blocks there are at most, each component in that style (B.6, B.7)."""
    found = blocks = 0
    for resolution, (across, down) in enumerate(precincts):
        width = _shrunk(sizes.width, levels - resolution)
        height = _shrunk(sizes.height, levels - resolution)
        found += _shrunk(width, across) * _shrunk(height, down) + sizes.tiles
        bands = 3 if resolution else 1
        half = 1 if resolution else 0  # each band has half the side, and so has its part of a precinct
        wide, high = min(block_width, max(across - half, 0)), min(block_height, max(down - half, 0))
        blocks += bands * _shrunk(_shrunk(width, half), wide) * _shrunk(_shrunk(height, half), high)
    return found * sizes.components, blocks * sizes.components


def _shrunk(side: int, exponent: int) -> int:
    return -(-side >> exponent) if exponent < 64 else 1
