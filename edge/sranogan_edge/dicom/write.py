"""A result as DICOM: the heat map as Secondary Capture, the score as a Structured Report (TID 1500)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import highdicom
import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, generate_uid

from sranogan_edge.dicom.study import Study, study_of
from sranogan_edge.errors import DicomResultError
from sranogan_edge.redact import what_failed
from sranogan_edge.results.line import OUT_OF_DOMAIN, ResultLine

__all__ = ["heat_map_object", "report_object"]

MANUFACTURER, MODEL = "keras-sranogan", "sranogan-edge"
SERIES_NUMBER = 9400  # far behind what a scanner counts up to
_SCHEME = "99SRANOGAN"


def _code(value: str, meaning: str) -> sr.CodedConcept:
    return sr.CodedConcept(value, _SCHEME, meaning)


def heat_map_object(source: Dataset, overlay: NDArray[np.uint8], line: ResultLine) -> Dataset:
    """Return a Secondary Capture image in the study of ``source``.

    Args:
        source: the data set that was judged; only what :func:`study_of` needs is read of it.
        overlay: ``(H, W, 3)`` uint8 in B, G, R order, as :func:`sranogan_edge.scoring.overlay.overlay` gives
            it.
        line: its result. The same result gives the same UIDs: sent twice, it is there once.

    Raises:
        DicomResultError: ``source`` has no UIDs, or the object cannot be made.
    """
    study = _study(source, line)
    with _named(line):
        return _heat_map(study, overlay, line)


def report_object(source: Dataset, line: ResultLine) -> Dataset:
    """Return a Comprehensive SR (TID 1500) with score, p-value, threshold and verdict of ``source``.

    Args:
        source: the data set that was judged; only what :func:`study_of` needs is read of it.
        line: its result; the same result gives the same UIDs.

    Raises:
        DicomResultError: ``line`` holds no score, ``source`` has no UIDs, or the object cannot be made.
    """
    if line.score is None or line.p_value is None:
        raise DicomResultError(f"{line.file}: has no score ({line.error}), so there is nothing to report.")
    study = _study(source, line)
    with _named(line):
        report = sr.ComprehensiveSR(
            evidence=[study.reference()],
            content=_measurements(study, line, line.score, line.p_value)[0],
            series_instance_uid=_uid(study, line, "report series"),
            series_number=SERIES_NUMBER + 1,
            sop_instance_uid=_uid(study, line, "report"),
            instance_number=1,
            manufacturer=MANUFACTURER,
            is_complete=True,
        )
        report.SeriesDescription = "Anomaly score"
        study.sign(report)
    return report


def _heat_map(study: Study, overlay: NDArray[np.uint8], line: ResultLine) -> Dataset:
    image = highdicom.sc.SCImage.from_ref_dataset(
        study.reference(),
        pixel_array=np.ascontiguousarray(overlay[..., ::-1]),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=_uid(study, line, "heat map series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=_uid(study, line, "heat map"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        patient_orientation=("L", "F"),  # highdicom wants one; the study's own takes its place
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    image.SeriesDescription = "Anomaly heat map"
    image.DerivationDescription = f"Anomaly heat map, {_sentence(line)}"[:1024]
    image.ImageComments = "Not for diagnosis. Colour: deviation from normals above their limit."
    image.ImageType = ["DERIVED", "SECONDARY"]
    for keyword, value in study.side.items():
        setattr(image, keyword, list(value) if isinstance(value, tuple) else value)
    reference = Dataset()
    reference.ReferencedSOPClassUID = study.uids["SOPClassUID"]
    reference.ReferencedSOPInstanceUID = study.uids["SOPInstanceUID"]
    image.SourceImageSequence = [reference]
    study.sign(image)
    return image


def _measurements(study: Study, line: ResultLine, score: float, p_value: float) -> sr.MeasurementReport:
    numbers = {"score": ("Anomaly score", score), "p-value": ("p-value against normals", p_value)}
    if line.threshold is not None:
        numbers["threshold"] = ("Threshold of the anomaly score", line.threshold)
    measured = [
        sr.Measurement(_code(value, meaning), float(f"{number:.6g}"), codes.UCUM.NoUnits)
        for value, (meaning, number) in numbers.items()
    ]
    meaning = f"{line.verdict.capitalize()} by threshold"
    if line.verdict == OUT_OF_DOMAIN:
        meaning = "Not like the training data: the score means nothing"
    verdict = _code(line.verdict, meaning)
    judged = study.uids["SOPClassUID"], study.uids["SOPInstanceUID"]
    frames = [line.frame] if line.frame is not None else None
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=_uid(study, line, "tracking"), identifier="Anomaly of the whole image"
        ),
        algorithm_id=sr.AlgorithmIdentification(
            name="SR-AnoGAN", version=version("sranogan-edge"), parameters=[_sentence(line)]
        ),
        measurements=measured,
        qualitative_evaluations=[sr.QualitativeEvaluation(_code("verdict", "Verdict"), verdict)],
        source_images=[sr.SourceImageForMeasurementGroup(*judged, frames)],
    )
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[line.bundle]), manufacturer_name=MANUFACTURER, model_name=MODEL
    )
    observer = sr.ObserverContext(codes.DCM.Device, device)
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_code("procedure", "Imaging procedure"),
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _sentence(line: ResultLine) -> str:
    site = f", site calibration {line.calibration[:16]}" if line.calibration else ""
    return f"bundle {line.bundle[:16]}, {line.steps} search steps, {line.backend}{site}"


def _uid(study: Study, line: ResultLine, kind: str) -> UID:
    judged = (study.uids["SOPInstanceUID"], line.bundle, line.steps, line.score, line.threshold, kind)
    return generate_uid(entropy_srcs=[str(part) for part in judged])


def _study(source: Dataset, line: ResultLine) -> Study:
    try:
        return study_of(source, line.frame, line.turned or "")
    except DicomResultError as error:
        raise DicomResultError(f"{line.file}: its result cannot be written as DICOM: {error}.") from error


@contextmanager
def _named(line: ResultLine) -> Iterator[None]:
    """Turn what a library raises into an error that names the result, and no value of the image."""
    try:
        yield
    except Exception as error:
        raise DicomResultError(
            f"{line.file}: its result cannot be written as DICOM ({what_failed(error)}). The others go on; "
            "this is an error of ours, please report it."
        ) from error
