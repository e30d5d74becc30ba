"""Results to a DICOM archive: heat map and report, beside the image that they belong to.

Nothing waits here: the spool keeps result and image until the archive has them, across restarts and however
long it is away, and hands them over again, with pauses that grow to a minute.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from pydicom.dataset import Dataset

from sranogan_edge.dicom.send import send_objects
from sranogan_edge.dicom.study import study_of
from sranogan_edge.dicom.write import heat_map_object, report_object
from sranogan_edge.errors import (
    DicomRefusedError,
    DicomResultError,
    DicomUnreachableError,
    ImageError,
    SranoganError,
)
from sranogan_edge.image.dicom_object import DEFAULT_MAX_BYTES, read_object
from sranogan_edge.image.sniff import is_dicom
from sranogan_edge.redact import what_failed
from sranogan_edge.results.line import ResultLine
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.sink import SinkHealth, SinkState, record_of

if TYPE_CHECKING:
    from sranogan_edge.sinks.dicom_settings import DicomSinkSettings

__all__ = ["DicomSink"]

_log = logging.getLogger(__name__)


class DicomSink:
    """Sends the results of DICOM objects; of other images there is no patient and no study to name.

    An archive that is away, rejects us or takes no such objects holds the results up until that is mended.
    A result that it refuses by itself, or that cannot be written for whatever reason, is set apart in the
    outbox file's table ``refused``, and the next ones go on. Of the image, only patient, study and side are
    read.
    """

    def __init__(self, settings: DicomSinkSettings, outbox: Outbox, pictures: Path | None) -> None:
        """Nothing is sent yet.

        Args:
            settings: the archive, and what it is sent; a failed attempt is the caller's to repeat.
            outbox: keeps what is refused.
            pictures: folder that the heat maps of the lines lie below; None sends no heat maps.

        Raises:
            SettingsError: an address that cannot be, or TLS files that cannot be used.
        """
        self._destination = settings.destination()
        if self._destination.tls:
            self._destination.tls.context()
        self._settings, self._outbox, self._pictures = settings, outbox, pictures
        self._written = 0
        self._message = ""
        self._closed = False

    @property
    def health(self) -> SinkHealth:
        """How it fares."""
        state: SinkState = "closed" if self._closed else "failing" if self._message else "ok"
        kept = self._outbox
        return SinkHealth(
            state,
            self._written,
            refused=kept.refused,
            message=self._message,
            apart=kept.apart,
            refusal=kept.refusal,
        )

    def write(self, line: ResultLine) -> None:
        """Pass over the result of a frame, which is no DICOM object."""

    def write_object(self, line: ResultLine, path: Path) -> None:
        """Return once the archive has the result, or it is set apart.

        Raises:
            DicomUnreachableError: the archive takes no results now; call again later.
            Exception: the archive did not take this one, or the disk or memory failed: call again, and then
                set it apart.
        """
        reason = self._tried(line, path)
        if reason:
            self.set_apart(line, path, reason)

    def set_apart(self, line: ResultLine, path: Path, reason: str) -> None:
        """Keep a result that the archive will never take; ``path`` is where its object is."""
        record = {**record_of(line), "object": str(path)}
        reason = f"{line.file}: {reason.removeprefix(f'{line.file}: ')}"
        self._outbox.set_apart(record["key"], json.dumps(record).encode(), reason)
        _log.error("set apart, not in the archive: %s", reason)
        self._message = ""

    def send_again(self) -> None:
        """Send what somebody wants to be sent again; what fails again stays apart, with the new reason.

        Raises:
            DicomUnreachableError: the archive takes no results now; they go on waiting.
        """
        for message in self._outbox.again():
            record = json.loads(message.body)
            del record["key"]
            path = record.pop("object", None)
            try:
                reason = "its image is not known: an earlier version set it apart"
                if path is not None:
                    reason = self._tried(ResultLine(**record), Path(path))
            except DicomUnreachableError:
                raise
            except Exception as error:
                reason = _said(error)
            self._message = ""
            name = record["file"]
            self._outbox.tried_again(message, f"{name}: {reason}" if reason else "")
            _log.info("%s: sent again%s", name, f", in vain: {reason}" if reason else "")

    def close(self) -> None:
        """Close the file of what was refused."""
        if not self._closed:
            self._closed = True
            self._outbox.close()

    def _tried(self, line: ResultLine, path: Path) -> str:
        """Send the result; returns why that will never be, or nothing. Raises as :meth:`write_object`."""
        if line.score is None:
            return ""
        try:
            source = _header(path)
        except FileNotFoundError:
            return "its image is no longer in the spool"
        except ImageError as error:
            return f"its image cannot be read again ({what_failed(error.__cause__ or error)})"
        if source is None:
            return ""
        try:
            objects, left_empty = self._objects(source, line), study_of(source, line.frame).left_empty
        except (OSError, MemoryError):  # it may be another time
            raise
        except Exception as error:  # the same the next time
            return _said(error)
        reason = self._sent(objects, line) if objects else ""
        if left_empty and objects and not reason:
            names = ", ".join(left_empty)
            _log.warning("%s: sent with %s left empty: no valid DICOM in the image", line.file, names)
        return reason

    def _sent(self, objects: list[Dataset], line: ResultLine) -> str:
        """Send the objects of a result; returns and raises as :meth:`_tried`."""
        try:
            send_objects(objects, self._destination)
        except DicomRefusedError as error:
            return str(error)
        except Exception as error:
            self._message = _said(error)
            if isinstance(error, SranoganError):
                raise
            raise DicomResultError(f"{line.file}: {self._message}") from error
        self._written += 1
        self._message = ""
        return ""

    def _objects(self, source: Dataset, line: ResultLine) -> list[Dataset]:
        objects = []
        if self._settings.heat_map and self._pictures is not None and line.heat_map is not None:
            picture = cv2.imread(str(self._pictures / line.heat_map), cv2.IMREAD_COLOR)
            if picture is None:  # removed, or the disk was full when it was made
                _log.warning("%s: its heat map %s is not there and not sent", line.file, line.heat_map)
            else:
                objects.append(heat_map_object(source, picture.astype(np.uint8), line))
        if self._settings.report:
            objects.append(report_object(source, line))
        return objects


def _header(path: Path) -> Dataset | None:
    """The data set of the file ``path`` without its pixels; None where it is not DICOM."""
    data = path.read_bytes()
    if not is_dicom(data):
        return None
    return read_object(data, source=str(path), max_bytes=max(len(data), DEFAULT_MAX_BYTES), pixels=False)


def _said(error: Exception) -> str:
    """What to tell of ``error``: the words of ours quote no value of the image."""
    return str(error) if isinstance(error, (SranoganError, OSError)) else f"failed ({what_failed(error)})"
