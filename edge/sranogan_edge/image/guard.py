"""What holds whichever decoder works: the limits, and the process's switches, held for one image."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile

__all__ = ["DEFAULT_MAX_PIXELS", "decoders_to_ourselves"]


DEFAULT_MAX_PIXELS = 64_000_000  # 8000 x 8000; 8-bit colour decodes to 192 MB
MAX_FRAMES = 1024  # of one DICOM object
_PILLOW_STATE = threading.Lock()  # Pillow's limits and the warning filters belong to the process


@contextmanager
def decoders_to_ourselves() -> Iterator[None]:
    """Hold the process's switches for one decode: Pillow's limits off, no truncation, no warnings.

    One image is decoded at a time in a process, and the host's own settings come back after.
    """
    with _PILLOW_STATE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, lenient = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limit, lenient
