"""What films show, as codes say it where the plain fields are empty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from sranogan_edge.image.film import FilmFields, FilmOptions, fields_of_file
from sranogan_edge.image.frame import Frame, Photometric
from tests.support.odd_films import with_bytes

PIXELS = np.arange(6, dtype=np.uint8).reshape(2, 3)
Make = Callable[..., bytes]


def item(**values: Any) -> Sequence:
    """A sequence of one item."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return Sequence([made])


def code(value: str, scheme: str, meaning: str = "whatever it says") -> Sequence:
    """A coded concept."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


@pytest.fixture
def fields(tmp_path: Path, make_dicom: Make) -> Callable[..., FilmFields]:
    """Give a function that reads the fields of a film with these attributes."""

    def read(**attributes: Any) -> FilmFields:
        path = tmp_path / "film.dcm"
        path.write_bytes(make_dicom(PIXELS, **attributes))
        return fields_of_file(path, "x")

    return read


@pytest.mark.parametrize(
    ("value", "scheme", "view"),
    [
        ("272479007", "SCT", "PA"),
        ("R-10214", "SRT", "PA"),
        ("R-40888", "SRT", "PA"),
        ("R-10206", "SNM3", "AP"),
        ("R-10206", "99SDM", "AP"),
        ("399348003", "SCT", "AP"),
        ("399173006", "SCT", "LL"),
        ("399198007", "SCT", "RL"),
        ("399162004", "SCT", "CC"),
        ("399368009", "SCT", "MLO"),
        ("399067008", "SCT", "LATERAL"),
        ("399135007", "SCT", "LEFT ANTERIOR OBLIQUE"),
        ("V1", "99MAKER", "WHATEVER IT SAYS"),
        ("R-10214", "99MAKER", "WHATEVER IT SAYS"),
    ],
)
def test_a_coded_view_is_the_view(
    fields: Callable[..., FilmFields], value: str, scheme: str, view: str
) -> None:
    """Codes of SNOMED CT and of SNOMED RT are DICOM's short terms; of others the meaning is told."""
    found = fields(ViewCodeSequence=code(value, scheme))
    assert found.view_position == view
    assert fields(ViewPosition="", ViewCodeSequence=code(value, scheme)).view_position == view
    assert fields(ViewPosition="LL", ViewCodeSequence=code(value, scheme)).view_position == "LL"


@pytest.mark.parametrize(
    ("value", "scheme", "part"),
    [
        ("816094009", "SCT", "CHEST"),
        ("51185008", "SCT", "CHEST"),
        ("T-D3000", "SRT", "CHEST"),
        ("T-D3000", "SNM3", "CHEST"),
        ("85562004", "SCT", "HAND"),
        ("122494005", "SCT", "CSPINE"),
        ("T-11501", "SRT", "CSPINE"),
        ("T-D6000", "SRT", "PELVIS"),
        ("818981001", "SCT", "ABDOMEN"),
        ("70258002", "SCT", "ANKLE"),
        ("416949008", "SCT", "ABDOMENPELVIS"),
        ("82680008", "SCT", "WHATEVER IT SAYS"),  # no usual region
        ("", "SCT", "WHATEVER IT SAYS"),
    ],
)
def test_a_coded_region_is_the_body_part(
    fields: Callable[..., FilmFields], value: str, scheme: str, part: str
) -> None:
    """Of the object, of all of its frames, or of the first; a body part that is stated goes before."""
    region = {"AnatomicRegionSequence": code(value, scheme)}
    groups = item(FrameAnatomySequence=item(**region))
    assert fields(**region).body_part_examined == part
    assert fields(SharedFunctionalGroupsSequence=groups).body_part_examined == part
    assert fields(PerFrameFunctionalGroupsSequence=groups).body_part_examined == part
    assert fields(BodyPartExamined="FOOT", **region).body_part_examined == "FOOT"


def test_codes_are_asked_for_as_fields_are(fields: Callable[..., FilmFields]) -> None:
    """A film that states codes alone is taken, refused and turned by what they mean."""
    options = FilmOptions(body_parts=("CHEST",), views=("PA", "AP"), turn_upright=True)
    chest, hand = code("51185008", "SCT"), code("85562004", "SCT")
    pa, lateral = code("272479007", "SCT"), code("399173006", "SCT")
    film = fields(AnatomicRegionSequence=chest, ViewCodeSequence=pa, PatientOrientation=["R", "F"])
    frame = Frame(PIXELS, 8, Photometric.MONOCHROME2)
    taken = options.taken(film, lambda: [frame])
    assert (taken.refusal, taken.turned) == ("", "mirrored")
    np.testing.assert_array_equal(taken.frames[0].pixels, PIXELS[:, ::-1])
    other = fields(AnatomicRegionSequence=hand, ViewCodeSequence=pa)
    assert options.refusal(other) == "BodyPartExamined is 'HAND'; asked for: CHEST"
    other = fields(AnatomicRegionSequence=chest, ViewCodeSequence=lateral)
    assert options.refusal(other) == "ViewPosition is 'LL'; asked for: PA, AP"


@pytest.mark.parametrize("keyword", ["ViewCodeSequence", "AnatomicRegionSequence"])
def test_damaged_codes_say_nothing(tmp_path: Path, make_dicom: Make, keyword: str) -> None:
    """A sequence that is none, is empty, or whose item says nothing leaves the field empty."""
    path = tmp_path / "film.dcm"
    for film in (
        make_dicom(PIXELS, **{keyword: Sequence([])}),
        make_dicom(PIXELS, **{keyword: Sequence([Dataset()])}),
        with_bytes(make_dicom(PIXELS), {keyword: ("LO", b"no sequence ")}),
    ):
        path.write_bytes(film)
        found = fields_of_file(path, "x")
        assert (found.view_position, found.body_part_examined) == ("", "")
