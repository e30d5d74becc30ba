"""From the bytes of an image file to an upright :class:`Frame`, or an error that names the cure.

Pillow reads the header first, so that a file which declares too many pixels is refused before
one of them is decoded, and it raises on truncated files, which OpenCV fills in silently. OpenCV
decodes only what Pillow would cut to 8 bits (16-bit colour), after Pillow found the file whole.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from sranogan_edge.errors import ImageError, OversizedImageError, UnreadableImageError
from sranogan_edge.image.codestream_bounds import check_codestream
from sranogan_edge.image.formats import FORMATS, NAMED_FORMATS, SIGNATURE_BYTES, SIGNATURES
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.guard import RAISE_MAX_PIXELS, decoders_to_ourselves, no_memory

_TIFF_BITS_PER_SAMPLE, _TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 258, 262, 0
_PNG_HEADER_BYTES = 8
_PIXEL_CHUNKS = (b"IHDR", b"IDAT", b"IEND")
_NO_MEMORY = -4  # of OpenCV's error codes: StsNoMem
_STREAM = re.compile(r" ?<_io[^>]*>")  # Pillow names the object that it read from
_STRIPE_PIXELS = 2**20  # converted at a time: whole copies of 64 megapixels with alpha took 2 GB


def decode_raster(stream: BinaryIO, source: str, max_pixels: int) -> Frame:
    """Decode an image that is no DICOM object: see :func:`sranogan_edge.image.decode.decode_bytes`."""
    _check_signature(stream, source)
    with decoders_to_ourselves():
        try:
            with Image.open(stream, formats=FORMATS) as image:
                return _decode_opened(image, stream, source, max_pixels)
        except ImageError:
            raise
        except MemoryError as error:
            raise no_memory(source) from error
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
            f"budget of {max_pixels:,}. Shrink the image, or {RAISE_MAX_PIXELS}."
        )
    if image.format in ("JPEG", "MPO", "JPEG2000"):
        stream.seek(0)
        check_codestream(stream.read(), source, max_pixels)
    deep_colour = _is_deep_colour(image)
    tags = dict(getattr(image, "tag_v2", {}))
    image.load()  # the whole file is checked here; a TIFF also turns upright, as in OpenCV
    if deep_colour:
        orientation = _orientation(image)
        deep = _decode_deep_colour(stream, image)
        if deep is not None:
            return Frame(_upright(deep, orientation), 16, Photometric.RGB, source=source)
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
    text = _STREAM.sub("", str(error))
    return text.splitlines()[0] if text else type(error).__name__


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


def _decode_deep_colour(stream: BinaryIO, image: Image.Image) -> NDArray[np.uint16] | None:
    """``(H, W, 3)`` uint16 R, G, B as stored, alpha over black; None where OpenCV cannot.

    What Pillow decoded of a PNG is let go first: OpenCV can read all that pass.
    """
    stream.seek(0)
    data = stream.read()
    if image.format == "PNG":
        image.close()
        data = _pixel_chunks(data)
    packed = np.frombuffer(data, np.uint8)
    try:
        bgr = cv2.imdecode(packed, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == _NO_MEMORY:
            raise MemoryError from error
        bgr = None
    if bgr is None and image.format == "PNG":
        raise OSError("OpenCV cannot decode what Pillow can")
    if bgr is None or bgr.dtype != np.uint16 or bgr.ndim != 3 or bgr.shape[2] not in (3, 4):
        return None
    made = np.empty((*bgr.shape[:2], 3), np.uint16)
    for top, stripe in _rows(bgr):
        rgb = stripe[..., 2::-1]
        opaque = stripe.shape[2] == 3
        made[top : top + len(stripe)] = rgb if opaque else _over_black(rgb, stripe[..., 3])
    return made


def _rows(pixels: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Stripes of ``pixels``, each with the number of its first row."""
    rows = max(1, _STRIPE_PIXELS // pixels.shape[1])
    return ((top, pixels[top : top + rows]) for top in range(0, len(pixels), rows))


def _stripes(image: Image.Image, mode: str) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Stripes of ``image`` in ``mode``, each with the number of its first row."""
    width, height = image.size
    rows = max(1, _STRIPE_PIXELS // width)
    for top in range(0, height, rows):
        whole = rows >= height
        part = image if whole else image.crop((0, top, width, min(top + rows, height)))
        yield top, np.asarray(part if part.mode == mode else part.convert(mode))


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
        return _without_alpha(image, "LA"), 8
    if mode in ("RGBA", "PA", "RGBa") or (mode == "P" and "transparency" in image.info):
        return _without_alpha(image, "RGBA"), 8
    made = np.empty((*image.size[::-1], 3), np.uint8)
    for top, stripe in _stripes(image, "RGB"):
        made[top : top + len(stripe)] = stripe
    return made, 8


def _without_alpha(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    """``(H, W)`` of ``LA``, ``(H, W, 3)`` of ``RGBA``, over black."""
    made = np.empty((*image.size[::-1], 3) if mode == "RGBA" else image.size[::-1], np.uint8)
    for top, stripe in _stripes(image, mode):
        colour = stripe[..., :3] if mode == "RGBA" else stripe[..., 0]
        made[top : top + len(stripe)] = _over_black(colour, stripe[..., -1])
    return made


def _narrowed(values: NDArray[Any], source: str) -> NDArray[np.uint16]:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise UnreadableImageError(
            f"{source}: 32-bit pixels from {low} to {high} do not fit 0..65535. Export it as 16-bit unsigned."
        )
    return values.astype(np.uint16)


def _over_black(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """``colour * alpha``, rounded; the colour itself, untouched, where all of it is opaque.

    In whole numbers: of products x of two numbers below 2^n the quotient x / (2^n - 1), rounded, is
    (t + t / 2^n) / 2^n with t = x + 2^(n - 1), and t + t / 2^n has no more than 2n bits.
    """
    if int(alpha.min()) == np.iinfo(alpha.dtype).max:
        return colour
    made = np.empty(colour.shape, colour.dtype)
    bits = 8 * colour.dtype.itemsize
    wide = np.uint16 if bits == 8 else np.uint32
    planes = colour[..., None] if colour.ndim == alpha.ndim else colour
    for channel in range(planes.shape[-1]):
        x = np.multiply(planes[..., channel], alpha, dtype=wide)
        x += wide(1 << (bits - 1))
        x += x >> bits
        x >>= bits
        made.reshape(planes.shape)[..., channel] = x
    return made


def _photometric(pixels: NDArray[Any], tags: dict[int, Any], mode: str) -> Photometric:
    """Pillow inverts WhiteIsZero TIFFs of up to 8 bits itself, and leaves the deeper ones."""
    if pixels.ndim == 3:
        return Photometric.RGB
    white_is_zero = tags.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO
    return Photometric.MONOCHROME1 if white_is_zero and mode.startswith("I") else Photometric.MONOCHROME2
