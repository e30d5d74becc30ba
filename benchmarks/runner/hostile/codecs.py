"""Hostile images: headers that ask for more than they show, and files of every format, damaged."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.runner.hostile.kinds import Rng, kind, mutated

__all__ = [
    "alpha_png",
    "jpeg_2000",
    "jpeg_of_scans",
    "many_layers",
    "many_precincts",
    "precincts_of_a_component",
    "precincts_of_a_tile",
    "tiny_blocks",
]

_WHOLE, _OWN_PRECINCTS = 0, 1
_ONE_BY_ONE = 0x00  # a precinct's side, as exponents of 2
SOUND = 150  # images that are damaged, ten of each format


def segment(marker: int, content: bytes) -> bytes:
    """One marker segment."""
    return struct.pack(">HH", marker, len(content) + 2) + content


def coding_style(*, layers: int = 1, levels: int = 0, block: int = 4, precinct: int | None = None) -> bytes:
    """The content of a COD segment; ``block`` is the exponent of its side, less 2."""
    flags = _WHOLE if precinct is None else _OWN_PRECINCTS
    sizes = b"" if precinct is None else bytes([precinct] * (levels + 1))
    return struct.pack(">BBHB5B", flags, 0, layers, 0, levels, block, block, 0, 1) + sizes


def jpeg_2000(
    side: int,
    style: bytes,
    *,
    more: bytes = b"",
    in_tile: bytes = b"",
    components: int = 1,
    tile: int | None = None,
) -> bytes:
    """A JPEG 2000 codestream of a few hundred bytes, whose only packets are empty."""
    size = struct.pack(">H8I", 0, side, side, 0, 0, tile or side, tile or side, 0, 0)
    size += struct.pack(">H", components) + b"\x07\x01\x01" * components
    header = b"\xff\x4f" + segment(0xFF51, size) + segment(0xFF52, style) + more
    header += segment(0xFF5C, bytes([0x40] + [8 << 3] * (1 + 3 * style[5])))
    body = in_tile + b"\xff\x93" + bytes(600)
    part = struct.pack(">HHHIBB", 0xFF90, 10, 0, 12 + len(body), 0, 1)
    return header + part + body + b"\xff\xd9"


@kind("jpeg 2000: precincts of one pixel", "film", refused=True)
def many_precincts(rng: Rng) -> bytes:
    """Millions of precincts, each some hundred bytes in a decoder."""
    return jpeg_2000(int(rng.integers(1000, 6000)), coding_style(precinct=_ONE_BY_ONE))


@kind("jpeg 2000: precincts of a component", "film", refused=True)
def precincts_of_a_component(rng: Rng) -> bytes:
    """The main style is sound; one component has its own."""
    own = segment(0xFF53, bytes([0, _OWN_PRECINCTS, 0, 4, 4, 0, 1, _ONE_BY_ONE]))
    return jpeg_2000(int(rng.integers(1000, 6000)), coding_style(), more=own)


@kind("jpeg 2000: precincts of a tile", "film", refused=True)
def precincts_of_a_tile(rng: Rng) -> bytes:
    """The main header is sound; the tile-part's own is not."""
    own = segment(0xFF52, coding_style(precinct=_ONE_BY_ONE))
    return jpeg_2000(int(rng.integers(1000, 6000)), coding_style(), in_tile=own)


@kind("jpeg 2000: code blocks of 4 x 4", "film", refused=True)
def tiny_blocks(rng: Rng) -> bytes:
    """Millions of code blocks."""
    return jpeg_2000(int(rng.integers(4000, 8000)), coding_style(block=0))


@kind("jpeg 2000: quality layers", "film", refused=True)
def many_layers(rng: Rng) -> bytes:
    """65,535 layers of some thousand precincts."""
    return jpeg_2000(int(rng.integers(2000, 4000)), coding_style(layers=65535, precinct=0x55))


