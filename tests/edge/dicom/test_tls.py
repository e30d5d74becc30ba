"""DICOM over TLS, both ways, with real certificates: known peers are served, all others are not."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed (the extra 'sign')")
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from sranogan_edge.errors import DicomResultError, SettingsError
from sranogan_edge.feeds import dicom_receiver
from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.sinks.dicom import DicomSink
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkContext
from tests.support.archive_lines import line
from tests.support.certificates import DAY, Authority
from tests.support.dicom_archive import Archive, free_port, until
from tests.support.orthanc import Orthanc

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
Make = Callable[..., bytes]
Service = Callable[[str], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for certificates."""
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    """The one that both sides know."""
    return Authority(folder)


@pytest.fixture
def film(tmp_path: Path, make_dicom: Make) -> Path:
    """An image that was judged."""
    path = tmp_path / "film.dcm"
    path.write_bytes(make_dicom(IMAGE))
    return path


def sink_to(port: int, tmp_path: Path, name: str = "PACS", **files: Any) -> DicomSink:
    """A sink that speaks TLS."""
    found = sink_of(f"dicoms://127.0.0.1:{port}/{name}", **files).open(
        SinkContext(tmp_path / "sinks", pictures=tmp_path)
    )
    assert isinstance(found, DicomSink)
    return found


def ours(authority: Authority, *, asks: bool = False) -> dict[str, Any]:
    """The files of a receiver of ours; with ``asks`` it wants a sender's certificate."""
    certificate, key = authority.sign("ours")
    known = authority.file if asks else None
    return {"tls_certificate": certificate, "tls_key": key, "tls_client_authorities": known}


def server_side(certificate: Path, key: Path, authority: Authority | None = None) -> ssl.SSLContext:
    """An archive's context; with ``authority`` it asks for our certificate."""
    known = authority.file if authority else None
    settings = DicomFeedSettings(
        "dicom:0", tls_certificate=certificate, tls_key=key, tls_client_authorities=known
    )
    context = settings.tls()
    assert context is not None
    return context


def test_results_go_to_an_archive_that_both_know(authority: Authority, tmp_path: Path, film: Path) -> None:
    """Each side shows a certificate of the authority: the result arrives."""
    archive = Archive(port := free_port(), tls=server_side(*authority.sign("archive"), authority))
    certificate, key = authority.sign("us")
    sink = sink_to(port, tmp_path, ca_file=authority.file, cert_file=certificate, key_file=key)
    sink.write_object(line(heat_map=None), film)
    assert len(archive.kept) == 1
    without = sink_to(port, tmp_path, ca_file=authority.file)
    with pytest.raises(DicomResultError, match="did not take"):
        without.write_object(line(heat_map=None), film)
    archive.close()
    assert len(archive.kept) == 1


def test_an_archive_that_cannot_be_trusted_gets_nothing(
    authority: Authority, tmp_path: Path, film: Path
) -> None:
    """Of an unknown authority, for another address, run out, or without TLS: no patient's data leaves."""
    archives = {
        "unknown": Authority(authority.folder, "other").sign("foreign"),
        "another": authority.sign("elsewhere", host="192.0.2.1"),
        "old": authority.sign("old", until=-DAY),
    }
    for files in (*archives.values(), None):
        archive = Archive(port := free_port(), tls=server_side(*files) if files else None)
        with pytest.raises(DicomResultError, match="no TLS that both sides accept"):
            sink_to(port, tmp_path, ca_file=authority.file).write_object(line(heat_map=None), film)
        archive.close()
        assert archive.kept == []


def test_only_known_senders_are_served(authority: Authority, tmp_path: Path) -> None:
    """With client_authorities, a sender needs a certificate of one of them; TLS 1.1 is too old."""
    stranger = Authority(tmp_path, "stranger")
    options = DicomFeedSettings(
        "dicom:127.0.0.1:0", any_caller=True, handshake_s=5.0, pdu_s=5.0, **ours(authority, asks=True)
    )
    served = []
    with DicomReceiver(lambda data, identity: None, options) as receiver:
        for files in (authority.sign("scanner"), stranger.sign("scanner"), None, "old"):
            context = ssl.create_default_context(cafile=authority.file)
            if isinstance(files, tuple):
                context.load_cert_chain(*files)
            elif files == "old":
                context.load_cert_chain(*authority.sign("scanner"))
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            scanner = AE("XRAY1")
            scanner.add_requested_context(Verification)
            association = scanner.associate(
                "127.0.0.1", receiver.port, ae_title="SRANOGAN", tls_args=(context, "127.0.0.1")
            )
            served.append(association.is_established and association.send_c_echo().get("Status") == 0)
            association.abort()
    assert served == [True, False, False, False]


def test_hands_that_are_never_shaken_count_as_connections(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peers that connect and are silent take places until their time is over; one more takes the oldest's."""
    monkeypatch.setattr(dicom_receiver, "_SPARE_CONNECTIONS", 0)
    options = DicomFeedSettings(
        "dicom:127.0.0.1:0", any_caller=True, max_associations=2, handshake_s=3.0, **ours(authority)
    )
    with DicomReceiver(lambda data, identity: None, options) as receiver, ExitStack() as open_ones:
        address = ("127.0.0.1", receiver.port)
        silent = [open_ones.enter_context(socket.create_connection(address, 10)) for _ in range(2)]
        assert until(lambda: len(receiver._doors) == 2)
        silent.append(open_ones.enter_context(socket.create_connection(address, 10)))
        assert silent[0].recv(1) == b""
        assert len(receiver._doors) == 2
        assert [one.recv(1) for one in silent] == [b""] * 3  # their time is over
        assert until(lambda: len(receiver._doors) == 0)


def test_files_that_do_not_belong_together(authority: Authority, tmp_path: Path) -> None:
    """Refused at the start, not at the first result."""
    (certificate, _), (_, key) = authority.sign("one"), authority.sign("two")
    with pytest.raises(SettingsError, match="Name PEM files"):
        sink_to(11112, tmp_path, ca_file=authority.file, cert_file=certificate, key_file=key)


def test_dcmtk_and_orthanc_speak_it(
    authority: Authority, tmp_path: Path, film: Path, service: Service
) -> None:
    """DCMTK's storescu sends to us, and we to Orthanc, over TLS with certificates on both sides."""
    kept: list[bytes] = []
    scanner, scanner_key = authority.sign("dcmtk")
    options = DicomFeedSettings("dicom:127.0.0.1:0", any_caller=True, **ours(authority, asks=True))
    with DicomReceiver(lambda data, identity: kept.append(data), options) as receiver:
        command = [service("storescu"), "+tls", str(scanner_key), str(scanner), "+cf", str(authority.file)]
        command += ["-aec", "SRANOGAN", "127.0.0.1", str(receiver.port), str(film)]
        subprocess.run(command, check=True, timeout=60)
    assert len(kept) == 1
    (certificate, key), (our_certificate, our_key) = authority.sign("orthanc"), authority.sign("ours")
    orthanc = Orthanc(
        service("Orthanc"),
        tmp_path / "orthanc",
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(certificate),
        DicomTlsPrivateKey=str(key),
        DicomTlsTrustedCertificates=str(authority.file),
    )
    try:
        orthanc.start()
        files = {"ca_file": authority.file, "cert_file": our_certificate, "key_file": our_key}
        sink = sink_to(orthanc.dicom, tmp_path, "ORTHANC", **files)
        sink.write_object(line(heat_map=None), film)
        assert until(lambda: len(orthanc.ask("/instances")) == 1), json.dumps(orthanc.ask("/system"))
    finally:
        orthanc.stop()
