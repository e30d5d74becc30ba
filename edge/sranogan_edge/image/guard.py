"""What holds whichever decoder works: the limits, and the process's switches, held for one image."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from sranogan_edge.errors import OversizedImageError

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "MAX_FRAMES",
    "MOST_PIXELS",
    "RAISE_MAX_PIXELS",
    "decoders_to_ourselves",
    "no_memory",
    "read_up_to",
]


DEFAULT_MAX_PIXELS = 64_000_000  # 8000 x 8000; 8-bit colour decodes to 192 MB
MOST_PIXELS = 2**28  # 16,384 x 16,384: what a bundle may raise that to
RAISE_MAX_PIXELS = (
    "raise max_pixels if it is genuine (--max-pixels, or scoring.max_pixels; for training "
    "preprocess.max_pixels in the file of --settings)"
)
MAX_FRAMES = 1024  # of one DICOM object
_PILLOW_STATE = threading.Lock()  # Pillow's limits and the warning filters belong to the process


@contextmanager
def decoders_to_ourselves() -> Iterator[None]:
    """Hold the process's switches for one decode: Pillow's limits off, no truncation, no warnings.

    One image is decoded at a time in a process, and the host's own settings come back after.
    """
    from PIL import Image, ImageFile  # the limits below are read by what decodes nothing

    with _PILLOW_STATE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, lenient = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limit, lenient


def read_up_to(stream: BinaryIO, most: int) -> bytes:
    """Read what is left of a seekable stream, ``most`` bytes of it at most.

    To be told ``most``, Python would take that much memory first, however short the file is.
    """
    at = stream.tell()
    left = stream.seek(0, io.SEEK_END) - at
    stream.seek(at)
    return stream.read(min(left, most))


def no_memory(source: str) -> OversizedImageError:
    """Say that decoding took all the memory that it may take."""
    return OversizedImageError(
        f"{source}: decoding it needs more memory than there is for it. Shrink the image or export it with "
        "fewer channels, or raise decoding.memory_bytes if it is genuine."
    )
