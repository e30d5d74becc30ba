"""What stands in a result's heat map and report, element by element."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.dicom.write import heat_map_object, report_object
from sranogan_edge.errors import DicomResultError
from tests.support.dicom_results import PICTURE, results
from tests.support.result_lines import line

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
BY: dict[str, Any] = {"bundle": "ab" * 32, "steps": 8, "backend": "LiteRT 2.0"}
FACTS: dict[str, Any] = {**BY, "score": 3.25, "p_value": 0.0123456789}


@pytest.fixture(scope="module")
def source(make_dicom: Callable[..., bytes]) -> pydicom.Dataset:
    """The image that was judged."""
    return pydicom.dcmread(io.BytesIO(make_dicom(IMAGE)))


def items(item: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    """Every content item, from the top."""
    yield item
    for child in item.get("ContentSequence", []):
        yield from items(child)


def said(report: pydicom.Dataset, kind: str, value: str) -> dict[str, Any]:
    """What items of this kind say, by the code of their concept."""
    return {
        item.ConceptNameCodeSequence[0].CodeValue: getattr(item, value)
        for item in items(report)
        if item.get("ValueType") == kind and "ConceptNameCodeSequence" in item
    }


def test_a_heat_map_says_what_it_is(source: pydicom.Dataset) -> None:
    """Derived, no diagnosis, of which bundle and search; in a series of its own, of that one image."""
    heat, _ = results(source, **FACTS, calibration="cd" * 32)
    assert list(heat.ImageType) == ["DERIVED", "SECONDARY"]
    assert (heat.SeriesNumber, heat.InstanceNumber) == (9400, 1)
    assert (heat.SeriesDescription, heat.Manufacturer) == ("Anomaly heat map", "keras-sranogan")
    assert heat.ImageComments == "Not for diagnosis. Colour: deviation from normals above their limit."
    assert heat.DerivationDescription == (
        f"Anomaly heat map, bundle {'ab' * 8}, 8 search steps, LiteRT 2.0, site calibration {'cd' * 8}"
    )
    (reference,) = heat.SourceImageSequence
    assert reference.ReferencedSOPClassUID == source.SOPClassUID
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert (heat.Rows, heat.Columns, heat.PhotometricInterpretation) == (16, 16, "RGB")
    assert (heat.PatientID, heat.PatientName, heat.SpecificCharacterSet) == ("P1", "Doe^Jane", "ISO_IR 192")
    long = heat_map_object(source, PICTURE, line(**{**FACTS, "backend": "x" * 2000}))
    assert len(long.DerivationDescription) == 1024  # no longer text is allowed there


def test_a_heat_map_has_the_colours_of_its_picture(source: pydicom.Dataset) -> None:
    """OpenCV's blue, green and red are red, green and blue in DICOM."""
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[2, 5] = 10, 20, 250
    heat = heat_map_object(source, picture, line(**FACTS))
    stored = np.frombuffer(heat.PixelData, np.uint8).reshape(16, 16, 3)
    assert stored[2, 5].tolist() == [250, 20, 10]
    assert (heat.PhotometricInterpretation, heat.get("PlanarConfiguration")) == ("RGB", 0)


def test_a_report_says_what_was_measured(source: pydicom.Dataset) -> None:
    """Six digits of each number, its verdict, by whom, and of which image."""
    _, report = results(source, **FACTS, threshold=2.5, verdict="anomalous")
    measured = said(report, "NUM", "MeasuredValueSequence")
    assert {name: float(value[0].NumericValue) for name, value in measured.items()} == {
        "score": 3.25,
        "p-value": 0.0123457,
        "threshold": 2.5,
    }
    assert {value[0].MeasurementUnitsCodeSequence[0].CodeValue for value in measured.values()} == {"1"}
    (verdict,) = said(report, "CODE", "ConceptCodeSequence")["verdict"]
    assert (verdict.CodeValue, verdict.CodeMeaning) == ("anomalous", "Anomalous by threshold")
    assert verdict.CodingSchemeDesignator == "99SRANOGAN"
    assert (report.SeriesNumber, report.InstanceNumber, report.SeriesDescription) == (
        9401,
        1,
        "Anomaly score",
    )
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert (report.PatientID, report.PatientName, report.SpecificCharacterSet) == (
        "P1",
        "Doe^Jane",
        "ISO_IR 192",
    )
    texts = said(report, "TEXT", "TextValue")
    assert {"SR-AnoGAN", version("sranogan-edge"), "keras-sranogan", "sranogan-edge"} <= set(texts.values())
    assert f"bundle {'ab' * 8}, 8 search steps, LiteRT 2.0" in texts.values()
    assert "Anomaly of the whole image" in texts.values()
    evidence = (
        report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    )
    assert [one.ReferencedSOPInstanceUID for one in evidence] == [source.SOPInstanceUID]


