"""Which DICOM archive takes results, and how that is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.option import option
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.sink import SinkContext, SinkSettings

if TYPE_CHECKING:
    from sranogan_edge.dicom.send import DicomDestination
    from sranogan_edge.sinks.dicom import DicomSink

__all__ = ["DicomSinkSettings"]

_EXAMPLE = "dicom://SRANOGAN@pacs.example:11112/PACS"


@dataclass(frozen=True)
class DicomSinkSettings(SinkSettings):
    """An archive that takes the heat map and the score as DICOM objects, of what came as DICOM.

    Attributes:
        uri: dicom://[OUR_TITLE@]HOST:PORT/CALLED_TITLE, or dicoms:// with TLS.
        heat_map: whether the heat map is sent as Secondary Capture.
        report: whether the score is sent as a Structured Report.
        timeout_s: seconds to connect, and for each answer.
        ca_file: of the certificate authority, where it is not one of the system's.
        cert_file: this device's certificate, where the archive asks for one.
        key_file: of that certificate.
    """

    heat_map: bool = True
    report: bool = True
    timeout_s: float = option(20.0, above=0)  # the runner waits this long for a sink when it ends
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = option(None, secret=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.heat_map or self.report):
            raise SettingsError("neither heat_map nor report is to be sent. Choose one")

    def destination(self) -> DicomDestination:
        """Return the archive; raises SettingsError where a part of the URI is missing or cannot be."""
        from sranogan_edge.dicom.send import DicomClientTls, DicomDestination

        try:
            parts = urlsplit(self.uri)
            host, port, called = parts.hostname, parts.port, unquote(parts.path[1:])
        except ValueError as error:
            raise SettingsError(f"not the address of a DICOM archive ({error}). Write {_EXAMPLE}") from error
        if not host or not port or not called or parts.password is not None or parts.query:
            raise SettingsError(
                "a DICOM archive's address has a host, a port, its AE title, and no password, as in "
                f"{_EXAMPLE}"
            )
        tls = DicomClientTls(self.ca_file, self.cert_file, self.key_file)
        if tls != DicomClientTls() and parts.scheme != "dicoms":
            raise SettingsError("certificates were given for DICOM without TLS. Write dicoms://")
        calling = unquote(parts.username or "SRANOGAN")
        secured = tls if parts.scheme == "dicoms" else None
        return DicomDestination(
            host, port, called, calling, attempts=1, timeout_s=self.timeout_s, tls=secured
        )

    def open(self, context: SinkContext) -> DicomSink:
        """Open what is kept of refused results; nothing is sent yet."""
        with needs_extra("dicom", "a DICOM archive"):
            from sranogan_edge.sinks.dicom import DicomSink
        return DicomSink(self, Outbox(self.outbox(context)), context.pictures)
