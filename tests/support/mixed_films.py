"""Good and bad films as a running service gets them: each good one with an oddity that real films have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
from pydicom._dicom_dict import DicomDictionary

from tests.support.dicom_objects import changed, table, without_meta, without_preamble, written
from tests.support.odd_films import ODD_LENGTH, PRIVATE_OF_ANOTHER_KIND, UNKNOWN_KIND, Odd, with_bytes

IMAGE = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
MARKER = "Geheim"  # in the fields of every patient
STUMBLED = 104  # over this film the archive stumbles, time and again
Make = Callable[..., bytes]

_CHARACTER_SETS = (
    b"",
    b"\\ISO 2022 IR 87",
    b"\\ISO 2022 IR 149",
    b"\\ISO 2022 IR 58",
    b"ISO_IR 6",
    b"ISO_IR_100",
)


def _each(keyword: str, *values: bytes) -> tuple[Odd, ...]:
    return tuple({keyword: value} for value in values)


ELEMENTS: tuple[Odd, ...] = (
    PRIVATE_OF_ANOTHER_KIND,
    ODD_LENGTH,
    UNKNOWN_KIND,
    *_each("PatientSex", b"0000", b"U ", b"N ", b"m ", b"Male"),
    *_each("SpecificCharacterSet", *_CHARACTER_SETS),
    *_each("PatientBirthDate", b"0 ", b"00000000", b"1960", b"1950-01-02"),
    *_each("StudyDate", b"0 ", b"1950-01-02"),
    *_each("StudyTime", b"14:04:38", b"9 ", b"240000"),
    {"PatientName": f"{MARKER}^B\\C^D ".encode()},
    {"WindowCenter": b"None", "WindowWidth": b"None"},
    {"WindowCenter": b"550,5 ", "WindowWidth": b"700 "},
    {"WindowCenter": b"550 ", "WindowWidth": b"0 "},
    {"WindowCenter": b"550 ", "WindowWidth": b"1 "},
    {"NumberOfFrames": b"0 "},
    {"PhotometricInterpretation": b"monochrome2 "},
)


def _groups(center: float, width: float) -> pydicom.Sequence:
    window = pydicom.Dataset()
    window.WindowCenter, window.WindowWidth = center, width
    item = pydicom.Dataset()
    item.FrameVOILUTSequence = pydicom.Sequence([window])
    return pydicom.Sequence([item])


ATTRIBUTES: tuple[dict[str, Any], ...] = (
    {"SamplesPerPixel": None},
    {"BitsStored": None},
    {"PixelRepresentation": None},
    {"SharedFunctionalGroupsSequence": _groups(900, 1600)},
    {"PerFrameFunctionalGroupsSequence": _groups(900, 1600)},
    {"VOILUTSequence": table(0, [number // 8 for number in range(2048)], 8, packed=True)},
    {"ModalityLUTSequence": table(0, [number // 8 for number in range(2048)], 8, packed=True)},
)


WRAPPERS: tuple[Callable[[bytes], bytes], ...] = (without_preamble, without_meta)


def odd_film(make: Make, number: int) -> bytes:
    """Return what ``make`` gives with the oddity of this number; each fifth film has none."""
    oddity = number // 5 * 4 + number % 5
    choices = len(ELEMENTS) * 2 + len(ATTRIBUTES) + len(WRAPPERS)
    if number % 5 == 4:
        return make()
    which = oddity % choices
    if which < 2 * len(ELEMENTS):
        return with_bytes(make(), ELEMENTS[which // 2], implicit=bool(which % 2))
    which -= 2 * len(ELEMENTS)
    return make(**ATTRIBUTES[which]) if which < len(ATTRIBUTES) else WRAPPERS[which - len(ATTRIBUTES)](make())


def _put(**values: Any) -> Callable[[bytes], bytes]:
    def put(dataset: pydicom.Dataset) -> None:
        for keyword, value in values.items():
            if isinstance(value, str):
                written(dataset, keyword, value)
            else:
                setattr(dataset, keyword, value)

    return lambda film: changed(film, put)


def _without_pixels(dataset: pydicom.Dataset) -> None:
    del dataset.PixelData


# how to spoil a film, and what its reason says
UNREADABLE: tuple[tuple[Callable[[bytes], bytes], str], ...] = (
    (lambda film: film[:-100], "Send or export it again"),
    (_put(Rows=0), "there is nothing in it"),
    (_put(Rows=60_000, Columns=60_000), "the header declares"),
    (_put(RescaleSlope="none", RescaleIntercept="0"), "RescaleSlope is"),
    (_put(PhotometricInterpretation="PALETTE COLOR"), "PALETTE COLOR"),
    (lambda film: changed(film, _without_pixels), "holds no pixel data"),
)


def reason_of(name: str) -> str:
    """What is wrong with the unreadable film of this name."""
    return UNREADABLE[int(name[:4]) // 10 % len(UNREADABLE)][1]


def films(make_dicom: Make, count: int) -> dict[str, tuple[str, bytes]]:
    """So many films by name, with what is to become of them: sent, refused, homeless or unreadable.

    Refused is every tenth. Those that are not spoiled have an oddity each; the patient of all is the marker.
    """
    made = {}
    for number in range(count):
        kind = {0: "refused", 3: "homeless", 6: "unreadable"}.get(number % 10, "sent")
        kind = "stumbled" if number == STUMBLED else kind
        patient = {"PatientID": f"{MARKER} {kind} {number}", "PatientName": f"{MARKER}^{number}"}
        patient |= {"OtherPatientNames": MARKER, "PatientComments": MARKER, "StudyDescription": MARKER}

        def make(**attributes: Any) -> bytes:
            return make_dicom(IMAGE + number, **{**patient, **attributes})  # noqa: B023 - called in this turn

        if kind == "homeless":
            film = make(StudyInstanceUID=None)
        elif kind == "unreadable":
            film = UNREADABLE[number // 10 % len(UNREADABLE)][0](make())
        else:
            film = odd_film(make, number)
        made[f"{number:04}.dcm"] = (kind, film)
    return made


def marked(make_dicom: Make) -> list[bytes]:
    """Films that name the marker in every text element, in valid and in many broken ways."""
    kinds = ("LO", "SH", "PN", "LT", "ST", "UT", "UC", "UR")
    text = {
        keyword: f"{MARKER}^{MARKER}" if kind == "PN" else MARKER
        for tag, (kind, _, _, retired, keyword) in DicomDictionary.items()
        if kind in kinds and keyword and not retired and tag > 0x00080005
    }
    full = make_dicom(IMAGE, **text)
    raw = MARKER.encode()
    codes: Odd = {"PatientSex": raw, "Laterality": raw, "BurnedInAnnotation": raw, "PatientOrientation": raw}
    times: Odd = {"PatientBirthDate": raw, "PatientBirthTime": raw, "StudyDate": raw, "StudyTime": raw}
    names: Odd = {"PatientName": raw + b" \xfc\x1b$B" + raw, "ReferringPhysicianName": raw}
    long: Odd = {
        "PatientID": raw * 20,
        "AccessionNumber": raw * 4,
        "StudyID": raw * 4,
        "PatientName": raw * 20,
    }
    others: Odd = {
        **{
            "PatientAge": raw,
            "PatientWeight": raw,
            "PatientComments": raw + b"\x00\xff",
        },
        **{(0x01F1, 0x0010): ("LO", b"ELSCINT1"), (0x01F1, 0x1026): ("FD", raw)},
        **{(0x0009, 0x0010): ("LO", raw), (0x0009, 0x1001): ("XX", raw), "OtherPatientIDs": raw},
    }
    several: Odd = {"PatientName": raw + b"\\" + raw, "PatientID": raw + b"\\" + raw}
    found = [full, full[:-100], full[:3000]]
    for odd in (codes, times, names, long, others, several, {**codes, **times, **names}):
        found += [with_bytes(full, odd), with_bytes(make_dicom(IMAGE), odd, implicit=True)]
    found += [with_bytes(full, {**names, "SpecificCharacterSet": raw})]
    found += [with_bytes(full, {**names, "SpecificCharacterSet": b"\\ISO 2022 IR 87"})]
    return found
