"""How DICOM objects are received: who may send what, how much, for how long."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from pydicom import config
from pydicom.uid import UID
from pynetdicom.service_class import ServiceClass, StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from sranogan_edge.dicom.title import check_ae_title
from sranogan_edge.errors import SettingsError
from sranogan_edge.image.dicom_pixels import CR, DX

__all__ = ["DicomReceiverOptions", "DicomTls"]


@dataclass(frozen=True)
class DicomTls:
    """Files in PEM; with ``client_authorities`` a sender must show a certificate signed by one of them."""

    certificate: Path
    key: Path
    client_authorities: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the server's side; raises SettingsError where a file cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
            if self.client_authorities is not None:
                context.load_verify_locations(self.client_authorities)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:  # ssl.SSLError too
            raise SettingsError(
                f"TLS for DICOM: {self.certificate}, {self.key}, {self.client_authorities}: {error}. "
                "Name PEM files that belong together and may be read."
            ) from error
        return context


@dataclass(frozen=True)
class DicomReceiverOptions:
    """Who may send what, how much, for how long.

    Memory is bounded by ``max_associations`` x ``max_object_bytes`` x 3 (as received, joined, handed over).
    An object that is given up is let go.

    Attributes:
        port: to listen on; 0 takes a free one.
        host: address to listen on; empty for all of this machine's.
        called: our AE title; an association for another is rejected.
        calling: AE titles that may send; all others are rejected.
        any_caller: lets every AE title send; then ``calling`` stays empty.
        sop_classes: UIDs of the kinds of object that are taken.
        max_associations: at once; more are rejected for now ("local limit exceeded"), and may try again.
        max_object_bytes: of one object; a larger one is refused, a much larger one ends its association.
        idle_s: without a byte, after which an association is aborted.
        handshake_s: in which a connection must ask for an association.
        pdu_s: in which a PDU that has begun must be complete.
        max_association_s: after which an association is aborted, idle or not.
        tls: encryption; None for none.
    """

    port: int
    host: str = ""
    called: str = "SRANOGAN"
    calling: tuple[str, ...] = ()
    any_caller: bool = False
    sop_classes: tuple[str, ...] = (CR, DX)
    max_associations: int = 8
    max_object_bytes: int = 128 * 2**20
    idle_s: float = 60.0
    handshake_s: float = 10.0
    pdu_s: float = 30.0
    max_association_s: float = 3600.0
    tls: DicomTls | None = None

    def __post_init__(self) -> None:
        if self.any_caller == bool(self.calling):
            raise SettingsError(
                "dicom: name the AE titles that may send (calling), or let every one send (any_caller), not "
                f"both and not neither. Received: calling={self.calling!r}, any_caller={self.any_caller}. "
                "For example dicom:11112?calling=XRAY1,XRAY2"
            )
        for title in (self.called, *self.calling):
            check_ae_title(title)
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"dicom: a port is 0 to 65535. Received: {self.port}.")
        for sop_class in self.sop_classes:
            check_sop_class(sop_class)
        times = (self.idle_s, self.handshake_s, self.pdu_s, self.max_association_s)
        if min(self.max_associations, self.max_object_bytes, *times) <= 0 or not self.sop_classes:
            raise SettingsError(
                f"dicom: limits and times are above 0, and a kind is taken. Received: {self}."
            )


def check_sop_class(text: str) -> None:
    """Raise SettingsError where ``text`` cannot be the UID of a kind of object; private ones can."""
    uid = UID(text, validation_mode=config.IGNORE)
    if not uid.is_valid or uid_to_service_class(text) not in (ServiceClass, StorageServiceClass):
        raise SettingsError(
            f"dicom: sop_classes are UIDs of kinds of object, as {CR} for CR. Received: {text!r}."
        )
