"""From what a caller has (a path, bytes, an array) to frames: the one place that tells these apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias, Union

from numpy.typing import NDArray

from sranogan_edge.errors import PixelsError
from sranogan_edge.image.decode import decode_file_frames, decode_frames
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS, MAX_FRAMES

__all__ = ["Image", "read_frames"]

Image: TypeAlias = Union[Frame, str, "os.PathLike[str]", bytes, bytearray, memoryview, NDArray[Any]]
"""A frame, a file's path, a file's bytes, or an array that :meth:`Frame.of` takes."""


def read_frames(
    image: Image, *, source: str = "", max_pixels: int = DEFAULT_MAX_PIXELS, max_frames: int = MAX_FRAMES
) -> tuple[Frame, ...]:
    """Return the frames of one image: several where a DICOM object has them, else one.

    Args:
        image: a path (``str`` or ``Path``) or the bytes of an image file or DICOM object, an array as
            :meth:`sranogan_edge.image.frame.Frame.of` takes it, or a frame, which comes back as it is.
        source: what to call it in messages and ``Frame.source``; empty is its path, ``bytes`` or ``array``.
        max_pixels: of all frames together, above which a file's header alone is reason to refuse.
        max_frames: of a DICOM object, the same.

    Raises:
        UnreadableImageError: no such file, or no image in it.
        OversizedImageError: the header declares more than is allowed; nothing was decoded.
        PixelsError: an array that is no image, or something that is none of these.
    """
    if isinstance(image, Frame):
        return (image,)
    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        return decode_file_frames(path, source=source, max_pixels=max_pixels, max_frames=max_frames)
    if isinstance(image, (bytes, bytearray, memoryview)):
        name = source or "bytes"
        return decode_frames(bytes(image), source=name, max_pixels=max_pixels, max_frames=max_frames)
    if not hasattr(image, "dtype"):
        raise PixelsError(
            f"{source or 'image'}: an image is a path, the bytes of a file, or a NumPy array; received "
            f"{type(image).__name__}. Convert it first, as with np.asarray(image)."
        )
    return (Frame.of(image, source=source or "array"),)
