"""Who a DICOM image is of, so that no patient is on both sides of a split."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["DICOM_SUFFIXES", "patient_of"]

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})


def patient_of(path: Path) -> str:
    """Return a pseudonym of the patient in the header of ``path``.

    Empty where the header names none or cannot be read, and without the extra ``sranogan-edge[dicom]``: then
    decoding says what is wrong. The number itself leaves the file in no result.
    """
    try:
        from pydicom import dcmread
        from pydicom.errors import InvalidDicomError
    except ModuleNotFoundError:
        return ""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["PatientID", "IssuerOfPatientID"])
    except (InvalidDicomError, OSError, ValueError, EOFError):
        return ""
    patient = str(header.get("PatientID") or "").strip()
    if not patient:
        return ""
    who = f"{header.get('IssuerOfPatientID') or ''}\0{patient}"
    return f"patient-{hashlib.sha256(who.encode()).hexdigest()[:16]}"
