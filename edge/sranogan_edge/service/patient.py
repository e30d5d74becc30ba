"""Whose a film is, as its own header says."""

from __future__ import annotations

from typing import BinaryIO

from sranogan_edge.errors import ImageError
from sranogan_edge.image.sniff import HEAD_BYTES, is_dicom

__all__ = ["patient_of"]

_MOST_BYTES = 256 * 2**20


def patient_of(file: BinaryIO, source: str) -> str | None:
    """Return the patient's number, empty where the header has none; None where it is no DICOM to be read.

    ``source`` is what to call it.
    """
    head = file.read(HEAD_BYTES)
    if not is_dicom(head):
        return None
    try:
        from sranogan_edge.image.dicom_object import identity_of, read_object

        dataset = read_object(head + file.read(_MOST_BYTES), source=source, pixels=False)
    except (ImageError, ModuleNotFoundError):
        return None
    return identity_of(dataset).get("patient_id", "")
