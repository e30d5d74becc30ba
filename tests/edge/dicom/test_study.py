"""What results take over from their images: valid, decoded, and on the right side."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from sranogan_edge.dicom.study import study_of
from sranogan_edge.dicom.write import heat_map_object, report_object
from sranogan_edge.errors import DicomResultError
from tests.support.dicom_results import PICTURE, results
from tests.support.odd_films import ODD_LENGTH, PRIVATE_OF_ANOTHER_KIND, UNKNOWN_KIND, Odd, with_bytes
from tests.support.result_lines import line

Make = Callable[..., bytes]


pytest.importorskip("highdicom", reason="the extra dicom is not installed")


IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("PatientSex", [b"0000", b"U ", b"N ", b"m ", b"Male", b"M\\F "]),
        ("PatientBirthDate", [b"0 ", b"00000000", b"1960", b"1950-01-02", b"20230230", b"1950123 ", b"?"]),
        ("StudyDate", [b"0 ", b"00000000", b"2020.01.02", b"20200101\\20200102"]),
        ("StudyTime", [b"14:04:38", b"9 ", b"240000", b"1270", b"120000.1234567", b"noon"]),
        ("AccessionNumber", [b"A" * 17, b"1\\2 "]),
        ("PatientID", [b"P" * 65, b"1\\2 "]),
        ("PatientName", [b"N" * 65, b"A=B=C=D "]),
    ],
)
def test_a_value_that_is_no_dicom_is_left_empty(make_dicom: Make, keyword: str, values: list[bytes]) -> None:
    """The results are made, valid, without that value; the keyword is told, for the log."""
    for value in values:
        film = with_bytes(make_dicom(IMAGE), {keyword: value})
        for each in results(film):
            assert not each[keyword].value
            assert each.StudyID == "1"
        assert study_of(pydicom.dcmread(io.BytesIO(film))).left_empty == (keyword,)


def test_what_was_read_before_is_decoded_all_the_same(make_dicom: Make) -> None:
    """Whoever looked at a name first had pydicom decode it, by a set that is not the one it is written in."""
    odd: Odd = {"SpecificCharacterSet": b"\\ISO 2022 IR 87", "PatientName": "山田^太郎".encode("cp932")}
    source = pydicom.dcmread(io.BytesIO(with_bytes(make_dicom(IMAGE), odd)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert str(source.PatientName) != "山田^太郎"
    assert study_of(source).stated["PatientName"] == "山田^太郎"


def test_what_is_valid_is_taken_over(make_dicom: Make) -> None:
    """Name, number, birth date, sex, accession number, study and its time stand in both results."""
    stated = {
        **{"PatientName": "Doe^Jane", "PatientID": "P1", "PatientBirthDate": "19600229", "PatientSex": "F"},
        **{"AccessionNumber": "A1", "StudyID": "7", "StudyDate": "20240102", "StudyTime": "030405.5"},
        "ReferringPhysicianName": "Who^Doctor",
    }
    film = make_dicom(IMAGE, **stated)
    for each in results(film):
        assert {keyword: str(each[keyword].value) for keyword in stated} == stated
    assert study_of(pydicom.dcmread(io.BytesIO(film))).left_empty == ()


JAPANESE = "Yamada^Tarou=山田^太郎"
KOREAN = "Hong^Gildong=洪^吉洞=홍^길동"


@pytest.mark.parametrize(
    ("declared", "raw", "name"),
    [
        (None, b"Doe^Jane", "Doe^Jane"),
        (b"", b"M\xfcller^J\xf6rg", "Müller^Jörg"),
        (None, "Müller^Jörg".encode(), "Müller^Jörg"),
        (b"ISO_IR 6 ", b"Doe^Jane", "Doe^Jane"),
        (b"ISO_IR_100", b"M\xfcller^J\xf6rg", "Müller^Jörg"),
        (b"ISO_IR 100", b"M\xfcller^J\xf6rg", "Müller^Jörg"),
        (b"iso_ir 100", b"M\xfcller^J\xf6rg", "Müller^Jörg"),
        (b"ISO-8859-1", b"M\xfcller^J\xf6rg", "Müller^Jörg"),
        (b"UTF-8 ", "Мария^Й".encode(), "Мария^Й"),
        (b"ISO_IR 192", "山田^太郎".encode(), "山田^太郎"),
        (b"ISO_IR 144", "Мария^Й".encode("iso8859-5"), "Мария^Й"),
        (b"GB18030 ", "王^小东".encode("gb18030"), "王^小东"),
        (b"ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis"), "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (b"\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", JAPANESE),
        (b"", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", JAPANESE),
        (
            b"\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            KOREAN,
        ),
        (b"\\ISO 2022 IR 149", "홍^길동".encode("euc_kr"), "홍^길동"),
        (
            b"\\ISO 2022 IR 58",
            b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab=",
            "Wang^XiaoDong=王^小东",
        ),
        (b"\\ISO 2022 IR 87", "山田^太郎".encode("cp932"), "山田^太郎"),
        (b"\\ISO 2022 IR 58", "王^小东".encode("gb2312"), "王^小东"),
        (b"\\ISO 2022 IR 87", b"M\xfcller^J\xf6rg\xff", "Müller^Jörgÿ"),
        (b"NO SUCH SET", "Müller^Jörg".encode(), "Müller^Jörg"),
        (b"ISO_IR 192", b"M\xfcller^J\xf6rg", "M�ller^J�rg"),
        (None, b"First^A\\Second^B", "First^A"),
        (None, b"Doe^Jane\x00", "Doe^Jane"),
    ],
)
def test_names_are_decoded_and_written_in_utf8(
    make_dicom: Make, declared: bytes | None, raw: bytes, name: str
) -> None:
    """Whatever the image says of its character set, or does not say: the name is right, in UTF-8."""
    odd: Odd = {"PatientName": raw, **({} if declared is None else {"SpecificCharacterSet": declared})}
    film = with_bytes(make_dicom(IMAGE), odd)
    for each in results(film):
        assert each.SpecificCharacterSet == "ISO_IR 192"
        assert str(each.PatientName) == name
    assert study_of(pydicom.dcmread(io.BytesIO(film))).left_empty == ()


@pytest.mark.parametrize("odd", [PRIVATE_OF_ANOTHER_KIND, ODD_LENGTH, UNKNOWN_KIND])
@pytest.mark.parametrize("implicit", [False, True])
def test_other_elements_of_an_image_are_not_looked_at(make_dicom: Make, odd: Any, implicit: bool) -> None:
    """An element that cannot be decoded, and is nothing to a result, does not hinder it."""
    film = with_bytes(make_dicom(IMAGE), odd, implicit=implicit)
    assert [str(each.PatientName) for each in results(film)] == ["Doe^Jane"] * 2


@pytest.mark.parametrize("keyword", ["PatientName", "PatientBirthDate", "StudyTime", "PatientOrientation"])
def test_an_element_of_an_unknown_kind_is_read_all_the_same(make_dicom: Make, keyword: str) -> None:
    """A wrong value representation of an element that is needed costs this element at most."""
    film = with_bytes(make_dicom(IMAGE), {keyword: ("XX", b"L\\F ")})
    heat, _ = results(film)
    assert heat.PatientID == "P1"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"PatientOrientation": ["R", "F"]}, ["R", "F"]),
        ({"PatientOrientation": ["PR", "FL"]}, ["PR", "FL"]),
        ({}, None),
        ({"PatientOrientation": ""}, None),
        ({"PatientOrientation": ["L", "R"]}, None),
        ({"PatientOrientation": ["X", "F"]}, None),
        ({"PatientOrientation": ["L"]}, None),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, ["L", "P"]),
        ({"ImageOrientationPatient": [0, -1, 0, 0, 0, -1]}, ["A", "F"]),
        ({"ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1]}, ["LP", "F"]),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, None),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, None),
        ({"PatientOrientation": ["", ""], "ImageOrientationPatient": [-1, 0, 0, 0, 0, -1]}, ["R", "F"]),
        ({"AnatomicalOrientationType": "QUADRUPED", "PatientOrientation": ["LE", "CD"]}, ["LE", "CD"]),
        ({"AnatomicalOrientationType": "QUADRUPED", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, None),
    ],
)
def test_the_heat_map_lies_as_its_image(make_dicom: Make, attributes: dict[str, Any], expected: Any) -> None:
    """Its orientation is the image's, or follows from it; where nobody knows it, it stays empty."""
    heat, _ = results(make_dicom(IMAGE, **attributes))
    assert heat.PatientOrientation == (expected or "")


