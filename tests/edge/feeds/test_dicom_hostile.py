"""What the receiver takes of a hostile object: it is refused by its elements, within three times its size."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

from benchmarks.runner.hostile import films

CR = "1.2.840.10008.5.1.4.1.1.1"
RECEIVER = """
import sys, time
from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
settings = DicomFeedSettings("dicom:127.0.0.1:0", calling=("XRAY1",), max_object_bytes=64 * 2**20)
with DicomReceiver(lambda data, identity: None, settings) as receiver:
    print(receiver.port, flush=True)
    sys.stdin.read()
"""


@contextmanager
def receiver() -> Iterator[tuple[int, int]]:
    """A receiver in a process of its own: its port, and its number."""
    with subprocess.Popen(
        [sys.executable, "-c", RECEIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.communicate()


def sent(port: int, data: bytes, syntax: str) -> int:
    """The status that an object is answered with; nobody here makes a data set of it before."""
    scanner = AE("XRAY1")
    scanner.acse_timeout = scanner.dimse_timeout = scanner.network_timeout = 60  # the machine may be busy
    scanner.add_requested_context(CR, syntax)
    association: Any = scanner.associate("127.0.0.1", port, ae_title="SRANOGAN")
    assert association.is_established
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CR, "1.2.3.4.5"
    (meta,) = struct.unpack_from("<I", data, 132 + 8)
    request.DataSet = io.BytesIO(data[132 + 12 + meta :])
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()
    return int(answer.Status)


def peak(number: int) -> int:
    """The most bytes that a process had in memory."""
    status = Path(f"/proc/{number}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


HOSTILE = {
    "elements": (films.film(more=films.empty_elements(4_000_000)), films.EXPLICIT),
    "elements in an item": (
        films.film(more=films.sequence(films.item(films.empty_elements(4_000_000)), defined=False)),
        films.EXPLICIT,
    ),
    "items": (films.film(more=films.sequence(films.item(b"") * 4_000_000, defined=False)), films.EXPLICIT),
    "values": (films.many_values(np.random.default_rng(0), 32_000_000), films.IMPLICIT),
    "deep": (films.deep(np.random.default_rng(0), 500_000), films.EXPLICIT),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused_and_bounded(name: str) -> None:
    """About 32 MB of parts: 0xC001, no more memory than three times that, and the next film gets in."""
    data, syntax = HOSTILE[name]
    sound = films.film()
    with receiver() as (port, number):
        assert sent(port, sound, films.EXPLICIT) == 0x0000
        idle = peak(number)
        assert sent(port, data, syntax) == 0xC001
        assert peak(number) - idle < 3 * len(data)
        assert sent(port, sound, films.EXPLICIT) == 0x0000


def test_a_large_film_takes_three_times_its_size() -> None:
    """What the guide promises of an object, of one with as many bytes of pixels."""
    large = films.film(rows=6000)
    with receiver() as (port, number):
        idle = peak(number)
        assert sent(port, large, films.EXPLICIT) == 0x0000
        assert peak(number) - idle < 3 * len(large)
