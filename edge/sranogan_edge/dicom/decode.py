"""From a DICOM object to frames: limits first, then pixels, then what their values mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, RLELossless

from sranogan_edge.decode import DEFAULT_MAX_PIXELS, decoders_to_ourselves
from sranogan_edge.dicom.codestream import declared_size
from sranogan_edge.dicom.grey import grey_frame
from sranogan_edge.dicom.read import DEFAULT_MAX_BYTES, read_object
from sranogan_edge.errors import ImageError, OversizedImageError, UnreadableImageError
from sranogan_edge.extras import how_to_install
from sranogan_edge.frame import Frame, Photometric

__all__ = ["CR", "DX", "DicomOptions", "decode_dicom", "decode_dicom_file", "read_bounded"]

CR = "1.2.840.10008.5.1.4.1.1.1"  # Computed Radiography Image Storage
DX = "1.2.840.10008.5.1.4.1.1.1.1"  # Digital X-Ray Image Storage - For Presentation

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclass(frozen=True)
class DicomOptions:
    """What is taken.

    Attributes:
        sop_classes: UIDs of the kinds of object that are taken; None takes every kind that holds pixels.
        max_pixels: rows x columns of all frames together above which the header is reason to refuse.
        max_frames: frames above which it is.
        max_bytes: of the file, and of what a deflated one inflates to.
    """

    sop_classes: frozenset[str] | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    max_frames: int = 1024
    max_bytes: int = DEFAULT_MAX_BYTES


@dataclass(frozen=True)
class _Layout:
    """What the header says about the pixels; checked."""

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    photometric: str

    @property
    def native_bytes(self) -> int:
        """Of all frames, uncompressed; colour may be stored with half the colour samples (4:2:2)."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * self.frames * samples * self.bits_allocated // 8


def decode_dicom_file(path: Path, options: DicomOptions | None = None) -> tuple[Frame, ...]:
    """Decode one DICOM file: see :func:`decode_dicom`.

    Also raises ``UnreadableImageError`` where ``path`` cannot be read.
    """
    options = options or DicomOptions()
    try:
        with path.open("rb") as stream:
            data = read_bounded(stream, str(path), options)
    except OSError as error:
        raise UnreadableImageError(
            f"{path}: cannot be read ({error.strerror or error}). Check the path and its permissions."
        ) from error
    return decode_dicom(data, source=str(path), options=options)


