"""From a DICOM object to frames: limits first, then pixels, then what their values mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sranogan_edge.errors import ImageError, OversizedImageError, UnreadableImageError
from sranogan_edge.extras import missing_extra
from sranogan_edge.image.codestream_bounds import check_codestream
from sranogan_edge.image.dicom_codestream import declared_size, mended, syntax_of
from sranogan_edge.image.dicom_decoders import causes, cure, decoded
from sranogan_edge.image.dicom_grey import grey_frame
from sranogan_edge.image.dicom_layout import DicomOptions, Layout, layout_of, refused
from sranogan_edge.image.dicom_object import read_object
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.guard import decoders_to_ourselves, no_memory, read_up_to

__all__ = ["CR", "DX", "DicomOptions", "decode_dicom", "read_bounded"]

CR = "1.2.840.10008.5.1.4.1.1.1"  # Computed Radiography Image Storage
DX = "1.2.840.10008.5.1.4.1.1.1.1"  # Digital X-Ray Image Storage - For Presentation


def decode_dicom(data: bytes, *, source: str, options: DicomOptions | None = None) -> tuple[Frame, ...]:
    """Decode every frame of a DICOM object (the bytes of a file).

    Grey comes back as stored values, ``uint8`` or ``uint16``, with the VOI window in the same unit: signed
    values are shifted up to start at 0, the rescale goes into the window. A modality LUT, a VOI LUT, a
    sigmoid window and one of width 1 are applied, for they are no straight lines. The first window that shows
    something counts; a frame's own functional groups come before shared ones, these before the object. Colour
    comes back in R, G, B order. Native, deflated, RLE, JPEG, JPEG-LS, JPEG 2000 and HTJ2K transfer
    syntaxes decode, as far as their decoders are installed.

    Args:
        data: preamble, ``DICM``, file meta, data set; or from the file meta or the data set on.
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
        except MemoryError as error:
            raise no_memory(source) from error
        except BaseException as error:  # a panic in the RLE decoder (Rust) is no Exception
            raise UnreadableImageError(
                f"{source}: the pixels of this DICOM object are truncated or corrupt "
                f"({type(error).__name__}: {_first_line(error)}). Send or export it again."
            ) from error


def read_bounded(stream: BinaryIO, source: str, options: DicomOptions) -> bytes:
    """Read a DICOM file whole, or raise OversizedImageError; a huge one never comes into memory."""
    data = read_up_to(stream, options.max_bytes + 1)
    if len(data) > options.max_bytes:
        raise OversizedImageError(
            f"{source}: larger than the {options.max_bytes:,} bytes that are allowed. Send a smaller object, "
            "or its frames apart."
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
        raise refused(source, "holds no pixel data")
    data = dataset.get("PixelData")
    if not isinstance(data, bytes) or not data:
        raise refused(source, "holds no pixel data in its pixel data element")
    transfer_syntax = _transfer_syntax(dataset, source)
    layout = layout_of(dataset, transfer_syntax, source, options)
    layout.write_to(dataset)
    _check_pixel_data(dataset, layout, transfer_syntax, source, options.max_pixels)
    for number, stored in enumerate(_decoded(dataset, transfer_syntax, source)):
        name = source if layout.frames == 1 else f"{source}#{number + 1}"
        yield _frame(stored, dataset, layout, number, name)
        if number + 1 == layout.frames:
            return


def _decoded(dataset: FileDataset, transfer_syntax: UID, source: str) -> Iterator[NDArray[Any]]:
    try:
        yield from decoded(dataset, transfer_syntax)
    except RuntimeError as error:  # every decoder that is there was tried
        more = cure(transfer_syntax) or "Send or export it again."
        raise UnreadableImageError(
            f"{source}: its pixels, compressed as {transfer_syntax.name}, cannot be decoded "
            f"({causes(error)}). {more}"
        ) from error


def _frame(stored: NDArray[Any], dataset: FileDataset, layout: Layout, number: int, source: str) -> Frame:
    colour = (3,) if layout.samples == 3 else ()
    if stored.shape != (layout.rows, layout.columns, *colour) or stored.dtype.itemsize > 2:
        raise UnreadableImageError(
            f"{source}: decodes to {stored.shape} {stored.dtype}, not to the {layout.rows} x "
            f"{layout.columns} x {layout.samples} that the header declares. Send or export it again."
        )
    if layout.samples == 1:
        return grey_frame(stored, dataset, number, source)
    return Frame(np.ascontiguousarray(stored), 8, Photometric.RGB, source=source)


def _transfer_syntax(dataset: FileDataset, source: str) -> UID:
    """What the file meta information says, or the data themselves where it says nothing."""
    uid = UID(str(dataset.file_meta.get("TransferSyntaxUID", "") or ""))
    if not uid:
        uid = _told_by_data(dataset)
        dataset.file_meta.TransferSyntaxUID = uid
    try:
        decoder = get_decoder(uid)
    except NotImplementedError as error:
        known = uid.name or "no transfer syntax"
        raise refused(source, f"is encoded as {known}, which is not supported") from error
    if not decoder.is_available:
        needed = f"a decoder for {uid.name}, and none is installed"
        kind = UnreadableImageError
        raise missing_extra(f"{source}: a compressed object", needed, "dicom", "dicom-jpeg", kind=kind)
    return uid


def _told_by_data(dataset: FileDataset) -> UID:
    implicit, little = dataset.original_encoding
    if dataset["PixelData"].is_undefined_length:
        return syntax_of(next(generate_frames(dataset.PixelData, number_of_frames=1))) or UID("")
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _check_pixel_data(
    dataset: FileDataset, layout: Layout, transfer_syntax: UID, source: str, max_pixels: int
) -> None:
    """Raise where the pixel data are not what the header says; mend what decoders would not take."""
    data = dataset.PixelData
    if not transfer_syntax.is_encapsulated:
        if len(data) < layout.native_bytes:
            raise refused(source, f"is truncated: {len(data):,} of {layout.native_bytes:,} bytes of pixels")
        return
    found, whole = [], True
    for frame in generate_frames(data, number_of_frames=layout.frames):
        found.append(mended(frame, transfer_syntax))
        whole = whole and found[-1] is frame
        declared, expected = (
            declared_size(found[-1], transfer_syntax),
            (layout.rows, layout.columns, layout.samples),
        )
        if declared is not None and (declared.rows, declared.columns, declared.samples) != expected:
            raise refused(source, f"frame {len(found)} declares {declared}, the header {expected}")
        check_codestream(found[-1], source, max_pixels)
    if len(found) < layout.frames:
        raise refused(source, f"is truncated: {len(found)} of {layout.frames} frames are there")
    if not whole:
        dataset.PixelData = encapsulate(found)
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if keyword in dataset:
                del dataset[keyword]


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:200]
