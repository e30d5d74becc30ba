"""pynetdicom's server with bounds on what one peer can hold: time, memory, connections."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from socketserver import BaseServer
from typing import Any

from pynetdicom.ae import ApplicationEntity
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from sranogan_edge.feeds.dicom_doors import Doors

__all__ = ["MAX_PDU_BYTES", "BoundedServer", "BoundedSocket", "TransportLimits"]

MAX_PDU_BYTES = 2**20  # of a PDU's claimed length; we announce 64 KiB, an A-ASSOCIATE-RQ may be longer
_CHUNK_BYTES = 2**16
_ABORT_SOURCE_PROVIDER, _ABORT_INVALID_PARAMETER = 0x02, 0x06  # PS3.8, 9.3.8

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TransportLimits:
    """Bounds on a connection.

    Attributes:
        unanswered_bytes: that a peer may send before it waits for an answer.
        pdu_s: seconds in which a PDU that has begun must be complete.
        handshake_s: seconds in which TLS must be on.
    """

    unanswered_bytes: int
    pdu_s: float
    handshake_s: float


class BoundedSocket(AssociationSocket):
    """Refuses a PDU that claims too much, an object that grows too large, and a peer that trickles."""

    def __init__(self, assoc: Any, client: socket.socket, limits: TransportLimits) -> None:
        """Take over the connected ``client``."""
        super().__init__(assoc, client_socket=client)
        self.unanswered = 0
        self._limits = limits

    @property
    def ready(self) -> bool:
        """Whether there is something to read: by ``poll``, for ``select`` knows no handle above 1023."""
        client = self.socket
        if client is None or not self._is_connected:
            return False
        try:
            waiting = select.poll()
            waiting.register(client, select.POLLIN)
            found = bool(waiting.poll(0))
        except (OSError, ValueError):  # closed meanwhile
            self.event_queue.put("Evt17")
            return False
        return found or (isinstance(client, ssl.SSLSocket) and bool(client.pending()))

    def recv(self, nr_bytes: int) -> bytearray:
        """Read ``nr_bytes``; fewer where the peer closed; OSError (ends the association) where refused."""
        self.unanswered += nr_bytes
        if nr_bytes > MAX_PDU_BYTES:
            raise self._refusal(f"a PDU of {nr_bytes:,} bytes; {MAX_PDU_BYTES:,} are allowed")
        if self.unanswered > self._limits.unanswered_bytes:
            raise self._refusal(f"an object of more than {self._limits.unanswered_bytes:,} bytes")
        received, deadline = bytearray(), time.monotonic() + self._limits.pdu_s
        while len(received) < nr_bytes:
            left, client = deadline - time.monotonic(), self.socket
            if client is None:
                break
            if left <= 0:
                raise self._refusal(f"a PDU that was not complete after {self._limits.pdu_s:g} s")
            client.settimeout(left)
            part = client.recv(min(_CHUNK_BYTES, nr_bytes - len(received)))
            if not part:
                break
            received += part
        return received

    def close(self) -> None:
        """Close, and wake a thread that waits for a request: it would until its time is over."""
        super().close()
        self.assoc.dul.to_user_queue.put(None)  # type: ignore[arg-type]  # what a wait that timed out gives

    def _refusal(self, what: str) -> OSError:
        """Answer A-ABORT, and return the error that closes the connection."""
        peer = self.assoc.requestor.address_info
        _log.warning("DICOM: %s sent %s: aborted", peer.address if peer else "a peer", what)
        self.abort()
        return ConnectionAbortedError(f"refused {what}")

    def abort(self) -> None:
        """Answer A-ABORT and close the connection."""
        abort = A_ABORT_RQ()
        abort.source, abort.reason_diagnostic = _ABORT_SOURCE_PROVIDER, _ABORT_INVALID_PARAMETER
        self.send(abort.encode())
        self._shutdown_socket()


def _end_where_it_fails(association: Any) -> None:
    """Have whatever makes pynetdicom raise (a PDU out of turn, one without its items) end the association.

    Its threads would end with a traceback, one without the other, and leave the connection open.
    """
    dul, acse = association.dul, association.acse

    def ending(act: Callable[..., None]) -> Callable[..., None]:
        def attempt(*event: str) -> None:
            try:
                act(*event)
            except Exception as error:
                _log.warning("DICOM: an association was aborted: %s: %s", type(error).__name__, error)
                association.is_aborted, association.is_established = True, False
                association._kill = dul._kill_thread = True
                if dul.socket is not None:
                    dul.socket.abort()

        return attempt

    dul.state_machine.do_action = ending(dul.state_machine.do_action)
    acse.negotiate_association = ending(acse.negotiate_association)
    association._run_reactor = ending(association._run_reactor)


class _Handler(RequestHandler):
    server: BoundedServer

    def _create_association(self) -> Any:
        association = super()._create_association()
        association.dul.event_queue.queue.clear()  # the first socket's "connected": the next says it again
        association.dul.socket = BoundedSocket(association, self.request, self.server.limits)
        _end_where_it_fails(association)
        self.server.doors.associated(self.client_address, association)
        return association


class BoundedServer(ThreadedAssociationServer):
    """Accepts connections up to a number, and shakes hands (TLS) outside the thread that accepts."""

    daemon_threads = True
    request_queue_size = 256  # a burst of scanners waits here

    def __init__(
        self,
        ae: ApplicationEntity,
        address: Any,
        ae_title: str,
        contexts: list[PresentationContext],
        ssl_context: None,
        *,
        evt_handlers: list[Any],
        limits: TransportLimits,
        doors: Doors,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Bind and listen; the handshake of ``tls`` is ours, pynetdicom's ``ssl_context`` stays None."""
        self.limits, self.doors, self._tls = limits, doors, tls
        super().__init__(ae, address, ae_title, contexts, None, evt_handlers, _Handler)

    def shutdown(self) -> None:
        """Stop accepting, and close the socket."""
        BaseServer.shutdown(self)
        self.server_close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether one more connection may stay."""
        return self.doors.enter(client_address, request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Leave it at the door until it says something: see :meth:`look`."""

    def look(self) -> None:
        """Begin with those that said something; to be called again and again."""
        self.doors.look(super().process_request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Shake hands where TLS is on, and start the association; the connection ends where that fails."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.doors.left_alone(client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands where TLS is on, and start the association."""
        if self._tls is not None:
            request = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            self.doors.became(client_address, request)
            request.settimeout(self.limits.handshake_s)  # each read's; all of it is the watch's
            try:
                request.do_handshake()
            except (OSError, ValueError) as error:  # ssl.SSLError too
                self.doors.refusals.tell(client_address[0], f"closed: no TLS ({error})")
                request.close()
                return
        request.settimeout(self.limits.pdu_s)
        super().finish_request(request, client_address)
