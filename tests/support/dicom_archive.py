"""What the tests of DICOM results share: an archive that obeys, a runner with a stand-in detector."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from benchmarks.runner.killing.runner import stand_in
from sranogan_edge.feeds.dicom import DicomFeed
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.service.delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service.loop import Service, ServiceSettings
from sranogan_edge.sinks.dicom_settings import DicomSinkSettings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkContext
from sranogan_edge.spool.spool import Spool, SpoolLimits

if TYPE_CHECKING:
    from sranogan_edge.sinks.dicom import DicomSink

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
PATIENCE_S = 60.0


def free_port() -> int:
    """A port of this machine that nobody holds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
    """Whether ``condition`` comes true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def sink_to(port: int, folder: Path, **options: Any) -> DicomSink:
    """A sink for the archive on this port."""
    settings = DicomSinkSettings(f"dicom://127.0.0.1:{port}/PACS", **options)
    return settings.open(SinkContext(folder / "sinks", pictures=folder))


class Archive:
    """A C-STORE SCP that keeps what it took.

    It answers with what ``answers`` hold, then by ``rule`` (the status of an object; -1 breaks off).
    """

    def __init__(
        self,
        port: int,
        kinds: tuple[str, ...] = (SECONDARY_CAPTURE, COMPREHENSIVE_SR),
        callers: tuple[str, ...] = (),
        tls: Any = None,
    ) -> None:
        self.kept: list[pydicom.Dataset] = []
        self.answers: list[int] = []
        self.rule: Callable[[pydicom.Dataset], int] = lambda _: 0
        entity = AE("PACS")
        entity.require_calling_aet = list(callers)
        for kind in (Verification, *kinds):
            entity.add_supported_context(kind)
        self._server = entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)], ssl_context=tls
        )

    def _take(self, event: Any) -> int:
        found = pydicom.dcmread(io.BytesIO(event.encoded_dataset()))
        answer = self.answers.pop(0) if self.answers else self.rule(found)
        if answer == -1:
            event.assoc.abort()
        if answer == 0:
            self.kept.append(found)
        return answer

    def close(self) -> None:
        """Go away."""
        assert self._server is not None
        self._server.shutdown()


@contextmanager
def runner(
    root: Path, sink: str, port: int = 0, judge: Any = None, **options: Any
) -> Iterator[tuple[DicomFeed, Service]]:
    """A runner that scores what scanners send, by a stand-in, and has ``sink``; all below ``root``."""
    with_pictures = replace(judge or stand_in(), heat_limit=1.0)
    spool = Spool(root / "spool", SpoolLimits(min_free_bytes=0))
    feed = DicomFeed(DicomFeedSettings(f"dicom:127.0.0.1:{port}", any_caller=True))
    readers: dict[str, Reader] = {
        "log": ResultsLog(root / "results.jsonl"),
        sink: SinkReader(sink_of(sink, **options).open(SinkContext(root / "spool" / "sinks", pictures=root))),
    }
    service = Service(with_pictures, spool, [feed], readers, ServiceSettings(out=root))
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield feed, service
    finally:
        service.stop()
        thread.join(PATIENCE_S)
        spool.close()
