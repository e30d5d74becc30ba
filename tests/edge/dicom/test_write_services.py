"""Results as DICOM: read back here, validated by dicom3tools and DCMTK, kept by a real Orthanc."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.dicom.send import DicomDestination, send_objects
from sranogan_edge.dicom.write import heat_map_object, report_object
from sranogan_edge.errors import DicomResultError
from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.image.dicom_pixels import decode_dicom
from sranogan_edge.results.line import ResultLine
from tests.support.dicom_archive import free_port
from tests.support.odd_films import Odd, with_bytes

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
OVERLAY = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)
LINE = ResultLine(
    *(
        "x.dcm",
        3.25,
        0.01,
        "anomalous",
        2.5,
        100.0,
        {},
        None,
        None,
        "ab" * 32,
        8,
        "LiteRT",
        None,
        "2024-01-01",
    )
)
Make = Callable[..., bytes]
Service = Callable[[str], str]


@pytest.fixture(scope="module")
def source(make_dicom: Make) -> pydicom.Dataset:
    """The image that was judged."""
    return pydicom.dcmread(io.BytesIO(make_dicom(IMAGE)))


@pytest.fixture(scope="module")
def results(source: pydicom.Dataset) -> list[pydicom.Dataset]:
    """Its heat map and its report."""
    return [heat_map_object(source, OVERLAY, LINE), report_object(source, LINE)]


def saved(dataset: pydicom.Dataset, path: Path) -> Path:
    """The object as a file."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_they_read_back(source: pydicom.Dataset, results: list[pydicom.Dataset], tmp_path: Path) -> None:
    """Both lie in the patient's study and name the source; heat map and score are what was written."""
    heat, report = (pydicom.dcmread(saved(each, tmp_path / f"{n}.dcm")) for n, each in enumerate(results))
    for each in (heat, report):
        assert (each.StudyInstanceUID, each.PatientID) == (source.StudyInstanceUID, source.PatientID)
        assert each.SeriesInstanceUID != source.SeriesInstanceUID
        assert str(source.SOPInstanceUID) in str(each)
    (frame,) = decode_dicom((tmp_path / "0.dcm").read_bytes(), source="x")
    np.testing.assert_array_equal(frame.pixels, OVERLAY[..., ::-1])
    numbers = {
        str(item.ConceptNameCodeSequence[0].CodeValue): float(item.MeasuredValueSequence[0].NumericValue)
        for item in walk(report)
        if item.get("ValueType") == "NUM"
    }
    assert numbers == {"score": 3.25, "p-value": 0.01, "threshold": 2.5}
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"


def walk(item: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    """Every content item."""
    yield item
    for child in item.get("ContentSequence", []):
        yield from walk(child)


def test_the_same_result_has_the_same_uids(source: pydicom.Dataset, results: list[pydicom.Dataset]) -> None:
    """Written again, an object replaces itself in the archive; another bundle makes another object."""
    assert report_object(source, LINE).SOPInstanceUID == results[1].SOPInstanceUID
    other = ResultLine(**{**vars(LINE), "bundle": "cd" * 32})
    assert report_object(source, other).SOPInstanceUID != results[1].SOPInstanceUID


def test_what_cannot_be_written_is_an_error(source: pydicom.Dataset) -> None:
    """No score, or an image without a study: each names what is missing."""
    failed = ResultLine(**{**vars(LINE), "score": None, "error": "broken"})
    with pytest.raises(DicomResultError, match="has no score"):
        report_object(source, failed)
    bare = pydicom.Dataset()
    bare.SOPInstanceUID, bare.SOPClassUID = source.SOPInstanceUID, source.SOPClassUID
    with pytest.raises(DicomResultError, match="cannot be written as DICOM"):
        report_object(bare, LINE)
    with pytest.raises(DicomResultError, match="cannot be written as DICOM"):
        heat_map_object(bare, OVERLAY, LINE)


def test_dciodvfy_and_dsrdump_accept_them(
    results: list[pydicom.Dataset], tmp_path: Path, service: Service
) -> None:
    """dicom3tools finds no error in either object; DCMTK prints the report."""
    accepted(results, tmp_path, service)


def test_they_accept_results_of_odd_images(make_dicom: Make, tmp_path: Path, service: Service) -> None:
    """The same of images whose patient and study are no valid DICOM, and whose name is Japanese."""
    odd: Odd = {
        **{"PatientSex": b"Male", "PatientBirthDate": b"00000000", "StudyTime": b"14:04:38"},
        **{"SpecificCharacterSet": b"\\ISO 2022 IR 87", "PatientOrientation": b"R\\F "},
        "PatientName": b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
        **{"ImageLaterality": b"L ", "BurnedInAnnotation": b"YES ", "AccessionNumber": b"A" * 20},
    }
    for film in (make_dicom(IMAGE), make_dicom(IMAGE, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])):
        source = pydicom.dcmread(io.BytesIO(with_bytes(film, odd)))
        accepted([heat_map_object(source, OVERLAY, LINE), report_object(source, LINE)], tmp_path, service)


