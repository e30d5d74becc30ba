"""The DICOM receiver takes what is allowed, keeps it before it says so; no peer can hold or fill it."""

from __future__ import annotations

import io
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from sranogan_edge.errors import FeedError, SettingsError
from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.image.dicom_pixels import CR, DX, decode_dicom
from tests.support.dicom_archive import until
from tests.support.dicom_peer import CT, IMAGE, Make, Shelf, associate, receiving, request_association, send

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")


def test_an_object_is_kept_with_its_identity(make_dicom: Make) -> None:
    """What a scanner sends arrives as a whole DICOM file that decodes to the same pixels."""
    shelf, data = Shelf(), make_dicom(IMAGE)
    with receiving(shelf) as receiver:
        assert send(receiver.port, data) == 0x0000
    ((kept, identity),) = shelf.kept
    np.testing.assert_array_equal(decode_dicom(kept, source="x")[0].pixels, IMAGE)
    assert identity["instance_uid"] == str(pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID)
    assert (identity["calling_ae"], identity["address"]) == ("XRAY1", "127.0.0.1")


def test_who_stores_keeps_the_seat(make_dicom: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An association works with each object that is on the disk, and with no other."""
    shelf, data, worked = Shelf(), make_dicom(IMAGE), list[bool]()
    with receiving(shelf) as receiver:
        monkeypatch.setattr(
            receiver._seats, "worked", lambda who: worked.append(who in receiver._seats.taken())
        )
        assert send(receiver.port, data) == 0x0000
        assert worked == [True]
        shelf.error = OSError(28, "No space left on device")
        assert send(receiver.port, data) == 0xA700
        assert worked == [True]


def test_a_long_study_is_no_object_without_end(make_dicom: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a peer may send before an answer counts anew after each: of four objects two are too much."""
    monkeypatch.setattr("sranogan_edge.feeds.dicom_receiver._OVERHEAD_BYTES", 4096)
    shelf, film = Shelf(), pydicom.dcmread(io.BytesIO(make_dicom(IMAGE)))
    with receiving(shelf, max_object_bytes=10_000) as receiver:
        association = associate(receiver.port)
        assert [association.send_c_store(film).get("Status") for _ in range(4)] == [0x0000] * 4
        association.release()
    assert len(shelf.kept) == 4


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("bug")])
def test_what_cannot_be_kept_is_not_acknowledged(make_dicom: Make, error: Exception) -> None:
    """Where storing fails, the scanner hears "out of resources" and may try again."""
    shelf, data = Shelf(error), make_dicom(IMAGE)
    with receiving(shelf) as receiver:
        assert send(receiver.port, data) == 0xA700
        shelf.error = None
        assert send(receiver.port, data) == 0x0000


@pytest.mark.parametrize(("calling", "called"), [("STRANGER", "SRANOGAN"), ("XRAY1", "OTHER")])
def test_strangers_are_rejected(calling: str, called: str, caplog: pytest.LogCaptureFixture) -> None:
    """AE titles that are not on the lists get no association and are logged; echo works for others."""
    with receiving(Shelf()) as receiver:
        assert associate(receiver.port, calling, called).is_rejected
        deadline = time.monotonic() + 30  # it is told after the answer was sent
        while "rejected by our lists" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        assert f"titled {calling!r}, asked for {called!r}: rejected" in caplog.text
        friend = associate(receiver.port)
        assert friend.send_c_echo().Status == 0x0000
        friend.release()


