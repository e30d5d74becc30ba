"""C-STORE SCU: results go to the archive, and are tried again until it has them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from sranogan_edge.dicom.title import check_ae_title
from sranogan_edge.errors import DicomRefusedError, DicomResultError, DicomUnreachableError, SettingsError
from sranogan_edge.redact import what_failed

__all__ = ["DicomClientTls", "DicomDestination", "send_objects"]

_LONGEST_WAIT_S = 60.0
_STORED_WITH_WARNING = frozenset({0xB000, 0xB006, 0xB007})  # PS3.4, table B.2-1
_TRY_AGAIN = range(0xA700, 0xA800)  # out of resources


@dataclass(frozen=True)
class DicomClientTls:
    """Files in PEM. The archive's certificate must name the host, and be signed by an authority we know.

    Attributes:
        ca_file: of the certificate authority, where it is not one of the system's.
        cert_file: this device's certificate, where the archive asks for one.
        key_file: of that certificate.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the client's side; raises SettingsError where a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:  # ssl.SSLError too
            raise SettingsError(
                f"TLS for DICOM: {self.ca_file}, {self.cert_file}, {self.key_file}: {error}. "
                "Name PEM files that belong together and may be read."
            ) from error
        return context


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
        tls: encryption; None for none.
    """

    host: str
    port: int
    called: str
    calling: str = "SRANOGAN"
    attempts: int = 5
    first_wait_s: float = 1.0
    timeout_s: float = 30.0
    tls: DicomClientTls | None = None

    def __post_init__(self) -> None:
        for title in (self.called, self.calling):
            check_ae_title(title)

    def __str__(self) -> str:
        return f"{self.called} at {self.host}:{self.port}"


def send_objects(
    objects: Sequence[Dataset], destination: DicomDestination, *, wait: Callable[[float], None] = time.sleep
) -> None:
    """Send ``objects`` in one association; those that the archive has are not sent again.

    Args:
        objects: with ``SOPClassUID`` and ``SOPInstanceUID``.
        destination: where to.
        wait: sleeps between attempts.

    Raises:
        DicomRefusedError: the archive refused one for good, or it cannot be encoded.
        DicomUnreachableError: all attempts failed, the last one before an object was sent.
        DicomResultError: all attempts failed, the last one at an object: that one may be at fault.
        SettingsError: TLS files that cannot be used.
    """
    left, reason, reached = list(objects), "", False
    for attempt in range(destination.attempts):
        if attempt:
            wait(min(destination.first_wait_s * 2 ** (attempt - 1), _LONGEST_WAIT_S))
        left, reason, reached = _attempt(left, destination)
        if not left:
            return
    tried = f" in {destination.attempts} attempts" if destination.attempts > 1 else ""
    kind = DicomResultError if reached else DicomUnreachableError
    raise kind(
        f"{destination} did not take {len(left)} of {len(objects)} objects{tried}: {reason}. Check that it "
        f"runs and knows the AE title {destination.calling}."
    )


def _attempt(objects: list[Dataset], destination: DicomDestination) -> tuple[list[Dataset], str, bool]:
    """Send; returns what is left, why, and whether the archive was ready for an object."""
    kinds = {str(each.SOPClassUID) for each in objects}
    association = _associate(kinds, destination)
    if not association.is_established:
        return objects, _why_not(association, destination), False
    try:
        taken = {str(context.abstract_syntax) for context in association.accepted_contexts}
        if kinds - taken:  # a setting over there, which may be mended: nothing is sent by halves
            names = ", ".join(sorted(UID(kind).name for kind in kinds - taken))
            return objects, f"it does not take {names}", False
        return *_sent(association, objects, destination), True
    finally:
        if association.is_established:
            association.release()


def _associate(kinds: set[str], destination: DicomDestination) -> Association:
    entity = AE(destination.calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = destination.timeout_s
    entity.connection_timeout = destination.timeout_s
    for kind in sorted(kinds):
        entity.add_requested_context(kind, ExplicitVRLittleEndian)
    tls: Any = (destination.tls.context(), destination.host) if destination.tls else None
    return entity.associate(destination.host, destination.port, ae_title=destination.called, tls_args=tls)


def _why_not(association: Association, destination: DicomDestination) -> str:
    if association.is_rejected:
        return "it rejected the association"
    if association.rejected_contexts:  # pynetdicom then aborts by itself
        names = (UID(str(context.abstract_syntax)).name for context in association.rejected_contexts)
        return f"it takes none of {', '.join(names)}"
    return "no connection" + (", or no TLS that both sides accept" if destination.tls else "")


def _sent(
    association: Association, objects: list[Dataset], destination: DicomDestination
) -> tuple[list[Dataset], str]:
    for number, each in enumerate(objects):
        try:
            answer = association.send_c_store(each).get("Status")
        except Exception as error:  # aborted meanwhile, or whatever encoding raises
            if association.is_established:
                raise DicomRefusedError(
                    f"{_words(each)} cannot be encoded for {destination} ({what_failed(error)}). This is an "
                    "error of ours, please report it."
                ) from error
            return objects[number:], "the association ended"
        if answer is None or answer in _TRY_AGAIN:
            return objects[number:], "no answer" if answer is None else f"it answered 0x{answer:04X}"
        if answer != 0 and answer not in _STORED_WITH_WARNING:
            raise DicomRefusedError(
                f"{destination} refused {_words(each)}: it answered 0x{answer:04X}. Let it accept this."
            )
    return [], ""


def _words(one: Dataset) -> str:
    return f"the {UID(one.SOPClassUID).name} {one.SOPInstanceUID}"
