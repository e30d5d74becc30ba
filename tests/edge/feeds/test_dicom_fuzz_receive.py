"""Recorded associations, damaged: the receiver refuses or takes them, never hangs, leaks or stops serving."""

from __future__ import annotations

import io
import logging
import random
import resource
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")
import pydicom
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from benchmarks.runner.hostile.wire import damaged, recorded, replayed
from sranogan_edge.errors import ImageError
from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.image.dicom_pixels import DX, DicomOptions, decode_dicom
from tests.support.dicom_archive import until
from tests.support.fuzz import examples

MEMORY_KIB = 200 * 1024  # above the start: a few threads, and the objects of so many clients at once
PATIENCE_S = 60.0  # for one connection; the receiver's own limits are far below, the machine may be busy
CLIENTS = 8
RAMP = np.arange(60 * 50, dtype=np.uint16).reshape(60, 50)
Make = Callable[..., bytes]


def speak(port: int, data: bytes, syntax: str) -> None:
    """One whole association: echo, store, release."""
    scanner = AE("XRAY1")
    scanner.add_requested_context(Verification)
    scanner.add_requested_context(DX, syntax)
    association = scanner.associate("127.0.0.1", port, ae_title="SRANOGAN")
    assert association.send_c_echo().Status == 0x0000
    assert association.send_c_store(pydicom.dcmread(io.BytesIO(data))).Status == 0x0000
    association.release()


class Shelf:
    """Decodes what was received, as the runner does, and counts."""

    def __init__(self) -> None:
        self.kept = self.refused = 0
        self.lock = threading.Lock()

    def __call__(self, data: bytes, identity: Mapping[str, str]) -> None:
        assert all(len(value) <= 64 and value.isprintable() for value in identity.values())
        refused = True
        with suppress(ImageError):
            decode_dicom(data, source="fuzz", options=DicomOptions(max_pixels=1_000_000))
            refused = False
        with self.lock:
            self.kept, self.refused = self.kept + 1, self.refused + refused


def fuzz(make_dicom: Make, cases: int) -> Shelf:
    """Send ``cases`` damaged associations, the same each time, from several clients at once."""
    shelf, fell = Shelf(), list[object]()
    options = DicomFeedSettings(
        "dicom:127.0.0.1:0",
        any_caller=True,
        max_associations=4 * CLIENTS,
        max_object_bytes=200_000,
        handshake_s=2.0,
        idle_s=2.0,
        pdu_s=2.0,
        max_association_s=30.0,
    )
    hook, threading.excepthook = threading.excepthook, fell.append
    logging.disable()  # pytest would keep 100,000 lines of what the libraries say, and that is not ours
    try:
        with DicomReceiver(shelf, options) as receiver:
            plain = make_dicom(RAMP), make_dicom(RAMP, "ImplicitVRLittleEndian")
            syntaxes = pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian
            talks = [
                recorded(receiver.port, lambda port, d=data, s=syntax: speak(port, d, s))  # type: ignore[misc]  # bound now
                for data, syntax in zip(plain, syntaxes, strict=True)
            ]
            threads = threading.active_count()
            begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

            def case(number: int) -> None:
                draw = random.Random(number)
                replayed(receiver.port, damaged(draw.choice(talks), draw), PATIENCE_S)

            with ThreadPoolExecutor(CLIENTS) as clients:
                list(clients.map(case, range(cases)))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(f"{cases} associations, {shelf.kept} objects of which {shelf.refused} did not decode;")
            print(f"{time.monotonic() - begin:.0f} s, peak memory {grown / 1024:+.0f} MiB")
            assert grown < MEMORY_KIB
            assert until(lambda: receiver.associations == 0)
            assert until(lambda: threading.active_count() <= threads)
            speak(receiver.port, plain[0], syntaxes[0])
    finally:
        threading.excepthook = hook
        logging.disable(logging.NOTSET)
    assert fell == []
    return shelf


def test_damaged_associations_are_refused_or_taken(make_dicom: Make) -> None:
    """Eighty of them; some are harmless, most are not, and a good client is served after them all."""
    assert fuzz(make_dicom, examples(80)).kept > 4


@pytest.mark.slow
def test_many_damaged_associations_are_refused_or_taken(make_dicom: Make) -> None:
    """5,000 of them."""
    assert fuzz(make_dicom, 5_000).kept > 250
