"""From the bytes of a DICOM file to its data set, with a bound on what reading it may cost."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from sranogan_edge.decode import decoders_to_ourselves, is_dicom
from sranogan_edge.errors import ImageError, OversizedImageError, UnreadableImageError
from sranogan_edge.quiet import what_failed

__all__ = ["DEFAULT_MAX_BYTES", "identity_of", "read_object"]

DEFAULT_MAX_BYTES = 256 * 2**20  # 64 megapixels of 16 bits, twice over

_PREAMBLE_BYTES = 132
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

    Args:
        data: the whole file.
        source: what to call it in messages.
        max_bytes: size above which the file, or what a deflated one inflates to, is refused.
        pixels: False stops before the pixel data.

    Raises:
        UnreadableImageError: not DICOM, truncated or corrupt.
        OversizedImageError: above ``max_bytes``.
    """
    if not is_dicom(data):
        raise UnreadableImageError(
            f"{source}: not a DICOM file: bytes 129 to 132 are {data[128:132]!r}, not b'DICM'. "
            "Export it as a DICOM file with its file meta information."
        )
    if len(data) > max_bytes:
        raise _too_large(source, max_bytes)
    with decoders_to_ourselves():
        try:
            return dcmread(io.BytesIO(_inflated(data, source, max_bytes)), stop_before_pixels=not pixels)
        except ImageError:
            raise
        except Exception as error:  # bad bytes make pydicom raise EOFError, KeyError, struct.error ...
            raise UnreadableImageError(
                f"{source}: the DICOM file is truncated or corrupt ({what_failed(error)}). "
                "Send or export it again."
            ) from error


def identity_of(dataset: Dataset) -> Mapping[str, str]:
    """What the sender calls this object: ``study_uid``, ``series_uid``, ``instance_uid``, ... (see the code).

    Printable characters only, 64 at most each; what is missing or damaged is left out. Never a path.
    """
    found = {name: _text(dataset, keyword) for name, keyword in _IDENTITY.items()}
    return {name: text for name, text in found.items() if text}


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value: Any = dataset.get(keyword)
    except Exception:  # one damaged element says nothing about the others
        return ""
    return "".join(c for c in str(value or "") if c.isprintable())[:_IDENTITY_CHARACTERS].strip()


def _inflated(data: bytes, source: str, max_bytes: int) -> bytes:
    """``data``, its data set inflated up to ``max_bytes`` where it is deflated (pydicom has no bound)."""
    stream = io.BytesIO(data)
    stream.seek(_PREAMBLE_BYTES)
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
        "it is deflated. Send a smaller object, or raise max_bytes if it is genuine."
    )
