"""C-ECHO: whether an archive answers us, and by which title it knows us; nothing is sent."""

from __future__ import annotations

from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from sranogan_edge.dicom.send import DicomDestination

__all__ = ["echo_problem"]


def echo_problem(destination: DicomDestination, timeout_s: float) -> str:
    """Why ``destination`` does not answer a C-ECHO in time; empty where it does.

    Raises:
        SettingsError: the TLS files cannot be used.
    """
    entity = AE(destination.calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout_s
    entity.connection_timeout = timeout_s
    entity.add_requested_context(Verification)
    tls = (destination.tls.context(), destination.host) if destination.tls else None
    association = entity.associate(
        destination.host, destination.port, ae_title=destination.called, tls_args=tls
    )
    if not association.is_established:
        what = "it refuses us: let it know our title" if association.is_rejected else "it does not answer"
        return f"{destination}: {what} ({destination.calling}). Check address, titles and firewall."
    try:
        status = association.send_c_echo()
        if getattr(status, "Status", None) == 0:
            return ""
        return f"{destination}: it does not answer a C-ECHO. Look at its log."
    finally:
        association.release()