@pytest.mark.parametrize(
    ("turned", "expected"),
    [
        (None, ["R", "F"]),
        ("mirrored", ["L", "F"]),
        ("turned by 180 degrees", ["L", "H"]),
        ("turned by 180 degrees and mirrored", ["R", "H"]),
        ("turned by 90 degrees clockwise", ["H", "R"]),
        ("turned by 90 degrees anticlockwise", ["F", "L"]),
        ("turned in some other way", ""),
    ],
)
def test_a_heat_map_of_a_turned_image_lies_as_it_was_turned(
    make_dicom: Make, turned: str | None, expected: Any
) -> None:
    """The picture is that of the image as it was scored; so is its orientation."""
    heat, _ = results(make_dicom(IMAGE, PatientOrientation=["R", "F"]), turned=turned)
    assert heat.PatientOrientation == expected


def test_a_frame_lies_as_its_functional_groups_say(make_dicom: Make) -> None:
    """The orientation is that of the frame that the result speaks of."""
    groups = []
    for cosines in ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]):
        group, plane = Dataset(), Dataset()
        plane.ImageOrientationPatient = cosines
        group.PlaneOrientationSequence = [plane]
        groups.append(group)
    heat, _ = results(make_dicom(IMAGE, PerFrameFunctionalGroupsSequence=groups), frame=2, frames=2)
    assert heat.PatientOrientation == ["L", "F"]
    heat, _ = results(make_dicom(IMAGE, SharedFunctionalGroupsSequence=groups[:1]))
    assert heat.PatientOrientation == ["L", "P"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, {"Laterality": ""}),
        ({"Laterality": "R"}, {"Laterality": "R"}),
        ({"Laterality": "RIGHT"}, {"Laterality": ""}),
        ({"ImageLaterality": "B"}, {"ImageLaterality": "B"}),
        ({"Laterality": "L", "ImageLaterality": "L"}, {"Laterality": "L", "ImageLaterality": "L"}),
        ({"BurnedInAnnotation": "YES"}, {"Laterality": "", "BurnedInAnnotation": "YES"}),
        ({"BurnedInAnnotation": "NO"}, {"Laterality": "", "BurnedInAnnotation": "NO"}),
        ({"BurnedInAnnotation": "maybe"}, {"Laterality": ""}),
    ],
)
def test_side_and_burned_in_text_are_the_images(
    make_dicom: Make, attributes: dict[str, str], expected: dict[str, str]
) -> None:
    """What the image does not say of its side, and of text in its pixels, is not claimed."""
    heat, _ = results(make_dicom(IMAGE, **attributes))
    found = ("Laterality", "ImageLaterality", "BurnedInAnnotation")
    assert {keyword: heat[keyword].value or "" for keyword in found if keyword in heat} == expected


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_without_a_uid_a_result_belongs_nowhere(make_dicom: Make, keyword: str) -> None:
    """The error names the UID that is missing or none, not its value."""
    for value in (b"", b"geheim", b"1.2.geheim"):
        source = pydicom.dcmread(io.BytesIO(with_bytes(make_dicom(IMAGE), {keyword: value})))
        with pytest.raises(DicomResultError, match=f"no usable {keyword}") as caught:
            report_object(source, line())
        assert "geheim" not in str(caught.value)


def test_writing_says_nothing_of_the_patient(make_dicom: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A name that is not written as one, or in the wrong set: no library warns of it and quotes it."""
    odd: Odd = {"PatientName": b"GEHEIM \xfc\x1b", "PatientSex": b"geheim", "PatientID": b"geheim" * 20}
    film = with_bytes(make_dicom(IMAGE), {**odd, "SpecificCharacterSet": b"ISO_IR 87"})
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        source = pydicom.dcmread(io.BytesIO(film))
        heat_map_object(source, PICTURE, line())
        report_object(source, line())
    told = caplog.text + "".join(str(one.message) for one in warned)
    assert "geheim" not in told.lower()
