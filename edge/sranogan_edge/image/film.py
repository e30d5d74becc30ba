"""What a film says it is, and which films of a feed are scored."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from sranogan_edge.errors import SettingsError
from sranogan_edge.files import OURS
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.guard import decoders_to_ourselves, read_up_to
from sranogan_edge.image.orientation import turned_upright
from sranogan_edge.image.sniff import HEAD_BYTES, is_dicom
from sranogan_edge.option import Options

__all__ = ["EVERY_FILM", "FilmFields", "FilmOptions", "TakenFilm", "fields_of", "fields_of_file", "listed"]

FOR_PRESENTATION, FOR_PROCESSING = "FOR PRESENTATION", "FOR PROCESSING"
_ORIENTATION = re.compile(r" *[LRAPHF]{1,3} *\\ *[LRAPHF]{1,3} *", re.IGNORECASE)
_DATE = re.compile(r"\d{8}")
_UID = re.compile(r"\d+(\.\d+)+")
_RAW_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.1.{kind}" for kind in ("1.1", "2.1", "3.1"))  # DX, MG, IO


@dataclass(frozen=True)
class FilmFields:
    r"""What a DICOM object says of itself; but for ``numbers``, no data of the patient. Empty: says nothing.

    Attributes:
        modality: (0008,0060).
        body_part_examined: (0018,0015), else what the code in (0008,2218) means.
        view_position: (0018,5101), else what the code in (0054,0220) means.
        presentation_intent_type: (0008,0068).
        patient_orientation: (0020,0020), where the rows and the columns go: ``L\F``.
        sop_class_uid: (0008,0016).
        acquisition_date: (0008,0022), else the date in (0008,002A), as ``YYYYMMDD``.
        manufacturer: (0008,0070).
        station: (0008,1010), the scanner's name.
        institution: (0008,0080), where it stands.
        numbers: of patient and examination, by the names of ``identity_of``: the spool finds results by them,
            and they stand in no result.
    """

    modality: str = ""
    body_part_examined: str = ""
    view_position: str = ""
    presentation_intent_type: str = ""
    patient_orientation: str = ""
    sop_class_uid: str = ""
    acquisition_date: str = ""
    manufacturer: str = ""
    station: str = ""
    institution: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class TakenFilm:
    """A film as it is to be scored, or why it is not.

    Attributes:
        frames: of it; none where it is refused.
        turned: how they were turned upright; empty where they were not.
        refusal: which field is not asked for, and its value; empty where it is asked for.
    """

    frames: tuple[Frame, ...] = ()
    turned: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class FilmOptions(Options):
    """Which films of a feed are scored, and how they are held. Case and blanks do not matter.

    Attributes:
        modalities: such as DX, CR; empty takes every one, as with body_parts and views.
        body_parts: BodyPartExamined, such as CHEST.
        views: ViewPosition, such as PA, AP.
        sop_classes: UIDs of the kinds of object that are taken; none takes all.
        presentation_only: leaves out what is for processing.
        take_empty: which of these options take a film whose field is empty or absent; by the others it is
            refused. PresentationIntentType is empty in all of CR, which has no such attribute.
        turn_upright: turns back films that say they are turned or mirrored.
    """

    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] | None = None
    presentation_only: bool = False
    take_empty: tuple[str, ...] = ("presentation_only",)
    turn_upright: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.take_empty:
            if name not in _FIELDS:
                raise SettingsError(
                    f"take_empty names options with a field: {', '.join(_FIELDS)}. Received: {name!r}"
                )
        for name in _FIELDS:
            if not all(_plain(one) for one in self._asked(name)):
                raise SettingsError(f"{name} has an empty value; to take films without it, use take_empty")
        for uid in self.sop_classes or ():
            if not _UID.fullmatch(uid):
                raise SettingsError(f"sop_classes are UIDs, as 1.2.840.10008.5.1.4.1.1.1. Received: {uid!r}")

    def refusal(self, film: FilmFields) -> str:
        """Say which field of ``film`` is not asked for, and its value; empty where all are."""
        for option, (keyword, name) in _FIELDS.items():
            asked, found = self._asked(option), getattr(film, name)
            if not asked:
                continue
            if option == "presentation_only" and not found and film.sop_class_uid in _RAW_CLASSES:
                found = FOR_PROCESSING  # its kind says so
            if not found and option not in self.take_empty:
                return f"{keyword} is empty; asked for: {', '.join(asked)} (take_empty: {option} takes it)"
            if found and _plain(found) not in map(_plain, asked):
                return f"{keyword} is {found!r}; asked for: {', '.join(asked)}"
        return ""

    def _says_so(self, film: FilmFields) -> bool:
        """Whether a value of ``film`` is not asked for, not only a field that is empty."""
        return bool(replace(self, take_empty=tuple(_FIELDS)).refusal(film))

    def _asked(self, option: str) -> tuple[str, ...]:
        """The values that ``option`` takes; empty where it takes every one."""
        if option == "presentation_only":
            return (FOR_PRESENTATION,) if self.presentation_only else ()
        return tuple(getattr(self, option) or ())

    def taken(self, film: FilmFields, decode: Callable[[], Sequence[Frame]]) -> TakenFilm:
        """Refuse ``film``, or decode it and turn it as asked for.

        What does not say whether it is asked for is decoded before it is refused, to tell an image that is
        not asked for from what is no image, or torn.

        Raises:
            ImageError: of ``decode``.
        """
        refusal = self.refusal(film)
        if refusal and self._says_so(film):
            return TakenFilm(refusal=refusal)
        frames = tuple(decode())
        if refusal:
            return TakenFilm(refusal=refusal)
        if not self.turn_upright:
            return TakenFilm(frames)
        return TakenFilm(*turned_upright(frames, film.patient_orientation, film.view_position))


_FIELDS = {  # what each option looks at: DICOM's keyword, ours
    "modalities": ("Modality", "modality"),
    "body_parts": ("BodyPartExamined", "body_part_examined"),
    "views": ("ViewPosition", "view_position"),
    "sop_classes": ("SOPClassUID", "sop_class_uid"),
    "presentation_only": ("PresentationIntentType", "presentation_intent_type"),
}

EVERY_FILM = FilmOptions()


def listed(text: str) -> tuple[str, ...]:
    """Return the values of ``A,B``; nothing is none."""
    return tuple(part.strip() for part in text.split(",")) if text.strip() else ()


def fields_of_file(path: Path, source: str) -> FilmFields:
    """Read what the film at ``path`` says it is; nothing where it is no DICOM file.

    Nor where it may not be opened, or the extra ``dicom`` is not there: who decodes it tells that.

    Raises:
        ImageError: its header is truncated or corrupt; the message calls it ``source``.
        OSError: this process may open no more files now.
    """
    try:
        with path.open("rb") as stream:
            return fields_of(stream, source)
    except OSError as error:
        if error.errno in OURS:  # else a good film would be one that says nothing of itself
            raise
        return FilmFields()


def fields_of(stream: BinaryIO, source: str) -> FilmFields:
    """Read what the film in an open file says it is: see :func:`fields_of_file`; raises OSError, too."""
    if not is_dicom(stream.read(HEAD_BYTES)):
        return FilmFields()
    stream.seek(0)
    try:
        from sranogan_edge.image.dicom_codes import body_part_of, view_of
        from sranogan_edge.image.dicom_object import DEFAULT_MAX_BYTES, identity_of, read_object, text_of
    except ModuleNotFoundError:
        return FilmFields()
    dataset = read_object(read_up_to(stream, DEFAULT_MAX_BYTES + 1), source=source, pixels=False)
    found = {name: text_of(dataset, keyword) for keyword, name in _READ.items()}
    found |= {"body_part_examined": body_part_of(dataset), "view_position": view_of(dataset)}
    dated = found["acquisition_date"] or text_of(dataset, "AcquisitionDateTime")[:8]
    found["acquisition_date"] = dated if _DATE.fullmatch(dated) else ""
    if not _ORIENTATION.fullmatch(found["patient_orientation"]):
        found["patient_orientation"] = ""  # any text could stand there, and lines are shown and sent
    with decoders_to_ourselves():  # pydicom's warnings quote the patient
        numbers = identity_of(dataset)
    return FilmFields(**found, numbers=numbers)


_READ = {
    **dict(_FIELDS.values()),
    **{"PatientOrientation": "patient_orientation", "AcquisitionDate": "acquisition_date"},
    **{"Manufacturer": "manufacturer", "StationName": "station"},
    **{"InstitutionName": "institution"},
}


def _plain(text: str) -> str:
    return " ".join(text.upper().split())
