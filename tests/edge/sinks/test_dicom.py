"""Results to an archive: kept while it is away or refuses, each there once, set apart what it never takes."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from pynetdicom import AE

from sranogan_edge.dicom.send import DicomClientTls
from sranogan_edge.errors import DicomResultError, SettingsError
from sranogan_edge.image.decode import decode_bytes
from sranogan_edge.image.dicom_pixels import DX
from sranogan_edge.results.line import OUT_OF_DOMAIN
from sranogan_edge.sinks.dicom_settings import DicomSinkSettings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkContext
from tests.support.archive_lines import line
from tests.support.dicom_archive import (
    COMPREHENSIVE_SR,
    SECONDARY_CAPTURE,
    Archive,
    free_port,
    runner,
    sink_to,
    until,
)

Make = Callable[..., bytes]


pytest.importorskip("highdicom", reason="the extra dicom is not installed")


IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
PICTURE = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path, make_dicom: Make) -> Path:
    """Five images (``0.dcm`` ...) and a heat map (``heat.png``)."""
    for number in range(5):
        (tmp_path / f"{number}.dcm").write_bytes(make_dicom(IMAGE))
    cv2.imwrite(str(tmp_path / "heat.png"), PICTURE)
    return tmp_path


def test_heat_map_and_report_lie_in_the_study_of_their_image(folder: Path) -> None:
    """Both arrive; the pixels are the heat map's, the score and the frame that it speaks of are stated."""
    archive = Archive(port := free_port())
    sink = sink_to(port, folder)
    sink.write_object(line(frame=2, frames=3), folder / "0.dcm")
    archive.close()
    source, (heat, report) = pydicom.dcmread(folder / "0.dcm"), archive.kept
    assert {each.StudyInstanceUID for each in (heat, report)} == {source.StudyInstanceUID}
    assert (heat.SOPClassUID, report.SOPClassUID) == (SECONDARY_CAPTURE, COMPREHENSIVE_SR)
    buffer = io.BytesIO()
    heat.save_as(buffer, enforce_file_format=True)
    frame = decode_bytes(buffer.getvalue(), source="x")
    np.testing.assert_array_equal(frame.pixels, PICTURE[..., ::-1])
    assert [each.value for each in report.iterall() if each.keyword == "ReferencedFrameNumber"] == [2]
    assert (sink.health.state, sink.health.written) == ("ok", 1)


def test_what_is_not_like_the_training_data_is_reported_so(folder: Path) -> None:
    """The report of such an image says that its score means nothing."""
    archive = Archive(port := free_port())
    sink_to(port, folder, heat_map=False).write_object(line(verdict=OUT_OF_DOMAIN), folder / "0.dcm")
    archive.close()
    assert [each.SOPClassUID for each in archive.kept] == [COMPREHENSIVE_SR]
    assert "Not like the training data" in str(archive.kept[0])


def test_an_archive_that_does_not_know_us_or_the_kind_is_asked_again(folder: Path) -> None:
    """Rejected, or of a kind that it does not take: an error with its reason, and nothing by halves."""
    port = free_port()
    sink = sink_to(port, folder)
    troubles: tuple[tuple[dict[str, Any], str], ...] = (
        ({"callers": ("OTHER",)}, "rejected the association"),
        ({"kinds": (SECONDARY_CAPTURE,)}, "does not take Comprehensive SR"),
        ({"kinds": ()}, "takes none of"),
    )
    for settings, said in troubles:
        archive = Archive(port, **settings)
        with pytest.raises(DicomResultError, match=said):
            sink.write_object(line(), folder / "0.dcm")
        archive.close()
        assert archive.kept == []
    assert sink.health.state == "failing"
    with pytest.raises(DicomResultError, match="no connection"):
        sink.write_object(line(), folder / "0.dcm")
    archive = Archive(port)
    archive.answers = [0xA700]
    with pytest.raises(DicomResultError, match="answered 0xA700"):
        sink.write_object(line(), folder / "0.dcm")
    sink.write_object(line(), folder / "0.dcm")
    archive.close()
    assert (len(archive.kept), sink.health.state) == (2, "ok")


def refused(folder: Path) -> list[str]:
    """The reasons in the outbox of the only sink."""
    (path,) = (folder / "sinks").glob("outbox-*.sqlite")
    with sqlite3.connect(path) as database:
        return [row[0] for row in database.execute("SELECT reason FROM refused ORDER BY id")]


def test_what_the_archive_never_takes_is_set_apart(folder: Path, make_dicom: Make) -> None:
    """A refused result, an image without a study and a vanished image do not hold up the next ones."""
    (folder / "bare.dcm").write_bytes(make_dicom(IMAGE, StudyInstanceUID=None))
    archive = Archive(port := free_port())
    archive.answers = [0xC000]
    sink = sink_to(port, folder)
    for name in ("0.dcm", "bare.dcm", "gone.dcm", "1.dcm"):
        sink.write_object(line(file=name), folder / name)
    archive.close()
    assert len(archive.kept) == 2
    assert (sink.health.written, sink.health.refused) == (1, 3)
    for reason, said in zip(refused(folder), ("0xC000", "cannot be written", "gone.dcm"), strict=True):
        assert said in reason
    sink.close()


