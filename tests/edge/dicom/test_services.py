"""Scanner to archive with real peers: DCMTK's storescu, the runner, Orthanc; and Orthanc as the sender."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from tests.support.dicom_archive import COMPREHENSIVE_SR, SECONDARY_CAPTURE, runner, until
from tests.support.orthanc import Orthanc

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
Make = Callable[..., bytes]
Service = Callable[[str], str]


@pytest.fixture
def orthanc(tmp_path: Path, service: Service) -> Iterator[Orthanc]:
    """One that is not running yet."""
    made = Orthanc(service("Orthanc"), tmp_path / "orthanc")
    yield made
    made.stop()


def valid(path: Path, service: Service) -> list[str]:
    """What dicom3tools calls an error in this file."""
    said = subprocess.run([service("dciodvfy"), path], capture_output=True, text=True, check=False).stderr
    return [line for line in said.splitlines() if line.startswith("Error")]


def test_from_the_scanner_to_the_archive_and_the_archive_was_off(
    make_dicom: Make, tmp_path: Path, orthanc: Orthanc, service: Service
) -> None:
    """DCMTK sends, the archive is off, the runner restarts: heat map and report of each end in Orthanc."""
    films = []
    for number in range(3):
        films.append(tmp_path / f"{number}.dcm")
        films[-1].write_bytes(make_dicom(IMAGE + number, PatientID=f"P{number}"))
    uri = f"dicom://RUNNER@127.0.0.1:{orthanc.dicom}/ORTHANC"
    with runner(tmp_path, uri) as (feed, scoring):
        peer = ["-aec", "SRANOGAN", "127.0.0.1", str(feed.receiver.port)]
        subprocess.run([service("storescu"), "-aet", "XRAY1", *peer, *films], check=True, timeout=60)
        assert until(lambda: scoring.scored == 3)
    orthanc.start()
    with runner(tmp_path, uri):
        assert until(lambda: len(orthanc.ask("/instances")) == 6)
        orthanc.stop()
        orthanc.start()  # what it took, it keeps
    found = orthanc.objects()
    for film in films:
        source = pydicom.dcmread(film)
        mine = [each for each in found if each.StudyInstanceUID == source.StudyInstanceUID]
        assert {each.SOPClassUID for each in mine} == {SECONDARY_CAPTURE, COMPREHENSIVE_SR}
        assert {each.PatientID for each in mine} == {source.PatientID}
        for each in mine:
            each.save_as(path := tmp_path / f"{each.SOPInstanceUID}.dcm")
            assert valid(path, service) == []
    reports = [tmp_path / f"{each.SOPInstanceUID}.dcm" for each in found if "ContentSequence" in each]
    printed = subprocess.run(
        [service("dsrdump"), *reports], capture_output=True, text=True, check=True
    ).stdout
    for film in films:
        assert f'"Anomaly score")="{float(pydicom.dcmread(film).pixel_array.mean()):.6g}"' in printed


def test_orthanc_sends_to_us(make_dicom: Make, tmp_path: Path, orthanc: Orthanc) -> None:
    """An archive that forwards (Orthanc's /modalities/.../echo and /store) is served as a scanner is."""
    kept: list[bytes] = []
    data = make_dicom(IMAGE)
    orthanc.start()
    options = DicomFeedSettings("dicom:127.0.0.1:0", calling=("ORTHANC",))
    with DicomReceiver(lambda data, identity: kept.append(data), options) as receiver:
        orthanc.ask("/modalities/us", ["SRANOGAN", "127.0.0.1", receiver.port], "PUT")
        orthanc.ask("/modalities/us/echo", {}, "POST")
        request = urllib.request.Request(f"http://127.0.0.1:{orthanc.http}/instances", data, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            instance = json.load(answer)["ID"]
        assert orthanc.ask("/modalities/us/store", [instance])["FailedInstancesCount"] == 0
    np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(kept[0])).pixel_array, IMAGE)
