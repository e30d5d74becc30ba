"""Faults on the wire and in objects: refused at once, or kept, answered, and dead-lettered."""

from __future__ import annotations

import io
import json
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")
pytest.importorskip("highdicom", reason="the extra dicom is not installed")
import pydicom
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from benchmarks.runner.hostile.wire import ASSOCIATE, recorded, replayed
from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.image.dicom_pixels import DX
from sranogan_edge.service.delivery import ResultsLog
from sranogan_edge.spool.spool import SpoolLimits
from tests.support.dicom_archive import free_port, runner, until
from tests.support.service_bench import Bench, lines

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
OPTIONS = DicomFeedSettings("dicom:127.0.0.1:0", any_caller=True, idle_s=1.0)
STATUS = b"\x00\x00\x00\x09\x02\x00\x00\x00"  # the element (0000,0900), in front of its value
SUCCESS, INVALID_UID = b"\x00\x00", b"\x17\x01"
PATIENCE_S = 30.0
Make = Callable[..., bytes]


def store(port: int, *objects: bytes) -> list[int]:
    """Send objects as a scanner does; their statuses."""
    scanner = AE("XRAY1")
    scanner.acse_timeout = scanner.dimse_timeout = scanner.network_timeout = PATIENCE_S
    scanner.add_requested_context(DX)
    association = scanner.associate("127.0.0.1", port, ae_title="SRANOGAN")
    statuses = [association.send_c_store(pydicom.dcmread(io.BytesIO(data))).Status for data in objects]
    association.release()
    return statuses


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_invalid_uids_on_the_wire_are_refused(make_dicom: Make, keyword: str) -> None:
    """Byte by byte, past the checks of a client: never a success, and nothing is kept."""
    kept: list[bytes] = []
    with DicomReceiver(lambda data, identity: kept.append(data), OPTIONS) as receiver:
        data = make_dicom(IMAGE)
        pdus = recorded(receiver.port, lambda port: store(port, data))[:-1]  # all but the release
        assert len(kept) == 1
        old = str(pydicom.dcmread(io.BytesIO(data))[keyword].value).encode()
        for uid in (b"../../../etc/passwd", b"1.2.03.4", b"1..2", b"", b"1.2.\xe6.4", b"1." * 27 + b"x"):
            changed = [pdu.replace(old, uid.ljust(len(old), b"\0")) for pdu in pdus]
            heard = replayed(receiver.port, changed, PATIENCE_S, STATUS + INVALID_UID)
            assert STATUS + SUCCESS not in heard, uid
            assert STATUS + INVALID_UID in heard or not uid  # a blank one leaves nothing to answer to
    assert len(kept) == 1


@pytest.mark.parametrize("items", [b"", struct.pack(">BxH", 0x10, 21) + b"1.2.840.10008.3.1.1.1"])
def test_a_request_without_its_items_holds_no_place(items: bytes) -> None:
    """No contexts, no user information: the receiver ends it, with its threads."""
    with DicomReceiver(lambda data, identity: None, OPTIONS) as receiver:
        threads = threading.active_count()
        body = struct.pack(">H2x", 1) + b"SRANOGAN".ljust(16) + b"XRAY1".ljust(16) + bytes(32) + items
        replayed(receiver.port, [struct.pack(">BxI", ASSOCIATE, len(body)) + body], PATIENCE_S, b"")
        assert until(lambda: receiver.associations == 0)
        assert until(lambda: threading.active_count() <= threads)


def test_deflated_objects_are_not_negotiated() -> None:
    """What would have to be inflated before anything is known of it cannot be sent."""
    with DicomReceiver(lambda data, identity: None, OPTIONS) as receiver:
        scanner = AE("XRAY1")
        scanner.add_requested_context(Verification)
        scanner.add_requested_context(DX, pydicom.uid.DeflatedExplicitVRLittleEndian)
        association = scanner.associate("127.0.0.1", receiver.port, ae_title="SRANOGAN")
        assert [context.abstract_syntax for context in association.accepted_contexts] == [Verification]
        association.release()


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "zero bits": ({"BitsStored": 0, "HighBit": 0}, "stores 0 of 16 bits"),
    "no pixels": ({"PixelData": None}, "holds no pixel data"),
    "truncated": ({"PixelData": IMAGE.tobytes()[:-100]}, "truncated"),
    "huge": ({"Rows": 65535, "Columns": 65535}, "the header declares"),
    "many frames": ({"NumberOfFrames": 2**31 - 1}, "the header declares"),
    "no rows": ({"Rows": None}, "has no usable Rows"),
}


def test_broken_objects_are_answered_and_dead_lettered(make_dicom: Make, tmp_path: Path) -> None:
    """Rubbish is acknowledged and set apart with its reason; the next film is scored."""
    films = [make_dicom(IMAGE, **attributes) for attributes, _ in FAULTS.values()]
    with runner(tmp_path, f"dicom://127.0.0.1:{free_port()}/PACS") as (feed, service):
        assert store(feed.receiver.port, *films, make_dicom(IMAGE)) == [0x0000] * (len(FAULTS) + 1)
        assert until(lambda: service.scored + service.failed == len(FAULTS) + 1)
        assert (service.scored, service.failed) == (1, len(FAULTS))
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["error"] * len(FAULTS) + ["anomalous"]
    for line, (_, reason) in zip(lines, FAULTS.values(), strict=False):
        assert reason in line["error"]
    notes = sorted((tmp_path / "spool" / "dead").glob("*.txt"))
    assert len(notes) == len(FAULTS)
    assert all("instance_uid: " in note.read_text() and "reason: " in note.read_text() for note in notes)


def test_an_object_above_the_spools_limit_is_refused_at_once(make_dicom: Make, tmp_path: Path) -> None:
    """The scanner hears that sending it again is of no use, each time; it has one line, which says why."""
    bench = Bench(tmp_path, SpoolLimits(max_object_bytes=4000, min_free_bytes=0))
    feed = DicomFeedSettings("dicom:127.0.0.1:0?calling=XRAY1", acknowledge_s=600.0).open()
    log = ResultsLog(tmp_path / "results.jsonl")
    stop = bench.in_background(bench.build(feed, log=log))
    large = make_dicom(np.zeros((64, 64), np.uint16))
    assert store(feed.receiver.port, large, large, make_dicom(IMAGE[:8, :8])) == [0xC001, 0xC001, 0x0000]
    assert until(lambda: len(lines(log.path)) == 2)
    stop()
    errors = [line["error"] for line in lines(log.path)]
    assert "above the limit of 4,000" in errors[0]
    assert errors[1] is None
    bench.spool.close()
