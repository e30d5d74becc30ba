"""From the bytes of any image file to frames: by how it begins, to the raster images or to DICOM.

DICOM files go to :mod:`sranogan_edge.image.dicom_pixels`, which needs the extra ``dicom``.
"""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import BinaryIO

from sranogan_edge.errors import UnreadableImageError
from sranogan_edge.extras import needs_extra
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS, MAX_FRAMES
from sranogan_edge.image.raster import decode_raster
from sranogan_edge.image.sniff import HEAD_BYTES, is_dicom

__all__ = ["decode_bytes", "decode_file", "decode_file_frames", "decode_frames", "decode_stream"]


def decode_file(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Frame:
    """Decode one image file: :func:`decode_bytes`, and :func:`decode_file_frames` for what else is raised."""
    return decode_file_frames(path, max_pixels=max_pixels, max_frames=1)[0]


def decode_file_frames(
    path: Path, *, source: str = "", max_pixels: int = DEFAULT_MAX_PIXELS, max_frames: int = MAX_FRAMES
) -> tuple[Frame, ...]:
    """Decode every frame of a file, as :func:`decode_frames` does; ``source`` is its path unless given.

    Also raises ``UnreadableImageError`` where ``path`` is missing, a folder, or may not be read.
    """
    source = source or str(path)
    try:
        check_file(path, source)
        with path.open("rb") as stream:
            return decode_stream(stream, source, max_pixels, max_frames)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise cannot_be_read(source, error) from error


def check_file(path: Path, source: str) -> None:
    """Raise UnreadableImageError where ``path`` is no regular file, and OSError where that cannot be told."""
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise UnreadableImageError(f"{source}: is a folder, not an image file. Name a file inside it.")
    if not stat.S_ISREG(kind):
        raise UnreadableImageError(f"{source}: is not a regular file. Copy the image to a file first.")


def cannot_be_read(source: str, error: Exception) -> UnreadableImageError:
    """Say why a file cannot be read, as an error of the image."""
    if isinstance(error, FileNotFoundError):
        return UnreadableImageError(f"{source}: no such file. Check the path.")
    why = f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return UnreadableImageError(f"{source}: {why}. Check its permissions and the disk.")


def decode_bytes(data: bytes, *, source: str, max_pixels: int = DEFAULT_MAX_PIXELS) -> Frame:
    """Decode the bytes of a JPEG, PNG, TIFF, BMP, GIF, WebP or JPEG 2000 image into an upright frame.

    Of several pages or pictures the first is taken.

    Grey comes back as ``(H, W)``, colour (palette, CMYK and YCbCr too) as ``(H, W, 3)`` in
    R, G, B order; ``uint8``, or ``uint16`` where the file holds 9 to 16 bits. 1-, 2- and 4-bit
    grey is spread over 0..255. The EXIF orientation is applied. Alpha is composited over black:
    opaque pixels keep their value, transparent ones become "no signal".

    16-bit TIFF colour in a layout that OpenCV cannot read comes back with 8 bits.
    32-bit integers are taken where they fit 16 bits. Floats are refused: they have no full scale.
    DICOM objects of one frame decode as in :func:`sranogan_edge.image.dicom_pixels.decode_dicom`.

    Args:
        data: the whole file.
        source: what to call the image in messages, and ``Frame.source``.
        max_pixels: width x height above which the header alone is reason to refuse.

    Raises:
        UnreadableImageError: not an image, truncated, corrupt, or of a kind named above.
        OversizedImageError: the header declares more than ``max_pixels``; nothing was decoded.
    """
    return decode_stream(io.BytesIO(data), source, max_pixels, max_frames=1)[0]


def decode_frames(
    data: bytes, *, source: str, max_pixels: int = DEFAULT_MAX_PIXELS, max_frames: int = MAX_FRAMES
) -> tuple[Frame, ...]:
    """Decode every frame of a DICOM object (``max_pixels``: of all), or the one that others have."""
    return decode_stream(io.BytesIO(data), source, max_pixels, max_frames)


def decode_stream(
    stream: BinaryIO, source: str, max_pixels: int, max_frames: int = MAX_FRAMES
) -> tuple[Frame, ...]:
    """Decode what an open file holds, as :func:`decode_frames` does; raises OSError, too."""
    if is_dicom(stream.read(HEAD_BYTES)):
        stream.seek(0)
        return _decode_dicom(stream, source, max_pixels, max_frames)
    stream.seek(0)
    return (decode_raster(stream, source, max_pixels),)


def _decode_dicom(stream: BinaryIO, source: str, max_pixels: int, max_frames: int) -> tuple[Frame, ...]:
    with needs_extra("dicom", f"{source}: a DICOM file", kind=UnreadableImageError):
        from sranogan_edge.image.dicom_pixels import DicomOptions, decode_dicom, read_bounded
    options = DicomOptions(max_pixels=max_pixels, max_frames=max_frames)
    return decode_dicom(read_bounded(stream, source, options), source=source, options=options)