@kind("jpeg 2000: tiles of one pixel", "film", refused=True)
def tiny_tiles(rng: Rng) -> bytes:
    """A million tiles."""
    return jpeg_2000(int(rng.integers(1000, 2000)), coding_style(), tile=1)


@kind("jpeg: thousands of scans", "film", refused=True)
def jpeg_of_scans(rng: Rng, scans: int = 20_000, side: int = 2000) -> bytes:
    """A progressive JPEG whose last refinement comes again and again, 100 bytes each time."""
    buffer = io.BytesIO()
    Image.new("L", (side, side), 90).save(buffer, "JPEG", progressive=True, quality=50)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    again = data[last:-2]
    return data[:-2] + again * scans + b"\xff\xd9"


def alpha_png(kind_: str, side: int) -> bytes:
    """A PNG with transparency, small as a file: ``RGBA16``, ``LA16``, ``RGBA8``, ``LA8``, ``palette``."""
    colour, depth, pixel = {
        "RGBA16": (6, 16, b"\x40\0\x80\0\x20\0\x80\0"),
        "LA16": (4, 16, b"\x40\0\x80\0"),
        "RGBA8": (6, 8, b"\x40\x80\x20\x80"),
        "LA8": (4, 8, b"\x40\x80"),
        "palette": (3, 8, b"\x01"),
    }[kind_]
    row = b"\0" + pixel * side
    packer = zlib.compressobj(1)
    packed = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))]
    if kind_ == "palette":
        parts += [chunk(b"PLTE", bytes(range(6))), chunk(b"tRNS", b"\x80\x40")]
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts, chunk(b"IDAT", packed), chunk(b"IEND", b"")])


def chunk(name: bytes, content: bytes) -> bytes:
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@kind("png: 36 megapixels with alpha", "film")
def large_alpha(rng: Rng) -> bytes:
    """Within the budget of pixels; what matters is the memory that it takes."""
    return alpha_png(str(rng.choice(["RGBA16", "LA16", "RGBA8", "palette"])), 6000)


@cache
def _sound(number: int) -> bytes:
    """A small image; another one, of the next format, for each number."""
    rng = np.random.default_rng(number)
    side = int(rng.integers(20, 200))
    grey = cv2.resize(rng.integers(0, 256, (8, 8)).astype(np.float32), (side, side))
    pixels: NDArray[np.uint8] = grey.astype(np.uint8)
    colour, alpha = np.stack([pixels, pixels[::-1], pixels.T], -1), np.stack([pixels] * 4, -1)
    choices: list[tuple[Image.Image, str, dict[str, object]]] = [
        (Image.fromarray(pixels), "PNG", {}),
        (Image.fromarray(alpha), "PNG", {}),
        (Image.fromarray(grey.astype(np.uint16) * 256), "PNG", {}),
        (Image.fromarray(colour).quantize(16), "PNG", {}),
        (Image.fromarray(colour), "JPEG", {"quality": 70}),
        (Image.fromarray(pixels), "JPEG", {"progressive": True}),
        (Image.fromarray(pixels), "GIF", {}),
        (Image.fromarray(colour), "BMP", {}),
        (Image.fromarray(colour), "TIFF", {"compression": "tiff_lzw"}),
        (Image.fromarray(grey.astype(np.uint16)), "TIFF", {}),
        (Image.fromarray(colour), "TIFF", {"compression": "jpeg"}),
        (Image.fromarray(alpha), "WEBP", {"lossless": True}),
        (Image.fromarray(colour), "WEBP", {}),
        (Image.fromarray(colour), "JPEG2000", {}),
        (Image.fromarray(pixels), "JPEG2000", {"no_jp2": True, "num_resolutions": 3}),
    ]
    image, name, options = choices[number % len(choices)]
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


@kind("images, damaged", "film", weight=600)
def damaged_image(rng: Rng) -> bytes:
    """Any format, any damage."""
    return mutated(_sound(int(rng.integers(0, SOUND))), rng)
