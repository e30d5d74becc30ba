"""From the bytes of an image file to an upright :class:`Frame`, or an error that names the cure.

Pillow reads the header first, so that a file which declares too many pixels is refused before
one of them is decoded, and it raises on truncated files, which OpenCV fills in silently. OpenCV
decodes only what Pillow would cut to 8 bits (16-bit colour), after Pillow found the file whole.
DICOM files go to :mod:`sranogan_edge.dicom.decode`, which needs the extra ``dicom``.
"""

from __future__ import annotations

import io
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from sranogan_edge.dicom.head import HEAD_BYTES, is_dicom
from sranogan_edge.errors import ImageError, OversizedImageError, UnreadableImageError
from sranogan_edge.extras import how_to_install
from sranogan_edge.frame import Frame, Photometric
from sranogan_edge.image_formats import FORMATS, IMAGE_SUFFIXES, NAMED_FORMATS, SIGNATURE_BYTES, SIGNATURES

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "decode_bytes",
    "decode_file",
    "decode_file_frames",
    "decode_frames",
    "decoders_to_ourselves",
    "is_dicom",
]

DEFAULT_MAX_PIXELS = 64_000_000  # 8000 x 8000; 8-bit colour decodes to 192 MB
MAX_FRAMES = 1024  # of one DICOM object

_TIFF_BITS_PER_SAMPLE, _TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 258, 262, 0
_PNG_HEADER_BYTES = 8
_PIXEL_CHUNKS = (b"IHDR", b"IDAT", b"IEND")

