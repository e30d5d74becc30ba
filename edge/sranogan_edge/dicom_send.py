"""C-STORE SCU: results go to the archive, and are tried again until it has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from sranogan_edge.errors import DicomResultError
from sranogan_edge.feeds.dicom_options import check_ae_title

__all__ = ["DicomDestination", "send_objects"]

_LONGEST_WAIT_S = 60.0
_STORED_WITH_WARNING = frozenset({0xB000, 0xB006, 0xB007})  # PS3.4, table B.2-1
_TRY_AGAIN = range(0xA700, 0xA800)  # out of resources


@dataclass(frozen=True)
class DicomDestination:
    """Where results go.

    Attributes:
        host: of the archive.
        port: of the archive.
        called: its AE title.
        calling: our AE title.
        attempts: before giving up; waits double from ``first_wait_s`` up to a minute.
        first_wait_s: seconds before the second attempt.
        timeout_s: to connect, and for each answer.
    """

    host: str
    port: int
    called: str
    calling: str = "SRANOGAN"
    attempts: int = 5
    first_wait_s: float = 1.0
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        for title in (self.called, self.calling):
            check_ae_title(title)


def send_objects(
    objects: Sequence[Dataset], destination: DicomDestination, *, wait: Callable[[float], None] = time.sleep
) -> None:
    """Send ``objects`` in one association; those that the archive has are not sent again.

    Args:
        objects: with ``SOPClassUID`` and ``SOPInstanceUID``.
        destination: where to.
        wait: sleeps between attempts.

    Raises:
        DicomResultError: the archive refused one for good, or all attempts failed.
    """
    left, reason = list(objects), ""
    for attempt in range(destination.attempts):
        if attempt:
            wait(min(destination.first_wait_s * 2 ** (attempt - 1), _LONGEST_WAIT_S))
        left, reason = _attempt(left, destination)
        if not left:
            return
    raise DicomResultError(
        f"{destination.called} at {destination.host}:{destination.port} did not take {len(left)} of "
        f"{len(objects)} objects in {destination.attempts} attempts: {reason}. Check that it runs and knows "
        f"the AE title {destination.calling}."
    )


def _attempt(objects: list[Dataset], destination: DicomDestination) -> tuple[list[Dataset], str]:
    """Send; returns what is left, and why."""
    entity = AE(destination.calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = destination.timeout_s
    entity.connection_timeout = destination.timeout_s
    for kind in {str(each.SOPClassUID) for each in objects}:
        entity.add_requested_context(kind, ExplicitVRLittleEndian)
    association = entity.associate(destination.host, destination.port, ae_title=destination.called)
    if not association.is_established:
        return objects, "it rejected the association" if association.is_rejected else "no connection"
    try:
        for number, each in enumerate(objects):
            try:
                answer = association.send_c_store(each).get("Status")
            except (RuntimeError, ValueError) as error:  # aborted meanwhile, or no context for this kind
                if association.is_established:
                    raise _refused(destination, each, str(error)) from error
                return objects[number:], f"the association ended ({error})"
            if answer is None or answer in _TRY_AGAIN:
                return objects[number:], "no answer" if answer is None else f"it answered 0x{answer:04X}"
            if answer != 0 and answer not in _STORED_WITH_WARNING:
                raise _refused(destination, each, f"it answered 0x{answer:04X}")
    finally:
        if association.is_established:
            association.release()
    return [], ""


def _refused(destination: DicomDestination, refused: Dataset, reason: str) -> DicomResultError:
    return DicomResultError(
        f"{destination.called} at {destination.host}:{destination.port} refused the "
        f"{refused.SOPClassUID.name} {refused.SOPInstanceUID}: {reason}. Let it accept this kind of object."
    )
