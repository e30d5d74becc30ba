"""What a result takes over from its image: patient, study and side. Nothing else of it is looked at."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.valuerep import validate_value

from sranogan_edge.dicom.side import side_of
from sranogan_edge.dicom.text import TextReader
from sranogan_edge.errors import DicomResultError

__all__ = ["Study", "study_of"]

UTF_8 = "ISO_IR 192"

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
_UID = re.compile(r"(?=.{1,64}$)\d+(\.\d+)+")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?")
_NAMES = ("PatientName", "ReferringPhysicianName")
_STATED = {  # by value representation; each object of a study must state them, empty where they are not known
    "PatientName": "PN",
    "PatientID": "LO",
    "PatientBirthDate": "DA",
    "PatientSex": "CS",
    "AccessionNumber": "SH",
    "StudyID": "SH",
    "StudyDate": "DA",
    "StudyTime": "TM",
    "ReferringPhysicianName": "PN",
}


@dataclass(frozen=True)
class Study:
    """Patient, study and side of an image, valid and decoded.

    Attributes:
        uids: of study, series, kind and instance, by keyword.
        stated: what each object of the study must state, by keyword; may be empty.
        side: elements that say how the picture lies and which side it shows, by keyword.
        left_empty: keywords of what the image states in no valid way.
    """

    uids: Mapping[str, str]
    stated: Mapping[str, str]
    side: Mapping[str, str | tuple[str, ...]]
    left_empty: tuple[str, ...]

    def reference(self) -> Dataset:
        """Return the data set of the image with its UIDs, and empty values of all that must be stated."""
        made = Dataset()
        for keyword, value in {**dict.fromkeys(_STATED, ""), **self.uids}.items():
            setattr(made, keyword, value)
        return made

    def sign(self, result: Dataset) -> None:
        """State patient and study in ``result``, in UTF-8."""
        result.SpecificCharacterSet = UTF_8
        for keyword, value in self.stated.items():
            setattr(result, keyword, value)


def study_of(source: Dataset, frame: int | None = None, turned: str = "") -> Study:
    """Read patient, study and side of the image ``source``, and of its ``frame``, counted from 1.

    ``turned`` is how a picture of it was turned upright (see :mod:`sranogan_edge.image.orientation`).

    Raises:
        DicomResultError: a UID is missing, without which no archive could tell whose the result is.
    """
    read = TextReader(source)
    uids = {keyword: "".join(read.ascii(keyword)[:1]) for keyword in _UIDS}
    missing = [keyword for keyword, uid in uids.items() if not _UID.fullmatch(uid)]
    if missing:
        raise DicomResultError(
            f"the image has no usable {' and no '.join(missing)}, so its result would belong nowhere. "
            "Send the image again with it"
        )
    stated, left_empty = {}, []
    for keyword, kind in _STATED.items():
        value = read.name(keyword) if kind == "PN" else read.text(keyword)
        valid = _is_valid(kind, value)
        stated[keyword] = value if valid else ""
        left_empty += [] if valid else [keyword]
    return Study(uids, stated, side_of(source, read, frame, turned), tuple(left_empty))


def _is_valid(kind: str, value: str) -> bool:
    if not value:
        return True
    if kind == "CS":
        return value in ("M", "F", "O")
    if kind == "DA":
        with suppress(ValueError):
            return bool(re.fullmatch(r"\d{8}", value) and datetime.datetime.strptime(value, "%Y%m%d"))
        return False
    if kind == "TM":
        return bool(_TIME.fullmatch(value))
    if kind != "PN" and "\\" in value:  # several: which one is meant?
        return False
    try:
        validate_value(kind, value, config.RAISE)
    except ValueError:
        return False
    return True