def test_what_belongs_to_no_patient_is_not_sent(folder: Path) -> None:
    """A frame, a PNG file and an image that could not be judged are passed over; nobody is asked."""
    sink = sink_to(free_port(), folder)
    sink.write(line())
    sink.write_object(line(), folder / "heat.png")
    sink.write_object(line(score=None, error="broken"), folder / "0.dcm")
    sink.write_object(line(heat_map="none.png", score=None), folder / "0.dcm")
    assert (sink.health.written, sink.health.state) == (0, "ok")


def test_a_heat_map_that_is_gone_costs_the_picture_alone(folder: Path) -> None:
    """The report is sent all the same."""
    archive = Archive(port := free_port())
    sink_to(port, folder).write_object(line(heat_map="gone.png"), folder / "0.dcm")
    archive.close()
    assert [each.SOPClassUID for each in archive.kept] == [COMPREHENSIVE_SR]


@pytest.mark.parametrize(
    ("uri", "options"),
    [
        ("dicom://127.0.0.1/PACS", {}),
        ("dicom://127.0.0.1:11112", {}),
        ("dicom://:11112/PACS", {}),
        ("dicom://127.0.0.1:port/PACS", {}),
        ("dicom://us:word@127.0.0.1:11112/PACS", {}),
        ("dicom://127.0.0.1:11112/%20%20", {}),
        ("dicom://127.0.0.1:11112/SEVENTEENLETTERSX", {}),
        ("dicom://127.0.0.1:11112/PACS", {"ca_file": Path("/ca.pem")}),
        ("dicoms://127.0.0.1:11112/PACS", {"ca_file": Path("/none.pem")}),
        ("dicom://127.0.0.1:11112/PACS", {"heat_map": False, "report": False}),
    ],
)
def test_addresses_that_cannot_work_are_refused(tmp_path: Path, uri: str, options: dict[str, Any]) -> None:
    """No port, no title, a password, a file without TLS, nothing to send: refused at the start."""
    with pytest.raises(SettingsError):
        sink_of(uri, **options).open(SinkContext(tmp_path))


def test_an_address_names_both_titles() -> None:
    """Ours stands before the @; without one it is SRANOGAN."""
    ours = DicomSinkSettings("dicom://WARD7@pacs:104/THE%20PACS").destination()
    assert (ours.calling, ours.called, ours.host, ours.port) == ("WARD7", "THE PACS", "pacs", 104)
    assert DicomSinkSettings("dicom://pacs:104/PACS").destination().calling == "SRANOGAN"


def test_an_archive_is_asked_once_for_as_long_as_the_settings_say() -> None:
    """The runner repeats what failed; TLS is that of the address, with the files that are named."""
    files: dict[str, Any] = {name: Path(f"/{name}") for name in ("ca_file", "cert_file", "key_file")}
    found = DicomSinkSettings("dicoms://pacs:104/PACS", timeout_s=7.0, **files).destination()
    assert (found.attempts, found.timeout_s, found.tls) == (1, 7.0, DicomClientTls(**files))
    assert DicomSinkSettings("dicoms://pacs:104/PACS").destination().tls == DicomClientTls()
    assert DicomSinkSettings("dicom://pacs:104/PACS").destination().tls is None


def scan(port: int, images: list[bytes]) -> None:
    """Send ``images`` as a scanner does."""
    scanner = AE("XRAY1")
    scanner.add_requested_context(DX)
    association = scanner.associate("127.0.0.1", port, ae_title="SRANOGAN")
    for data in images:
        assert association.send_c_store(pydicom.dcmread(io.BytesIO(data))).Status == 0x0000
    association.release()


def test_results_survive_restarts_and_an_archive_that_is_away(tmp_path: Path, make_dicom: Make) -> None:
    """Scored while the archive is away, across two restarts: in the end it has each result exactly once."""
    images = [make_dicom(IMAGE + number) for number in range(6)]
    uri = f"dicom://127.0.0.1:{(port := free_port())}/PACS"
    for part in (images[:3], images[3:]):
        with runner(tmp_path, uri) as (feed, service):
            scan(feed.receiver.port, part)
            assert until(lambda: service.scored == 3)
    archive = Archive(port)
    with runner(tmp_path, uri):
        assert until(lambda: len(archive.kept) == 12)
    archive.close()
    studies = [str(pydicom.dcmread(io.BytesIO(data)).StudyInstanceUID) for data in images]
    assert [str(each.StudyInstanceUID) for each in archive.kept] == [s for s in studies for _ in range(2)]
    assert len({str(each.SOPInstanceUID) for each in archive.kept}) == 12
