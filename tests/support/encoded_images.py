"""Random pixels, and files of them in many formats."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (40, 60), np.uint8)
COLOUR = RNG.integers(0, 256, (40, 60, 3), np.uint8)
GREY_16 = RNG.integers(0, 65536, (40, 60), np.uint16)
COLOUR_16 = RNG.integers(0, 65536, (40, 60, 3), np.uint16)


def encoded(image: Image.Image, fmt: str, **options: Any) -> bytes:
    """The bytes of a file in a Pillow format."""
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def by_opencv(suffix: str, pixels: NDArray[Any]) -> bytes:
    """The bytes of a file as OpenCV writes it, from B, G, R."""
    done, packed = cv2.imencode(suffix, pixels)
    assert done
    return packed.tobytes()


def smooth(height: int, width: int) -> NDArray[Any]:
    """A ramp that JPEG keeps nearly exact."""
    rows, columns = np.mgrid[0:height, 0:width]
    return ((rows * 3 + columns) % 200 + 20).astype(np.uint8)


def chunk(kind: bytes, payload: bytes) -> bytes:
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
