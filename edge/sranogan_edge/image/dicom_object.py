"""From the bytes of a DICOM file to its data set, with a bound on what reading it may cost."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from sranogan_edge.errors import ImageError, OversizedImageError, UnreadableImageError
from sranogan_edge.image.dicom_bounds import check_elements
from sranogan_edge.image.dicom_numbers import texts_of
from sranogan_edge.image.guard import decoders_to_ourselves, no_memory
from sranogan_edge.image.sniff import HEAD_BYTES, begin_of
from sranogan_edge.redact import what_failed

__all__ = ["DEFAULT_MAX_BYTES", "identity_of", "read_object", "text_of"]

DEFAULT_MAX_BYTES = 256 * 2**20  # 64 megapixels of 16 bits, twice over

_IDENTITY = {
    "patient_id": "PatientID",
    "accession_number": "AccessionNumber",
    "study_uid": "StudyInstanceUID",
    "series_uid": "SeriesInstanceUID",
    "instance_uid": "SOPInstanceUID",
    "sop_class_uid": "SOPClassUID",
    "modality": "Modality",
    "station": "StationName",
}
_IDENTITY_CHARACTERS = 64  # the longest that any of them may be


def read_object(
    data: bytes, *, source: str, max_bytes: int = DEFAULT_MAX_BYTES, pixels: bool = True
) -> FileDataset:
    """Read the data set of a DICOM file (PS3.10: preamble, ``DICM``, file meta, data set).

    Files without preamble, and bare data sets without file meta information, are taken too.

    Args:
        data: the whole file.
        source: what to call it in messages.
        max_bytes: size above which the file, or what a deflated one inflates to, is refused.
        pixels: False stops before the pixel data.

    Raises:
        UnreadableImageError: not DICOM, truncated or corrupt.
        OversizedImageError: above ``max_bytes``, or of more elements than any film has.
    """
    begin = begin_of(data[:HEAD_BYTES])
    if begin is None:
        raise UnreadableImageError(
            f"{source}: not a DICOM file: it begins with {data[:12]!r}, not with elements of a data set, and "
            "has no prefix DICM at byte 129. Export it as a DICOM file."
        )
    if len(data) > max_bytes:
        raise _too_large(source, max_bytes)
    with decoders_to_ourselves():
        try:
            check_elements(data, begin, source)
            plain = _inflated(data, begin, source, max_bytes)
            if len(plain) > len(data):
                check_elements(plain, HEAD_BYTES if begin == HEAD_BYTES else 0, source)
            return dcmread(io.BytesIO(plain), force=True, stop_before_pixels=not pixels)
        except ImageError:
            raise
        except MemoryError as error:
            raise no_memory(source) from error
        except Exception as error:  # bad bytes make pydicom raise EOFError, KeyError, struct.error ...
            raise UnreadableImageError(
                f"{source}: the DICOM file is truncated or corrupt ({what_failed(error)}). "
                "Send or export it again."
            ) from error


def identity_of(dataset: Dataset) -> Mapping[str, str]:
    """What the sender calls this object: ``study_uid``, ``series_uid``, ``instance_uid``, ... (see the code).

    Printable characters only, 64 at most each; what is missing or damaged is left out. Never a path.
    """
    found = {name: text_of(dataset, keyword) for name, keyword in _IDENTITY.items()}
    return {name: text for name, text in found.items() if text}


def text_of(dataset: Dataset, keyword: str) -> str:
    """The value of ``keyword``, several with backslashes between; printable, short, empty where none is."""
    text = "\\".join(texts_of(dataset, keyword))
    return "".join(c for c in text if c.isprintable())[:_IDENTITY_CHARACTERS].strip()


def _inflated(data: bytes, begin: int, source: str, max_bytes: int) -> bytes:
    """``data``, its data set inflated up to ``max_bytes`` where it is deflated (pydicom has no bound)."""
    if begin != HEAD_BYTES:  # pydicom takes no prefix without preamble
        data, begin = data[begin:], 0
    stream = io.BytesIO(data)
    stream.seek(begin)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
    if UID(meta.get("TransferSyntaxUID", "")) != DeflatedExplicitVRLittleEndian:
        return data
    start = stream.tell()
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflate.decompress(data[start:], max_bytes)
    if inflate.unconsumed_tail:
        raise _too_large(source, max_bytes)
    old, new = str(DeflatedExplicitVRLittleEndian).encode(), str(ExplicitVRLittleEndian).encode()
    return data[:start].replace(old, new.ljust(len(old), b"\0")) + plain


def _too_large(source: str, max_bytes: int) -> OversizedImageError:
    return OversizedImageError(
        f"{source}: the DICOM file holds more than the {max_bytes:,} bytes that are allowed, inflated where "
        "it is deflated. Send a smaller object, or its frames apart."
    )
