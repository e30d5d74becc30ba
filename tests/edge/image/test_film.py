"""Only films that are asked for are scored; what they say is kept; turned ones are turned back."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.errors import SettingsError, UnreadableImageError
from sranogan_edge.image.dicom_pixels import CR, DX
from sranogan_edge.image.film import FilmFields, FilmOptions, fields_of_file
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.orientation import turned_upright
from tests.support.dicom_objects import changed, without_meta

PIXELS = np.arange(6, dtype=np.uint8).reshape(2, 3)
Make = Callable[..., bytes]
FILM = FilmFields("DX", "CHEST", "PA", "FOR PRESENTATION", "L\\F", DX)


def test_the_fields_are_those_of_the_header(make_dicom: Make, tmp_path: Path) -> None:
    """What a DICOM file says is read whatever its pixels; other files, and missing fields, say nothing."""
    path = tmp_path / "film"
    said = {"BodyPartExamined": "CHEST", "ViewPosition": "PA", "PatientOrientation": ["L", "F"]}
    data = make_dicom(PIXELS, PresentationIntentType="FOR PRESENTATION", PixelData=None, **said)
    path.write_bytes(data)
    assert fields_of_file(path, "x") == FILM
    path.write_bytes(data[132:])
    assert fields_of_file(path, "x") == FILM
    path.write_bytes(make_dicom(PIXELS, Modality=None))
    assert fields_of_file(path, "x") == FilmFields(sop_class_uid=DX)
    for other in (b"\x89PNG", b""):
        path.write_bytes(other)
        assert fields_of_file(path, "x") == FilmFields()
    assert fields_of_file(tmp_path / "none", "x") == FilmFields()
    squeezed = deflated(data)
    path.write_bytes(squeezed[: len(squeezed) - len(without_meta(squeezed))] + b"\xff" * 50)
    with pytest.raises(UnreadableImageError, match=r"^x: the DICOM file is truncated or corrupt"):
        fields_of_file(path, "x")


def deflated(data: bytes) -> bytes:
    """The same object, deflated."""

    def put(dataset: pydicom.Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian

    return changed(data, put)


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({}, ""),
        ({"modalities": ("CR", "DX")}, ""),
        ({"modalities": ("dx ",), "body_parts": ("Chest",), "views": ("pa",)}, ""),
        ({"modalities": ("CR",)}, "Modality is 'DX'; asked for: CR"),
        ({"body_parts": ("HAND", "FOOT")}, "BodyPartExamined is 'CHEST'; asked for: HAND, FOOT"),
        ({"views": ("AP",)}, "ViewPosition is 'PA'; asked for: AP"),
        ({"sop_classes": (CR,)}, f"SOPClassUID is '{DX}'; asked for: {CR}"),
        ({"sop_classes": (CR, DX), "presentation_only": True}, ""),
    ],
)
def test_the_first_field_that_is_not_asked_for_is_named(asked: dict[str, Any], refusal: str) -> None:
    """Each option compares its field, whatever the case; the refusal has the field and its value."""
    assert FilmOptions(**asked).refusal(FILM) == refusal


@pytest.mark.parametrize(
    ("option", "asked", "field", "keyword"),
    [
        ("modalities", ("DX",), "modality", "Modality"),
        ("body_parts", ("CHEST",), "body_part_examined", "BodyPartExamined"),
        ("views", ("PA",), "view_position", "ViewPosition"),
        ("sop_classes", (DX,), "sop_class_uid", "SOPClassUID"),
        ("presentation_only", True, "presentation_intent_type", "PresentationIntentType"),
    ],
)
def test_an_empty_field_is_taken_where_take_empty_names_its_option(
    option: str, asked: Any, field: str, keyword: str
) -> None:
    """By default only the presentation intent may be empty; take_empty says it for each option."""
    empty: dict[str, Any] = {field: ""}
    film = dataclasses.replace(FILM, **empty)
    by_default = FilmOptions(**{option: asked}).refusal(film)
    refused = FilmOptions(**{option: asked}, take_empty=()).refusal(film)
    assert refused.startswith(f"{keyword} is empty; asked for: ")
    assert by_default == ("" if option == "presentation_only" else refused)
    assert FilmOptions(**{option: asked}, take_empty=(option,)).refusal(film) == ""


def test_what_is_for_processing_says_so_by_its_kind_too() -> None:
    """Presentation only: refused by the intent, or by the SOP class where the intent is left out."""
    options = FilmOptions(presentation_only=True)
    told = "PresentationIntentType is 'FOR PROCESSING'; asked for: FOR PRESENTATION"
    kinds: tuple[dict[str, Any], ...] = (
        {"presentation_intent_type": "FOR PROCESSING"},
        {"presentation_intent_type": "", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1.1"},
    )
    for changes in kinds:
        assert options.refusal(dataclasses.replace(FILM, **changes)) == told


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"take_empty": ("view",)}, "take_empty names options with a field: modalities, body_parts, views"),
        (
            {"modalities": ("DX", "")},
            "modalities has an empty value; to take films without it, use take_empty",
        ),
        ({"sop_classes": ("CR",)}, "sop_classes are UIDs, as 1.2.840.10008.5.1.4.1.1.1. Received: 'CR'"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    """A field that is none, an empty value and a name for a UID are told with the cure."""
    with pytest.raises(SettingsError) as raised:
        FilmOptions(**wrong)
    assert message in str(raised.value)


TOWARDS = {
    "L": ("x", 1),
    "R": ("x", -1),
    "F": ("y", 1),
    "H": ("y", -1),
}  # on an upright film


def film_of(rows: str, columns: str) -> np.ndarray:
    """A film that goes so, of a body whose brightness is 10 for each step down and 1 to its left."""
    steps = []
    for towards in (rows, columns):
        axis, sign = TOWARDS[towards]
        steps.append(np.arange(4)[::sign] * (1 if axis == "x" else 10))
    return (steps[0][None, :] + steps[1][:, None]).astype(np.uint8)


WAYS = [*itertools.product("LR", "FH"), *itertools.product("FH", "LR")]


@pytest.mark.parametrize(("rows", "columns"), WAYS)
@pytest.mark.parametrize("view", ["PA", "AP"])
def test_all_eight_ways_to_lie_are_turned_back(rows: str, columns: str, view: str) -> None:
    """Whatever way the rows and columns go, the film comes back upright, and says how."""
    frame = Frame(film_of(rows, columns), 8, Photometric.MONOCHROME2, source="x")
    (turned,), how = turned_upright([frame], f"{rows}\\{columns}", view)
    np.testing.assert_array_equal(turned.pixels, film_of("L", "F"))
    assert (how == "") is ((rows, columns) == ("L", "F"))


DONE: dict[str, Callable[[Any], Any]] = {
    "mirrored": lambda film: film[:, ::-1],
    "turned by 180 degrees": lambda film: np.rot90(film, 2),
    "turned by 90 degrees clockwise": lambda film: np.rot90(film, -1),
    "turned by 90 degrees anticlockwise": np.rot90,
}


@pytest.mark.parametrize(("rows", "columns"), WAYS)
def test_how_it_was_turned_is_what_was_done(rows: str, columns: str) -> None:
    """The words, done one after the other, give the same film."""
    frame = Frame(PIXELS, 8, Photometric.MONOCHROME2)
    (turned,), how = turned_upright([frame], f"{rows}\\{columns}", "PA")
    expected: np.ndarray = PIXELS
    for step in filter(None, how.split(" and ")):
        expected = DONE[step](expected)
    np.testing.assert_array_equal(turned.pixels, expected)


@pytest.mark.parametrize(("orientation", "view"), [("P\\F", "LL"), ("A\\F", "RL"), ("PFL\\FA", "ll")])
def test_lateral_views_have_their_own_way(orientation: str, view: str) -> None:
    """A left lateral film goes back, a right lateral one to the front; the other way round is mirrored."""
    frame = Frame(PIXELS, 8, Photometric.MONOCHROME2)
    assert turned_upright([frame], orientation, view) == ((frame,), "")
    other = ("A" if orientation[0] == "P" else "P") + orientation[1:]
    (turned,), how = turned_upright([frame], other, view)
    np.testing.assert_array_equal(turned.pixels, PIXELS[:, ::-1])
    assert how == "mirrored"


@pytest.mark.parametrize(
    ("orientation", "view"),
    [("", "PA"), ("R", "PA"), ("R\\F", ""), ("R\\F", "TAN"), ("A\\F", "PA"), ("L\\R", "PA"), ("X\\F", "AP")],
)
def test_what_is_not_known_is_not_turned(orientation: str, view: str) -> None:
    """No orientation, no view, a view of no usual way, or an orientation that does not fit it: as it came."""
    frame = Frame(PIXELS, 8, Photometric.MONOCHROME2)
    assert turned_upright([frame], orientation, view) == ((frame,), "")


def test_off_by_default() -> None:
    """Without turn_upright, a film that says it is mirrored is scored as it is."""
    frame = Frame(PIXELS, 8, Photometric.MONOCHROME2)
    mirrored = dataclasses.replace(FILM, patient_orientation="R\\F")
    as_it_is = FilmOptions().taken(mirrored, lambda: [frame])
    assert (as_it_is.frames, as_it_is.turned, as_it_is.refusal) == ((frame,), "", "")
    turned = FilmOptions(turn_upright=True).taken(mirrored, lambda: [frame])
    np.testing.assert_array_equal(turned.frames[0].pixels, PIXELS[:, ::-1])
    assert (turned.turned, turned.refusal) == ("mirrored", "")