@pytest.mark.parametrize("kinds", [(CT,), (CT, DX)])
def test_a_sender_of_other_kinds_is_told(kinds: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    """One that finds its kind is not taken, and goes or hangs up without a word, is in the log once."""
    scanner = AE("XRAY1")
    for kind in kinds:
        scanner.add_requested_context(kind)
    with receiving(Shelf()) as receiver:
        association = scanner.associate("127.0.0.1", receiver.port, ae_title="SRANOGAN")
        if association.is_established:
            association.release()
        told = "'XRAY1' sent nothing; it offered kinds that sop_classes does not name: CT Image Storage"
        assert until(lambda: told in caplog.text)
        friend = AE("XRAY1")
        friend.add_requested_context(CT)
        friend.add_requested_context(Verification)
        association = friend.associate("127.0.0.1", receiver.port, ae_title="SRANOGAN")
        assert association.send_c_echo().Status == 0x0000
        association.release()
    assert caplog.text.count("sent nothing") == 1


def test_a_blank_caller_is_refused_even_where_every_one_may_send() -> None:
    """An AE title of blanks names nobody."""
    with receiving(Shelf(), calling=(), any_caller=True) as receiver:
        answers = {}
        for calling in (b"", b"ANYBODY"):
            with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as client:
                client.sendall(request_association(calling))
                answers[calling] = client.recv(10)[0]
    assert answers == {b"": 7, b"ANYBODY": 2}  # A-ABORT, A-ASSOCIATE-AC


def test_a_kind_that_is_not_taken_gets_no_context(make_dicom: Make) -> None:
    """CT images are not negotiated by default, and are where asked for."""
    ct = "1.2.840.10008.5.1.4.1.1.2"
    for kinds, accepted in (((DX,), False), ((DX, ct), True)):
        with receiving(Shelf(), sop_classes=kinds) as receiver:
            scanner = AE("XRAY1")
            scanner.add_requested_context(ct)
            association = scanner.associate("127.0.0.1", receiver.port, ae_title="SRANOGAN")
            assert bool(association.accepted_contexts) is accepted
            association.abort()


def test_tls(tmp_path: Path, make_dicom: Make) -> None:
    """With TLS on, a client that speaks it is served, a plain one is not, a silent one blocks nobody."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    try:
        subprocess.run([*command, *files], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no certificate can be made: {error}")
    tls = {"tls_certificate": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}
    with receiving(Shelf(), **tls, pdu_s=5.0, handshake_s=5.0) as receiver:
        silent = socket.create_connection(("127.0.0.1", receiver.port))
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        secure = associate(receiver.port, tls_args=(trusting, "localhost"))
        assert secure.send_c_echo().Status == 0x0000
        secure.release()
        assert not associate(receiver.port).is_established
        silent.close()
    with (
        pytest.raises(SettingsError, match="Name PEM files"),
        receiving(Shelf(), tls_certificate=tmp_path, tls_key=tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    "options",
    [
        {"calling": ()},
        {"any_caller": True},
        {"calling": ("  ",)},
        {"called": ""},
        {"called": "SEVENTEENLETTERSX"},
        {"max_associations": 0},
        {"idle_s": 0.0},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    """Nobody may send, nobody named, no time: each is refused with what was received."""
    with pytest.raises(SettingsError, match=r"[Rr]eceived:? "):
        DicomFeedSettings("dicom:11112", **{"calling": ("XRAY1",), **options}).checked()


def test_a_port_in_use_is_an_error_with_its_cure() -> None:
    """Two receivers on one port: the second says so."""
    with receiving(Shelf()) as receiver:
        options = DicomFeedSettings(f"dicom:127.0.0.1:{receiver.port}", any_caller=True)
        with pytest.raises(FeedError, match=f"cannot listen on 127.0.0.1, port {receiver.port}"):
            DicomReceiver(Shelf(), options)


def test_the_feed_answers_when_the_spool_has_it(make_dicom: Make) -> None:
    """Success is sent after ``acknowledge``, not before; equal bytes have an equal key."""
    feed = DicomFeedSettings("dicom:127.0.0.1:0?calling=XRAY1", acknowledge_s=1.0).open()
    port, data = feed.receiver.port, make_dicom(IMAGE)
    statuses: list[int | None] = []

    def scanner() -> None:
        statuses.extend(send(port, data) for _ in range(3))

    thread = threading.Thread(target=scanner)
    thread.start()
    keys = []
    for number, arrival in enumerate(feed, start=1):
        np.testing.assert_array_equal(decode_dicom(arrival.data, source="x")[0].pixels, IMAGE)
        assert len(statuses) == number - 1
        keys.append(arrival.key)
        if number != 2:  # the second gets lost
            arrival.acknowledge()
        if number == 3:
            feed.close() if until(lambda: len(statuses) == 3) else pytest.fail("no third answer")
    thread.join()
    assert statuses == [0x0000, 0xA700, 0x0000]
    assert len(set(keys)) == 1
    assert feed.health.state == "closed"


def test_other_bytes_of_one_uid_are_another_object(make_dicom: Make) -> None:
    """Its key has the hash of the bytes too: a corrected film of the same number is no repeat."""
    feed = DicomFeedSettings("dicom:127.0.0.1:0?calling=XRAY1").open()
    films = [make_dicom(IMAGE + number, SOPInstanceUID="1.2.3.4") for number in (0, 1)]
    scanner = threading.Thread(target=lambda: [send(feed.receiver.port, film) for film in films])
    scanner.start()
    keys = []
    for arrival in feed:
        keys.append(arrival.key)
        arrival.acknowledge()
        if len(keys) == 2:
            feed.close()
    scanner.join()
    assert [key.rpartition(":")[0] for key in keys] == ["dicom:1.2.3.4"] * 2
    assert len({key.rpartition(":")[2] for key in keys}) == 2


@pytest.mark.parametrize(
    ("kind", "instance", "status"),
    [(DX, "1.2.3.4", 0x0000), (DX, "1.2.3.5", 0xA900), (CR, "1.2.3.4", 0xA900), (DX, "1.2.3", 0xA900)],
)
def test_a_command_that_names_another_object_is_refused(
    make_dicom: Make, kind: str, instance: str, status: int
) -> None:
    """Command and data set have to agree on kind and number; else nothing is kept."""
    shelf, data = Shelf(), make_dicom(IMAGE, SOPInstanceUID="1.2.3.4")
    scanner = AE("XRAY1")
    scanner.add_requested_context(kind, ExplicitVRLittleEndian)
    dataset = pydicom.dcmread(io.BytesIO(data))
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    with receiving(shelf) as receiver:
        association: Any = scanner.associate("127.0.0.1", receiver.port, ae_title="SRANOGAN")
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = kind, instance
        request.DataSet = io.BytesIO(encode(dataset, False, True) or b"")
        association._reactor_checkpoint.clear()
        association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
        _, answer = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
        association.release()
    assert answer.Status == status
    assert len(shelf.kept) == (status == 0)


def test_what_is_given_up_is_let_go(make_dicom: Make) -> None:
    """While the spool takes nothing, what was answered "try again" does not stay in memory."""
    feed = DicomFeedSettings("dicom:127.0.0.1:0?calling=XRAY1", acknowledge_s=0.1).open()
    statuses = [send(feed.receiver.port, make_dicom(IMAGE)) for _ in range(3)]
    assert statuses == [0xA700] * 3
    assert len(feed._waiting) == 0
    feed.close()
    assert list(feed) == []


@pytest.mark.parametrize("uri", ["dicom:x?calling=A", "dicom:1", "dicom:1?path=/etc", "dicom:1?calling=,A"])
def test_an_address_that_cannot_be_is_refused(uri: str) -> None:
    """Not a port, nobody named, unknown option, blank title."""
    with pytest.raises(SettingsError, match="dicom:"):
        feed_of(uri).open()
