"""Who a DICOM image is of, so that no patient is on both sides of a split."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from sranogan_edge.image.sniff import HEAD_BYTES, begin_of

__all__ = ["DICOM_SUFFIXES", "patient_of"]

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})


def patient_of(path: Path) -> str:
    """Return a pseudonym of the patient in the header of ``path``.

    Empty where the header names none or cannot be read, and without the extra ``sranogan-edge[dicom]``: then
    decoding says what is wrong. The number itself leaves the file in no result.
    """
    try:
        from pydicom import dcmread
    except ModuleNotFoundError:
        return ""
    try:
        with path.open("rb") as stream:
            begin = begin_of(stream.read(HEAD_BYTES))
            if begin is None:
                return ""
            stream.seek(0 if begin == HEAD_BYTES else begin)
            whole = io.BytesIO(stream.read()) if stream.tell() else stream  # pydicom goes back to 0
            tags = ["PatientID", "IssuerOfPatientID"]
            header = dcmread(whole, force=True, stop_before_pixels=True, specific_tags=tags)
            patient, issuer = (str(header.get(tag) or "").strip() for tag in tags)
    except Exception:  # bad bytes make pydicom raise whatever; decoding says what is wrong
        return ""
    if not patient:
        return ""
    who = f"{issuer}\0{patient}"
    return f"patient-{hashlib.sha256(who.encode()).hexdigest()[:16]}"