def accepted(results: list[pydicom.Dataset], tmp_path: Path, service: Service) -> None:
    """Whether dicom3tools and DCMTK accept heat map and report."""
    for number, each in enumerate(results):
        path = saved(each, tmp_path / f"{number}.dcm")
        said = subprocess.run([service("dciodvfy"), path], capture_output=True, text=True, check=False).stderr
        assert [line for line in said.splitlines() if line.startswith("Error")] == []
    printed = subprocess.run([service("dsrdump"), path], capture_output=True, text=True, check=True).stdout
    assert '"Anomaly score")="3.25"' in printed


def test_sending_tries_again_until_the_archive_has_all(results: list[pydicom.Dataset]) -> None:
    """An archive that is away, then full, then well: everything arrives once, after waits that double."""
    kept: list[str] = []
    troubles = iter([OSError("full")])

    def store(data: bytes, identity: Mapping[str, str]) -> None:
        for trouble in troubles:
            raise trouble
        kept.append(identity["instance_uid"])

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kinds = tuple(str(each.SOPClassUID) for each in results)
    archive = DicomFeedSettings(
        f"dicom:127.0.0.1:{port}", called="PACS", calling=("SRANOGAN",), sop_classes=kinds
    )
    started: list[DicomReceiver] = []
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            started.append(DicomReceiver(store, archive))

    send_objects(results, DicomDestination("127.0.0.1", port, "PACS", timeout_s=20), wait=wait)
    started[0].close()
    assert kept == [str(each.SOPInstanceUID) for each in results]
    assert waits == [1, 2, 4]
    with pytest.raises(DicomResultError, match="did not take 2 of 2 objects in 2 attempts: no connection"):
        send_objects(results, DicomDestination("127.0.0.1", port, "PACS", attempts=2), wait=lambda _: None)


def test_orthanc_keeps_them(results: list[pydicom.Dataset], tmp_path: Path, service: Service) -> None:
    """A real archive takes both over C-STORE and lists them."""
    dicom, http = free_port(), free_port()
    settings: dict[str, object] = {
        "StorageDirectory": str(tmp_path),
        "IndexDirectory": str(tmp_path),
        "DicomAet": "ORTHANC",
    }
    settings.update(DicomPort=dicom, HttpPort=http, DicomAlwaysAllowStore=True, RemoteAccessAllowed=False)
    path = tmp_path / "orthanc.json"
    path.write_text(json.dumps(settings))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([service("Orthanc"), str(path)], env=os.environ, **quiet) as orthanc:  # type: ignore[call-overload]  # plain keywords
        try:
            send_objects(results, DicomDestination("127.0.0.1", dicom, "ORTHANC", attempts=10))
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances", timeout=20) as answer:
                assert len(json.load(answer)) == len(results)
        finally:
            orthanc.terminate()


@pytest.mark.parametrize("option", ["-xi", "-xe", "-xb"])
def test_dcmtk_sends_to_us(make_dicom: Make, tmp_path: Path, service: Service, option: str) -> None:
    """DCMTK's echoscu and storescu are served, in each plain transfer syntax; a stranger is not."""
    kept: list[bytes] = []
    path = tmp_path / "x.dcm"
    path.write_bytes(make_dicom(IMAGE))
    options = DicomFeedSettings("dicom:127.0.0.1:0", calling=("XRAY1",))
    with DicomReceiver(lambda data, identity: kept.append(data), options) as receiver:
        peer = ["-aec", "SRANOGAN", "127.0.0.1", str(receiver.port)]
        subprocess.run([service("echoscu"), "-aet", "XRAY1", *peer], check=True, timeout=60)
        subprocess.run([service("storescu"), option, "-aet", "XRAY1", *peer, path], check=True, timeout=60)
        assert subprocess.run([service("echoscu"), "-aet", "STRANGER", *peer], check=False).returncode
    (data,) = kept
    np.testing.assert_array_equal(decode_dicom(data, source="x")[0].pixels, IMAGE)


@pytest.mark.parametrize(
    ("tool", "options", "send"),
    [("dcmcjpeg", ["+e1"], "-xs"), ("dcmcjpls", ["+el"], "-xt"), ("dcmcrle", [], "-xr")],
)
def test_what_dcmtk_compresses_is_received_and_decoded(
    make_dicom: Make, tmp_path: Path, service: Service, tool: str, options: list[str], send: str
) -> None:
    """Lossless JPEG, JPEG-LS and RLE of DCMTK arrive compressed and decode to the very pixels."""
    if tool == "dcmcjpeg":
        pytest.importorskip("libjpeg", reason="the extra dicom-jpeg is not installed")
    plain, packed = tmp_path / "x.dcm", tmp_path / "y.dcm"
    plain.write_bytes(make_dicom(IMAGE))
    subprocess.run([service(tool), *options, plain, packed], check=True, timeout=60)
    kept: list[bytes] = []
    receiver_options = DicomFeedSettings("dicom:127.0.0.1:0", any_caller=True)
    with DicomReceiver(lambda data, identity: kept.append(data), receiver_options) as receiver:
        peer = ["-aec", "SRANOGAN", "127.0.0.1", str(receiver.port)]
        subprocess.run([service("storescu"), send, *peer, packed], check=True, timeout=60)
    assert pydicom.dcmread(io.BytesIO(kept[0])).file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(decode_dicom(kept[0], source="x")[0].pixels, IMAGE)
