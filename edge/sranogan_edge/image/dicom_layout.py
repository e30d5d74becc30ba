"""What a DICOM header says about the pixels, checked, and completed where the rest tells what is missing."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.uid import UID

from sranogan_edge.errors import OversizedImageError, UnreadableImageError
from sranogan_edge.image.dicom_codestream import Declared, declared_size, mended
from sranogan_edge.image.dicom_numbers import texts_of, whole_number
from sranogan_edge.image.dicom_object import DEFAULT_MAX_BYTES
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS, RAISE_MAX_PIXELS

__all__ = ["DicomOptions", "Layout", "layout_of", "refused"]

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_SAMPLES = {**dict.fromkeys(_GREY, 1), **dict.fromkeys(_COLOUR, 3)}


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
class Layout:
    """How the pixels lie."""

    rows: int
    columns: int
    frames: int
    samples: int
    allocated: int
    stored: int
    signed: bool
    photometric: str

    @property
    def native_bytes(self) -> int:
        """Of all frames, uncompressed; colour may be stored with half the colour samples (4:2:2)."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * self.frames * samples * self.allocated // 8

    def write_to(self, dataset: Dataset) -> None:
        """Put it into the header, where decoders look for it."""
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = self.samples, self.photometric
        dataset.BitsAllocated, dataset.BitsStored = self.allocated, self.stored
        dataset.HighBit, dataset.PixelRepresentation = self.stored - 1, int(self.signed)
        dataset.NumberOfFrames = self.frames


def layout_of(dataset: Dataset, transfer_syntax: UID, source: str, options: DicomOptions) -> Layout:
    """Read, check and complete the layout of ``dataset``, which holds pixel data (bytes).

    No or 0 frames are as many as the pixel data are enough for, or have offsets; missing samples follow from
    the photometric interpretation, missing bits from the high bit, the codestream, or 8 bits
    allocated, which follow from the length of the data; a
    missing pixel representation from the codestream, else values have no sign.

    Raises:
        UnreadableImageError: it cannot be, or is of a kind that is not taken.
        OversizedImageError: more than ``options`` allow.
    """
    rows, columns = _needed(dataset, "Rows", source), _needed(dataset, "Columns", source)
    photometric = "".join(texts_of(dataset, "PhotometricInterpretation")[:1]).upper()
    samples = _number(dataset, "SamplesPerPixel", source)
    if photometric not in _SAMPLES or samples not in (None, _SAMPLES[photometric]):
        many = f"{samples} x " if samples is not None else ""
        kind = repr(photometric) if photometric else "values of no kind"
        raise refused(source, f"holds {many}{kind} a pixel; grey or RGB is needed")
    samples = _SAMPLES[photometric]
    frames = _number(dataset, "NumberOfFrames", source)
    if min(rows, columns) < 1 or (frames or 0) < 0:
        many = f"{frames} frames of " if frames is not None else ""
        raise refused(source, f"declares {many}{columns} x {rows} pixels: there is nothing in it")
    if not frames:
        frames = _frames_there(dataset, transfer_syntax, rows * columns * samples)
    _check_budget(rows, columns, frames, source, options)
    whole = rows * columns * frames * samples
    allocated, stored, signed = _bits(dataset, transfer_syntax, frames, whole, source)
    if samples == 3 and (allocated, stored) != (8, 8):
        raise refused(source, f"holds colour of {stored} bits; 8 are needed")
    return Layout(rows, columns, frames, samples, allocated, stored, signed, photometric)


def refused(source: str, what: str) -> UnreadableImageError:
    """Say ``what`` is wrong with an object."""
    return UnreadableImageError(f"{source}: {what}. Send or export it again, as an 8- or 16-bit image.")


def _check_budget(rows: int, columns: int, frames: int, source: str, options: DicomOptions) -> None:
    if frames <= options.max_frames and rows * columns * frames <= options.max_pixels:
        return
    size = f"{columns} x {rows}" if frames == 1 else f"{frames} x {columns} x {rows}"
    raise OversizedImageError(
        f"{source}: the header declares {size} = {frames * columns * rows:,} pixels; "
        f"allowed are {options.max_frames:,} frames and {options.max_pixels:,} pixels. Send its frames "
        f"apart or smaller, or {RAISE_MAX_PIXELS}."
    )


def _frames_there(dataset: Dataset, transfer_syntax: UID, samples: int) -> int:
    """How many frames there are, where the header says none: 1, or more where the pixel data tell."""
    if transfer_syntax.is_encapsulated:
        return len(parse_basic_offsets(dataset.PixelData)) or 1
    allocated = whole_number(dataset, "BitsAllocated")
    if allocated not in (8, 16):
        return 1
    whole, rest = divmod(len(dataset.PixelData) * 8, samples * allocated)
    return whole if whole and rest < 16 else 1


def _bits(
    dataset: Dataset, transfer_syntax: UID, frames: int, whole: int, source: str
) -> tuple[int, int, bool]:
    """Bits allocated and stored, and whether values have a sign; ``whole`` values are in all frames."""
    allocated, stored = _number(dataset, "BitsAllocated", source), _number(dataset, "BitsStored", source)
    high, sign = _number(dataset, "HighBit", source), _number(dataset, "PixelRepresentation", source)
    told: Declared | None = None
    if None in (allocated, stored, sign):
        told = _first_frame(dataset, transfer_syntax, frames)
    if allocated is None:
        depth = told.bits if told else len(dataset.PixelData) * 8 // whole
        allocated = 8 if depth <= 8 else 16
    if stored is None and high is not None:
        stored = high + 1
    if stored is None and (told or allocated == 8):
        stored = told.bits if told else 8
    if stored is None:
        raise refused(source, f"says neither BitsStored nor HighBit: of {allocated} bits, any may be in use")
    if allocated not in (8, 16) or not 1 <= stored <= allocated or high not in (None, stored - 1):
        upto = f" up to bit {high}" if high is not None else ""
        bits = f"{stored} of {allocated} bits{upto}"
        raise refused(source, f"stores {bits}; 1 to 16 bits from bit 0, in 8 or 16, are needed")
    if sign not in (None, 0, 1):
        raise refused(source, f"has a PixelRepresentation of {sign}; 0 or 1 is needed")
    return allocated, stored, bool(sign if sign is not None else told and told.signed)


def _first_frame(dataset: Dataset, transfer_syntax: UID, frames: int) -> Declared | None:
    if not transfer_syntax.is_encapsulated:
        return None
    frame = next(generate_frames(dataset.PixelData, number_of_frames=frames))
    return declared_size(mended(frame, transfer_syntax), transfer_syntax)


def _needed(dataset: Dataset, keyword: str, source: str) -> int:
    found = _number(dataset, keyword, source)
    if found is None:
        raise refused(source, f"has no usable {keyword}: there is none")
    return found


def _number(dataset: Dataset, keyword: str, source: str) -> int | None:
    try:
        return whole_number(dataset, keyword)
    except ValueError as error:
        raise refused(source, f"has no usable {keyword}: {error}") from error