_PILLOW_STATE = threading.Lock()  # Pillow's limits and the warning filters belong to the process


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
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise UnreadableImageError(f"{source}: is a folder, not an image file. Name a file inside it.")
        if not stat.S_ISREG(kind):
            raise UnreadableImageError(f"{source}: is not a regular file. Copy the image to a file first.")
        with path.open("rb") as stream:
            return _decode(stream, source, max_pixels, max_frames)
    except FileNotFoundError as error:
        raise UnreadableImageError(f"{source}: no such file. Check the path.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        why = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise UnreadableImageError(f"{source}: {why}. Check its permissions and the disk.") from error


def decode_bytes(data: bytes, *, source: str, max_pixels: int = DEFAULT_MAX_PIXELS) -> Frame:
    """Decode the bytes of a JPEG, PNG, TIFF, BMP, GIF, WebP or JPEG 2000 image into an upright frame.

    Of several pages or pictures the first is taken.

    Grey comes back as ``(H, W)``, colour (palette, CMYK and YCbCr too) as ``(H, W, 3)`` in
    R, G, B order; ``uint8``, or ``uint16`` where the file holds 9 to 16 bits. 1-, 2- and 4-bit
    grey is spread over 0..255. The EXIF orientation is applied. Alpha is composited over black:
    opaque pixels keep their value, transparent ones become "no signal".

    16-bit TIFF colour in a layout that OpenCV cannot read comes back with 8 bits.
    32-bit integers are taken where they fit 16 bits. Floats are refused: they have no full scale.
    DICOM objects of one frame decode as in :func:`sranogan_edge.dicom.decode.decode_dicom`.

    Args:
        data: the whole file.
        source: what to call the image in messages, and ``Frame.source``.
        max_pixels: width x height above which the header alone is reason to refuse.

    Raises:
        UnreadableImageError: not an image, truncated, corrupt, or of a kind named above.
        OversizedImageError: the header declares more than ``max_pixels``; nothing was decoded.
    """
    return _decode(io.BytesIO(data), source, max_pixels, max_frames=1)[0]


def decode_frames(
    data: bytes, *, source: str, max_pixels: int = DEFAULT_MAX_PIXELS, max_frames: int = MAX_FRAMES
) -> tuple[Frame, ...]:
    """Decode every frame of a DICOM object (``max_pixels``: of all), or the one that others have."""
    return _decode(io.BytesIO(data), source, max_pixels, max_frames)


def _decode(stream: BinaryIO, source: str, max_pixels: int, max_frames: int) -> tuple[Frame, ...]:
    if is_dicom(stream.read(HEAD_BYTES)):
        stream.seek(0)
        return _decode_dicom(stream, source, max_pixels, max_frames)
    stream.seek(0)
    _check_signature(stream, source)
    with decoders_to_ourselves():
        try:
            with Image.open(stream, formats=FORMATS) as image:
                return (_decode_opened(image, stream, source, max_pixels),)
        except ImageError:
            raise
        except Exception as error:  # bad bytes make Pillow raise SyntaxError, struct.error, KeyError ...
            raise UnreadableImageError(
                f"{source}: the image is truncated or corrupt ({_reason(error)}). "
                "Copy or export the file again."
            ) from error


def _decode_dicom(stream: BinaryIO, source: str, max_pixels: int, max_frames: int) -> tuple[Frame, ...]:
    try:
        from sranogan_edge.dicom.decode import DicomOptions, decode_dicom, read_bounded
    except ModuleNotFoundError as error:
        raise UnreadableImageError(
            f"{source}: is a DICOM file, and the package {error.name!r} that reads it is not installed. "
            f"Run: {how_to_install('dicom')}"
        ) from error
    options = DicomOptions(max_pixels=max_pixels, max_frames=max_frames)
    return decode_dicom(read_bounded(stream, source, options), source=source, options=options)


def _decode_opened(image: Image.Image, stream: BinaryIO, source: str, max_pixels: int) -> Frame:
    width, height = image.size
    if width * height > max_pixels:
        raise OversizedImageError(
            f"{source}: the header declares {width} x {height} = {width * height:,} pixels, above the "
            f"budget of {max_pixels:,}. Shrink the image, or raise max_pixels if it is genuine."
        )
    deep_colour = _is_deep_colour(image)
    tags = dict(getattr(image, "tag_v2", {}))
    image.load()  # the whole file is checked here; a TIFF also turns upright, as in OpenCV
    if deep_colour:
        deep = _decode_deep_colour(stream, image.format == "PNG")
        if deep is not None:
            return Frame(_upright(deep, _orientation(image)), 16, Photometric.RGB, source=source)
    pixels, bit_depth = _pixels(image, source, tags)
    upright = _upright(pixels, _orientation(image))
    return Frame(upright, bit_depth, _photometric(pixels, tags, image.mode), source=source)


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


def _check_signature(stream: BinaryIO, source: str) -> None:
    head = stream.read(SIGNATURE_BYTES)
    stream.seek(0)
    if not head:
        raise UnreadableImageError(f"{source}: the file is empty (0 bytes). Copy or export it again.")
    if not head.startswith(SIGNATURES):
        raise UnreadableImageError(
            f"{source}: not a {NAMED_FORMATS} image, whatever its name says: "
            f"it begins with {head!r}. Export it in one of these formats."
        )


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the EXIF block is damaged."""
    try:
        value = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF says nothing about the pixels
        return 1
    return value if 1 <= value <= 8 else 1


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo the EXIF orientation: 5 to 8 are transposed, then rows and columns flip."""
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether the file holds 16-bit colour (or grey + alpha), which Pillow cuts to 8 bits."""
    if image.mode not in ("RGB", "RGBA", "RGBX", "LA") or image.format not in ("PNG", "TIFF"):
        return False
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _decode_deep_colour(stream: BinaryIO, is_png: bool) -> NDArray[np.uint16] | None:
    """``(H, W, 3)`` uint16 R, G, B as stored, alpha over black; None where OpenCV cannot."""
    stream.seek(0)
    data = stream.read()
    packed = np.frombuffer(_pixel_chunks(data) if is_png else data, np.uint8)
    try:
        bgr = cv2.imdecode(packed, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if bgr is None or bgr.dtype != np.uint16 or bgr.ndim != 3 or bgr.shape[2] not in (3, 4):
        return None
    rgb = bgr[..., 2::-1]
    rgb = _over_black(rgb, bgr[..., 3]) if bgr.shape[2] == 4 else rgb
    return rgb.astype(np.uint16, copy=False)


def _pixel_chunks(png: bytes) -> bytes:
    """The PNG with nothing but its pixels: libpng prints warnings about the other chunks."""
    kept, at = [png[:_PNG_HEADER_BYTES]], _PNG_HEADER_BYTES
    while at + 12 <= len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind in _PIXEL_CHUNKS:
            kept.append(png[at : at + 12 + length])
        at += 12 + length
    return b"".join(kept)


def _pixels(image: Image.Image, source: str, tags: dict[int, Any]) -> tuple[NDArray[Any], int]:
    """Stored values as uint8 or uint16, alpha composited, and the bits in use."""
    mode = image.mode
    if mode.startswith("I;16"):
        bits = tags.get(_TIFF_BITS_PER_SAMPLE, (16,))
        return np.asarray(image).astype(np.uint16), int(bits[0])
    if mode == "I":
        return _narrowed(np.asarray(image), source), 16
    if mode in ("F", "LAB"):
        kind = "32-bit float" if mode == "F" else "CIELAB"
        raise UnreadableImageError(
            f"{source}: {kind} pixels are not supported. Export it as 8- or 16-bit grey or RGB."
        )
    if mode in ("1", "L"):
        return np.asarray(image.convert("L")), 8
    if mode in ("LA", "La"):
        grey_alpha = np.asarray(image.convert("LA"))
        return _over_black(grey_alpha[..., 0], grey_alpha[..., 1]), 8
    if mode in ("RGBA", "PA", "RGBa") or (mode == "P" and "transparency" in image.info):
        rgba = np.asarray(image.convert("RGBA"))
        return _over_black(rgba[..., :3], rgba[..., 3]), 8
    return np.asarray(image.convert("RGB")), 8


def _narrowed(values: NDArray[Any], source: str) -> NDArray[np.uint16]:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise UnreadableImageError(
            f"{source}: 32-bit pixels from {low} to {high} do not fit 0..65535. Export it as 16-bit unsigned."
        )
    return values.astype(np.uint16)


def _over_black(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """``colour * alpha``, rounded; the colour itself, untouched, where all of it is opaque."""
    full = int(np.iinfo(alpha.dtype).max)
    if int(alpha.min()) == full:
        return colour
    weight = alpha.astype(np.uint32).reshape(alpha.shape + (1,) * (colour.ndim - alpha.ndim))
    return ((colour.astype(np.uint32) * weight + full // 2) // full).astype(colour.dtype)


def _photometric(pixels: NDArray[Any], tags: dict[int, Any], mode: str) -> Photometric:
    """Pillow inverts WhiteIsZero TIFFs of up to 8 bits itself, and leaves the deeper ones."""
    if pixels.ndim == 3:
        return Photometric.RGB
    white_is_zero = tags.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO
    return Photometric.MONOCHROME1 if white_is_zero and mode.startswith("I") else Photometric.MONOCHROME2
