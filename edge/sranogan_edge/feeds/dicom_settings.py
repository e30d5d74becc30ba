"""``dicom:PORT``: who may send what, how much, for how long."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from sranogan_edge.dicom.title import check_ae_title
from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.feeds.feed import FilmFeedSettings
from sranogan_edge.image.film import listed
from sranogan_edge.option import option

if TYPE_CHECKING:
    from sranogan_edge.feeds.dicom import DicomFeed

__all__ = ["DicomFeedSettings"]

_TEXTS = ("called",)  # what a URI may say, in the order of their telling
_LISTS = ("calling", "sop_classes", "modalities", "body_parts", "views", "take_empty")
_SWITCHES = ("any_caller", "presentation_only", "turn_upright")
_YES, _NO = ("", "1", "true", "yes"), ("0", "false", "no")


@dataclass(frozen=True)
class DicomFeedSettings(FilmFeedSettings):
    """A DICOM node that scanners send to. Name who may send with calling, or set any_caller.

    Memory is bounded by ``max_associations`` x ``max_object_bytes`` x 3 (as received, joined, handed over).
    An object that is given up is let go.

    Attributes:
        uri: dicom:PORT, or dicom:HOST:PORT to listen on one address only.
        called: our AE title; an association for another is rejected.
        calling: AE titles that may send; all others are rejected.
        any_caller: lets every AE title send; then calling stays empty.
        sop_classes: UIDs of the kinds of object that are taken; none takes CR and DX.
        max_associations: at once; one more is rejected for now, and may try again. Where another one stored
            nothing for idle_s, that one is aborted instead.
        max_per_address: associations of one address at once; none is half of max_associations.
        max_object_bytes: of one object, best not above the spool's; a larger one is refused for good.
        idle_s: seconds without a byte, after which an association is aborted.
        handshake_s: seconds in which a connection must ask for an association.
        pdu_s: seconds in which a PDU that has begun must be complete.
        max_association_s: seconds after which an association is aborted, idle or not.
        acknowledge_s: seconds after which an object that is not on the disk is answered "try again".
        tls_certificate: PEM file; with tls_key, only encrypted associations are taken.
        tls_key: PEM file.
        tls_client_authorities: PEM file; a sender must show a certificate that one of these signed.
    """

    called: str = "SRANOGAN"
    calling: tuple[str, ...] = ()
    any_caller: bool = False
    max_associations: int = option(8, above=0)
    max_per_address: int | None = option(None, above=0)
    max_object_bytes: int = option(128 * 2**20, above=0)
    idle_s: float = option(60.0, above=0)
    handshake_s: float = option(10.0, above=0)
    pdu_s: float = option(30.0, above=0)
    max_association_s: float = option(3600.0, above=0)
    acknowledge_s: float = option(30.0, above=0)
    tls_certificate: Path | None = None
    tls_key: Path | None = option(None, secret=True)
    tls_client_authorities: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise SettingsError("TLS needs tls_certificate and tls_key; name both or none")
        if self.tls_client_authorities and not self.tls_certificate:
            raise SettingsError("tls_client_authorities needs tls_certificate and tls_key")
        said = {one.name for one in fields(self) if one.default not in (MISSING, getattr(self, one.name))}
        for name, _ in self._query:
            if name in said:
                raise SettingsError(f"{name} stands in the URI too. Say it in one place")

    @property
    def host(self) -> str:
        """Address to listen on; empty for all of this machine's."""
        return self._where.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """To listen on; 0 takes a free one."""
        return int(self._where.rpartition(":")[2])

    @property
    def _where(self) -> str:
        return self.uri.partition(":")[2].partition("?")[0]

    @property
    def _query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.uri.partition("?")[2], keep_blank_values=True)

    def checked(self) -> DicomFeedSettings:
        """Return them with what the URI says (``?calling=XRAY1,XRAY2&modalities=DX,CR``) in its place.

        Raises:
            SettingsError: a port, an option or an AE title that cannot be, or it is not said who may send.
        """
        if not self._where.rpartition(":")[2].isdecimal():
            raise SettingsError(f"{self.uri}: write dicom:PORT or dicom:HOST:PORT, as in dicom:11112.")
        found = replace(self, uri=self.uri.partition("?")[0], **self._said())
        if found.any_caller == bool(found.calling):
            raise SettingsError(
                "dicom: name the AE titles that may send (calling), or let every one send (any_caller), not "
                f"both and not neither. Received: calling={found.calling!r}, any_caller={found.any_caller}. "
                "For example dicom:11112?calling=XRAY1,XRAY2"
            )
        for title in (found.called, *found.calling):
            check_ae_title(title)
        if found.port > 65535:
            raise SettingsError(f"dicom: a port is 0 to 65535. Received: {found.port}.")
        if found.sop_classes == ():
            raise SettingsError("dicom: sop_classes names no kind of object. Name one, or leave it out.")
        return found

    def _said(self) -> dict[str, Any]:
        """What the URI says, by option."""
        named = dict(self._query)
        if unknown := sorted(named.keys() - {*_TEXTS, *_LISTS, *_SWITCHES}):
            known = ", ".join((*_TEXTS, *_LISTS, *_SWITCHES))
            raise SettingsError(f"{self.uri}: unknown {', '.join(unknown)}. There are {known}.")
        found: dict[str, Any] = {
            name: listed(text) if name in _LISTS else text for name, text in named.items()
        }
        for name in found.keys() & _SWITCHES:
            if named[name].lower() not in _YES + _NO:
                raise SettingsError(f"{self.uri}: {name} is true or false. Received: {named[name]!r}.")
            found[name] = named[name].lower() in _YES
        return found

    def tls(self) -> ssl.SSLContext | None:
        """Return the server's side; None without TLS. Raises SettingsError where a file cannot be used."""
        if not self.tls_certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.tls_certificate, self.tls_key)
            if self.tls_client_authorities is not None:
                context.load_verify_locations(self.tls_client_authorities)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:  # ssl.SSLError too
            raise SettingsError(
                f"TLS for DICOM: {self.tls_certificate}, {self.tls_key}, {self.tls_client_authorities}: "
                f"{error}. Name PEM files that belong together and may be read."
            ) from error
        return context

    def open(self, without: Sequence[Path] = ()) -> DicomFeed:
        """Listen; raises FeedError where the port cannot be had."""
        with needs_extra("dicom", str(self)):
            from sranogan_edge.feeds.dicom import DicomFeed
        return DicomFeed(self)
