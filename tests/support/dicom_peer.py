"""A scanner for tests, and the receiver that it sends to."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pydicom
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.image.dicom_pixels import DX

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
CT = "1.2.840.10008.5.1.4.1.1.2"
Make = Callable[..., bytes]


class Shelf:
    """Keeps objects in memory, or fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.kept: list[tuple[bytes, Mapping[str, str]]] = []
        self.error = error

    def __call__(self, data: bytes, identity: Mapping[str, str]) -> None:
        if self.error:
            raise self.error
        self.kept.append((data, identity))


@contextmanager
def receiving(shelf: Shelf, **options: Any) -> Iterator[DicomReceiver]:
    """A receiver on a free port of this machine that knows the scanner XRAY1."""
    settings = DicomFeedSettings("dicom:127.0.0.1:0", **{"calling": ("XRAY1",), **options})
    with DicomReceiver(shelf, settings) as receiver:
        yield receiver


def associate(port: int, calling: str = "XRAY1", called: str = "SRANOGAN", **more: Any) -> Association:
    """Ask for an association as a scanner does."""
    scanner = AE(calling)
    scanner.acse_timeout = scanner.dimse_timeout = scanner.network_timeout = 30  # the machine may be busy
    scanner.add_requested_context(Verification)
    scanner.add_requested_context(DX)
    return scanner.associate("127.0.0.1", port, ae_title=called, **more)


def send(port: int, data: bytes) -> int | None:
    """Send one object; the status that was answered, None without an answer."""
    association = associate(port)
    assert association.is_established
    status = association.send_c_store(pydicom.dcmread(io.BytesIO(data)))
    association.release()
    return status.get("Status")


def request_association(calling: bytes, called: bytes = b"SRANOGAN") -> bytes:
    """An A-ASSOCIATE-RQ PDU for verification, byte by byte."""

    def item(kind: int, body: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(body)) + body

    context = item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2")
    body = struct.pack(">H2x", 1) + called.ljust(16) + calling.ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, b"\1\0\0\0" + context)
    body += item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3.4"))
    return struct.pack(">BxI", 1, len(body)) + body
