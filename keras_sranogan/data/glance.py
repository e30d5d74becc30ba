"""A quick look at an image file: a small copy, and how large it is; a JPEG is decoded coarsely."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sranogan_edge.image.frame import Frame, Photometric

__all__ = ["glance_at"]

_FORMATS = ("JPEG", "PNG", "WEBP")
_MODES = {"L": Photometric.MONOCHROME2, "RGB": Photometric.RGB}


def glance_at(path: Path, side: int, max_pixels: int) -> tuple[Frame, tuple[int, int]] | None:
    """Return a copy of the file, ``side`` pixels a side or more, and its width and height when upright.

    None where the file is none of the usual ones: of another kind, deep, see-through, too large, damaged.
    What it is then tells who decodes it as a training does.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            kind = _MODES.get(image.mode)
            if kind is None or "transparency" in image.info or width * height > max_pixels:
                return None
            image.draft(image.mode, (side, side))
            upright = ImageOps.exif_transpose(image)
            if upright.size != image.size:  # lies on its side
                width, height = height, width
            return Frame(np.asarray(upright), 8, kind, source=str(path)), (width, height)
    except Exception:  # Pillow raises what it likes; the decoder of a training says what is wrong
        return None