@pytest.mark.parametrize(
    ("verdict", "meaning"),
    [
        ("normal", "Normal by threshold"),
        ("out of domain", "Not like the training data: the score means nothing"),
    ],
)
def test_the_verdict_in_words(source: pydicom.Dataset, verdict: str, meaning: str) -> None:
    """A score that means nothing is said to."""
    _, report = results(source, **FACTS, verdict=verdict)
    (found,) = said(report, "CODE", "ConceptCodeSequence")["verdict"]
    assert (found.CodeValue, found.CodeMeaning) == (verdict, meaning)


@pytest.mark.parametrize(("threshold", "stated"), [(None, False), (0.0, True)])
def test_a_threshold_of_nought_is_one(source: pydicom.Dataset, threshold: float | None, stated: bool) -> None:
    """It is stated where there is one, whatever its number."""
    _, report = results(source, **FACTS, threshold=threshold)
    assert ("threshold" in said(report, "NUM", "MeasuredValueSequence")) == stated


@pytest.mark.parametrize("frame", [None, 3])
def test_the_frame_that_was_judged_is_named(make_dicom: Callable[..., bytes], frame: int | None) -> None:
    """By its number from 1; an object of one frame names none."""
    film = make_dicom(np.stack([IMAGE] * 4))
    _, report = results(film, **FACTS, frame=frame)
    (image,) = [item for item in items(report) if item.get("ValueType") == "IMAGE"]
    assert image.ReferencedSOPSequence[0].get("ReferencedFrameNumber") == frame


def test_what_makes_another_object(source: pydicom.Dataset) -> None:
    """Heat map, report, their series and tracking differ, and with bundle, steps, score and threshold."""

    def uids(**changes: Any) -> list[str]:
        heat, report = results(source, **{**FACTS, "threshold": 2.5, **changes})
        tracking = said(report, "UIDREF", "UID")
        return [
            heat.SOPInstanceUID,
            heat.SeriesInstanceUID,
            report.SOPInstanceUID,
            report.SeriesInstanceUID,
            tracking["112040"],
        ]

    first = uids()
    assert len(set(first)) == 5
    assert uids(p_value=0.5, scored_at="2027-01-01T00:00:00Z", verdict="normal") == first
    for change in ({"bundle": "ef" * 32}, {"steps": 9}, {"score": 3.5}, {"threshold": 2.75}):
        assert not set(uids(**change)) & set(first), change


def test_the_device_is_the_bundle_s(source: pydicom.Dataset) -> None:
    """The same for all results of a bundle, whatever ran it; another for another bundle."""

    def device(**changes: Any) -> str:
        return str(said(results(source, **{**FACTS, **changes})[1], "UIDREF", "UID")["121012"])

    assert device() == device(backend="a GPU", score=9.0) != device(bundle="ef" * 32)


@pytest.mark.parametrize("missing", ["score", "p_value"])
def test_a_report_without_numbers_is_none(source: pydicom.Dataset, missing: str) -> None:
    """Either of them is needed, and the error of the image is told."""
    with pytest.raises(DicomResultError) as refused:
        report_object(source, line(**{**FACTS, missing: None, "error": "broken"}))
    assert str(refused.value) == "0.png: has no score (broken), so there is nothing to report."


def test_a_picture_that_was_turned_says_how_it_lies(make_dicom: Callable[..., bytes]) -> None:
    """Turned upright, its sides are those of the picture, not those of the image as it came."""
    film = make_dicom(IMAGE, PatientOrientation=["R", "H"], ImageLaterality="L")
    as_it_came, _ = results(film, **FACTS)
    turned, _ = results(film, **FACTS, turned="turned by 180 degrees")
    assert list(as_it_came.PatientOrientation) == ["R", "H"]
    assert list(turned.PatientOrientation) == ["L", "F"]
    assert (as_it_came.ImageLaterality, turned.ImageLaterality) == ("L", "L")


def test_what_a_library_raises_names_the_result(source: pydicom.Dataset) -> None:
    """And no value of the image."""
    with pytest.raises(
        DicomResultError, match=r"^0\.png: its result cannot be written as DICOM \(.*\)\. The others"
    ):
        heat_map_object(source, PICTURE.astype(np.float32), line(**FACTS))


def test_uids_stay_over_versions(make_dicom: Callable[..., bytes]) -> None:
    """A result that is sent again after an update replaces the one that an archive has."""
    heat, report = results(make_dicom(IMAGE, SOPInstanceUID="1.2.3.4"), **FACTS, threshold=2.5)
    tracking, ours = said(report, "UIDREF", "UID"), "1.2.826.0.1.3680043.8.498"
    assert heat.SOPInstanceUID == f"{ours}.62532724076195454046795842687702154476"
    assert heat.SeriesInstanceUID == f"{ours}.12301729401105345283193246896351404040"
    assert report.SOPInstanceUID == f"{ours}.12524535211084808810581130144251248821"
    assert report.SeriesInstanceUID == f"{ours}.93492534617489736919863828943213562302"
    assert tracking["112040"] == f"{ours}.65922809088975423921086560467121360696"
    assert tracking["121012"] == f"{ours}.80570473248574048856690405416848667580"
