"""From the bytes of an image file to an upright :class:`Frame`, or an error that names the cure.

Pillow reads the header first, so that a file which declares too many pixels is refused before
one of them is decoded, and it raises on truncated files, which OpenCV fills in silently. OpenCV
decodes only what Pillow would cut to 8 bits (16-bit colour), after Pillow found the file whole.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from sranogan_edge.errors import ImageError, OversizedImageError, UnreadableImageError
from sranogan_edge.image.formats import FORMATS, NAMED_FORMATS, SIGNATURE_BYTES, SIGNATURES
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.guard import decoders_to_ourselves

_TIFF_BITS_PER_SAMPLE, _TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 258, 262, 0
_PNG_HEADER_BYTES = 8
_PIXEL_CHUNKS = (b"IHDR", b"IDAT", b"IEND")


def decode_raster(stream: BinaryIO, source: str, max_pixels: int) -> Frame:
    """Decode an image that is no DICOM object: see :func:`sranogan_edge.image.decode.decode_bytes`."""
    _check_signature(stream, source)
    with decoders_to_ourselves():
        try:
            with Image.open(stream, formats=FORMATS) as image:
                return _decode_opened(image, stream, source, max_pixels)
        except ImageError:
            raise
        except Exception as error:  # bad bytes make Pillow raise SyntaxError, struct.error, KeyError ...
            raise UnreadableImageError(
                f"{source}: the image is truncated or corrupt ({_reason(error)}). "
                "Copy or export the file again."
            ) from error


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