def decode_dicom(data: bytes, *, source: str, options: DicomOptions | None = None) -> tuple[Frame, ...]:
    """Decode every frame of a DICOM object (the bytes of a file).

    Grey comes back as stored values, ``uint8`` or ``uint16``, with the VOI window in the same unit: signed
    values are shifted up to start at 0, the rescale goes into the window. A modality LUT, a VOI LUT and a
    sigmoid window are applied, for they are no straight lines. The first window of several counts. Colour
    comes back in R, G, B order. Native, deflated, RLE, JPEG, JPEG-LS, JPEG 2000 and HTJ2K transfer
    syntaxes decode, as far as their decoders are installed.

    Args:
        data: preamble, ``DICM``, file meta, data set.
        source: what to call the object in messages; ``Frame.source`` (with ``#2`` for the second frame ...).
        options: what is taken.

    Raises:
        UnreadableImageError: not DICOM, of a kind that is not taken, without pixels, truncated or corrupt.
        OversizedImageError: the header declares more than ``options`` allow; nothing was decoded.
    """
    options = options or DicomOptions()
    dataset = read_object(data, source=source, max_bytes=options.max_bytes)
    with decoders_to_ourselves():
        try:
            return tuple(_frames(dataset, source, options))
        except (ImageError, KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a panic in the RLE decoder (Rust) is no Exception
            raise UnreadableImageError(
                f"{source}: the pixels of this DICOM object are truncated or corrupt "
                f"({type(error).__name__}: {_first_line(error)}). Send or export it again."
            ) from error


def read_bounded(stream: BinaryIO, source: str, options: DicomOptions) -> bytes:
    """Read a DICOM file whole, or raise OversizedImageError; a huge one never comes into memory."""
    data = stream.read(options.max_bytes + 1)
    if len(data) > options.max_bytes:
        raise OversizedImageError(
            f"{source}: larger than the {options.max_bytes:,} bytes that are allowed. Send a smaller object, "
            "or raise max_bytes if it is genuine."
        )
    return data


def _frames(dataset: FileDataset, source: str, options: DicomOptions) -> Iterator[Frame]:
    sop_class = str(dataset.get("SOPClassUID", ""))
    if options.sop_classes is not None and sop_class not in options.sop_classes:
        raise UnreadableImageError(
            f"{source}: is a {UID(sop_class).name or 'DICOM object of no kind'}, which is not taken here. "
            f"Taken: {', '.join(sorted(UID(uid).name for uid in options.sop_classes))}. "
            "Send those only, or add its SOP class UID."
        )
    if "PixelData" not in dataset:
        raise _refused(source, "holds no pixel data")
    layout = _layout(dataset, source, options)
    transfer_syntax = _transfer_syntax(dataset, source)
    _check_pixel_data(dataset, layout, transfer_syntax, source)
    plugin = "pylibjpeg" if transfer_syntax == RLELossless else ""  # pydicom's own takes minutes
    pixels = iter_pixels(dataset, decoding_plugin=plugin)
    for number, stored in enumerate(pixels, start=1):
        name = source if layout.frames == 1 else f"{source}#{number}"
        yield _frame(stored, dataset, layout, name)
        if number == layout.frames:
            return


def _frame(stored: NDArray[Any], dataset: FileDataset, layout: _Layout, source: str) -> Frame:
    colour = (3,) if layout.samples == 3 else ()
    if stored.shape != (layout.rows, layout.columns, *colour) or stored.dtype.itemsize > 2:
        raise UnreadableImageError(
            f"{source}: decodes to {stored.shape} {stored.dtype}, not to the {layout.rows} x "
            f"{layout.columns} x {layout.samples} that the header declares. Send or export it again."
        )
    if layout.samples == 1:
        return grey_frame(stored, dataset, source)
    return Frame(np.ascontiguousarray(stored), 8, Photometric.RGB, source=source)


def _layout(dataset: FileDataset, source: str, options: DicomOptions) -> _Layout:
    rows, columns = _whole(dataset, "Rows", source), _whole(dataset, "Columns", source)
    frames = _whole(dataset, "NumberOfFrames", source, default=1)
    size = f"{frames} x {columns} x {rows}"
    if min(rows, columns, frames) < 1:
        raise _refused(source, f"declares {size} pixels: there is nothing in it")
    if frames > options.max_frames or rows * columns * frames > options.max_pixels:
        raise OversizedImageError(
            f"{source}: the header declares {size} = {frames * columns * rows:,} pixels; "
            f"allowed are {options.max_frames:,} frames and {options.max_pixels:,} pixels. Send its frames "
            "apart or smaller, or raise max_frames and max_pixels if it is genuine."
        )
    photometric = str(dataset.get("PhotometricInterpretation", "")).strip()
    samples = _whole(dataset, "SamplesPerPixel", source, default=1)
    if samples != {**dict.fromkeys(_GREY, 1), **dict.fromkeys(_COLOUR, 3)}.get(photometric):
        raise _refused(source, f"holds {samples} x {photometric!r} a pixel; grey or RGB is needed")
    allocated = _whole(dataset, "BitsAllocated", source)
    stored = _whole(dataset, "BitsStored", source, default=allocated)
    high = _whole(dataset, "HighBit", source, default=stored - 1)
    if allocated not in (8, 16) or not 1 <= stored <= allocated or high != stored - 1:
        bits = f"{stored} of {allocated} bits up to bit {high}"
        raise _refused(source, f"stores {bits}; 1 to 16 bits from bit 0, in 8 or 16, are needed")
    if samples == 3 and (allocated, stored) != (8, 8):
        raise _refused(source, f"holds colour of {stored} bits; 8 are needed")
    return _Layout(rows, columns, frames, samples, allocated, photometric)


def _whole(dataset: FileDataset, keyword: str, source: str, default: int | None = None) -> int:
    try:
        value = dataset.get(keyword)
        if value is None and default is not None:
            return default
        return int(str(value))
    except Exception as error:  # absent, of no or several values, or damaged
        raise _refused(source, f"has no usable {keyword} ({_first_line(error)})") from error


def _transfer_syntax(dataset: FileDataset, source: str) -> UID:
    uid = UID(str(dataset.file_meta.get("TransferSyntaxUID", "")))
    try:
        decoder = get_decoder(uid)
    except NotImplementedError as error:
        known = uid.name or "no transfer syntax"
        raise _refused(source, f"is encoded as {known}, which is not supported") from error
    if not decoder.is_available:
        raise UnreadableImageError(
            f"{source}: is compressed as {uid.name}, and no decoder for it is installed. "
            f"Run: {how_to_install('dicom', 'dicom-jpeg')}"
        )
    return uid


def _check_pixel_data(dataset: FileDataset, layout: _Layout, transfer_syntax: UID, source: str) -> None:
    data = dataset.get("PixelData")
    if not isinstance(data, bytes) or not data:
        raise _refused(source, "holds no pixel data in its pixel data element")
    if not transfer_syntax.is_encapsulated:
        if len(data) < layout.native_bytes:
            raise _refused(source, f"is truncated: {len(data):,} of {layout.native_bytes:,} bytes of pixels")
        return
    frames = 0
    for frame in generate_frames(data, number_of_frames=layout.frames):
        found, frames = declared_size(frame, transfer_syntax), frames + 1
        expected = (layout.rows, layout.columns, layout.samples)
        if found is not None and (found.rows, found.columns, found.samples) != expected:
            raise _refused(source, f"frame {frames} declares {found}, the header {expected}")
    if frames < layout.frames:
        raise _refused(source, f"is truncated: {frames} of {layout.frames} frames are there")


def _refused(source: str, what: str) -> UnreadableImageError:
    return UnreadableImageError(f"{source}: {what}. Send or export it again, as an 8- or 16-bit image.")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:200]
