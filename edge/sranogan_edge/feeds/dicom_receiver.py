"""A C-STORE SCP: what a scanner sends is stored on disk before the scanner is told so."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from pydicom import config, dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.service_class import ServiceClass, StorageServiceClass
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # Verification is made at import
    Verification,
    register_uid,
    uid_to_service_class,
)

from sranogan_edge.errors import (
    FeedError,
    ObjectRefusedError,
    ObjectTooLargeError,
    OversizedImageError,
    SettingsError,
)
from sranogan_edge.feeds.dicom_doors import Doors
from sranogan_edge.feeds.dicom_seats import Seats
from sranogan_edge.feeds.dicom_server import BoundedServer, TransportLimits
from sranogan_edge.image.dicom_bounds import check_elements
from sranogan_edge.image.dicom_decoders import decodable
from sranogan_edge.image.dicom_object import identity_of
from sranogan_edge.image.dicom_pixels import CR, DX
from sranogan_edge.image.sniff import HEAD_BYTES
from sranogan_edge.redact import what_failed
from sranogan_edge.refusals import Refusals

if TYPE_CHECKING:
    from sranogan_edge.feeds.dicom_settings import DicomFeedSettings

__all__ = ["DicomReceiver", "Store"]

SUCCESS, INVALID_UID, OUT_OF_RESOURCES, MISMATCH, NOT_UNDERSTOOD = 0x0000, 0x0117, 0xA700, 0xA900, 0xC000
NOT_SUPPORTED = 0x0122  # a kind of object that is not taken: PS3.4, B.2.3
REFUSED = 0xC001  # failures of ours: PS3.4, B.2.3, leaves 0xCxxx to the receiver
_LOCAL_LIMIT_EXCEEDED = (0x02, 0x03, 0x02)  # rejected for now, by the provider: PS3.8, 9.3.4
_PDU_BYTES = 2**16
_OVERHEAD_BYTES = 2**20  # PDU and command headers of an object
_SPARE_CONNECTIONS = 216  # wait, or are told that we are busy
_LEAVING_S = 5.0
_KINDS_TOLD = 3
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")

_log = logging.getLogger(__name__)


class Store(Protocol):
    """Keeps an object; its bytes must survive a power cut once this returns."""

    def __call__(self, data: bytes, identity: Mapping[str, str]) -> None:
        """Store the bytes of a DICOM file.

        Raises:
            ObjectRefusedError: they will never be stored; the sender is told not to try again.
            Exception: any other tells the sender to try again later.
        """


class DicomReceiver:
    """Listens from its making until :meth:`close`; use as a context manager."""

    def __init__(self, store: Store, options: DicomFeedSettings) -> None:
        """Listen.

        Raises:
            FeedError: the address cannot be had.
            SettingsError: a port, an option, an AE title or a file that cannot be.
        """
        self.options = options = options.checked()
        self._kinds = (CR, DX) if options.sop_classes is None else options.sop_classes
        self._store = store
        self.refusals = Refusals("DICOM", "senders are refused, all places are taken")
        self._doors = Doors(options.max_associations + _SPARE_CONNECTIONS, self.refusals)
        most, per_address = options.max_associations, options.max_per_address
        self._seats = Seats(most, per_address or (most + 1) // 2, options.idle_s)
        self._silent: WeakSet[Association] = WeakSet()  # those that have asked for nothing yet
        self._closing = threading.Event()
        limits = TransportLimits(
            options.max_object_bytes + _OVERHEAD_BYTES,
            options.pdu_s,
            options.handshake_s,
        )
        tls = options.tls()
        self._ae = self._entity()
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_REJECTED, self._on_rejected),
            (evt.EVT_DATA_SENT, lambda event: self._doors.answered(event.assoc)),
            (evt.EVT_CONN_CLOSE, self._on_closed),
            (evt.EVT_C_ECHO, self._on_echo),
            (evt.EVT_C_STORE, self._on_store),
        ]
        try:
            self._server = self._ae.make_server(
                (options.host, options.port),
                evt_handlers=handlers,
                server_class=BoundedServer,
                limits=limits,
                doors=self._doors,
                tls=tls,
            )
        except OSError as error:
            raise FeedError(
                f"dicom: cannot listen on {options.host or 'any address'}, port {options.port}: "
                f"{error.strerror or error}. Choose another port, or end what holds it."
            ) from error
        self._threads = [
            threading.Thread(
                target=self._server.serve_forever, args=(0.1,), name="dicom-accept", daemon=True
            ),
            threading.Thread(target=self._look_at_the_door, name="dicom-door", daemon=True),
            threading.Thread(target=self._end_the_endless, name="dicom-watch", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> DicomReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def associations(self) -> int:
        """How many are open."""
        return len(self._seats.taken())

    def close(self) -> None:
        """Stop listening and abort what is open; may be called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._server.shutdown()
        for association in self._seats.taken():
            if association.is_alive():
                association.abort()
        for thread in self._threads:
            thread.join(timeout=5)
        self._doors.close()

    def _entity(self) -> AE:
        options, entity = self.options, AE(ae_title=self.options.called)
        entity.require_called_aet = True
        entity.require_calling_aet = list(options.calling)
        entity.maximum_associations = 100_000  # ours counts: pynetdicom's counts the rejected as well
        entity.maximum_pdu_size = _PDU_BYTES
        entity.acse_timeout, entity.dimse_timeout = options.handshake_s, options.idle_s
        entity.network_timeout = options.idle_s
        entity.add_supported_context(Verification)
        for sop_class in self._kinds:
            _as_storage(sop_class)
            entity.add_supported_context(sop_class, list(decodable()))
        return entity

    def _on_requested(self, event: Event) -> None:
        """Refuse one association too many, politely; pynetdicom has refused titles that are blank."""
        association: Any = event.assoc
        address = str(association.requestor.address_info.address)
        if self._closing.is_set():
            busy, idle = "we are closing", None
        else:
            busy, idle = self._seats.take(association, address)
        if not busy:
            self._doors.granted(association)
            self._silent.add(association)
        if idle is not None:
            text = f"stored nothing for {self.options.idle_s:g} s: its association was aborted, others wait"
            self.refusals.note(str(idle.requestor.address_info.address), text)
            idle.abort()
        if busy:
            self.refusals.note(address, f"an association was refused: {busy}")
            association.acse.send_reject(*_LOCAL_LIMIT_EXCEEDED)
            association.kill()  # returns when it was sent, and the peer or a timer closed the connection

    def _on_echo(self, event: Event) -> int:
        self._answering(event)
        return SUCCESS

    def _on_store(self, event: Event) -> int:
        self._answering(event)
        peer: Any = event.assoc.requestor
        try:
            data = event.encoded_dataset()
            self._check_size(len(data))
            check_elements(data, HEAD_BYTES, "the object")  # before anything is made of them here
            header = dcmread(io.BytesIO(data), stop_before_pixels=True)
            status, reason = self._judge(event, header)
        except (ObjectRefusedError, OversizedImageError) as error:
            status, reason = REFUSED, str(error)
        except Exception as error:  # bytes from outside: whatever they make pydicom raise
            status, reason = NOT_UNDERSTOOD, what_failed(error)
        if status == SUCCESS:
            sender = {"calling_ae": str(peer.ae_title).strip(), "address": str(peer.address_info.address)}
            try:
                self._store(data, {**identity_of(header), **sender})
                self._seats.worked(event.assoc)
            except ObjectRefusedError as error:
                status, reason = REFUSED, str(error)
            except Exception as error:  # whatever the reason, the sender keeps the object and tries again
                status, reason = OUT_OF_RESOURCES, f"{type(error).__name__}: {error}"
        if status != SUCCESS:
            _log.warning("DICOM: an object of %r was answered 0x%04X: %s", peer.ae_title, status, reason)
        return status

    def _judge(self, event: Event, header: FileDataset) -> tuple[int, str]:
        """The status that the header of an object deserves, and why."""
        for keyword in _UIDS:
            value = str(header.get(keyword, ""))
            if not UID(value).is_valid:
                return INVALID_UID, f"{keyword} is {value[:80]!r}"
        request: Any = event.request  # of all kinds, for the types
        agreed = str(event.context.abstract_syntax)
        named = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        if named[0] not in self._kinds or named[0] != agreed:
            return (
                NOT_SUPPORTED,
                f"an object of {named[0]} over a context of {agreed}; not its own",
            )
        if named != (str(header.SOPClassUID), str(header.SOPInstanceUID)):
            return MISMATCH, f"the command names {named}, the object says otherwise"
        return SUCCESS, ""

    def _check_size(self, size: int) -> None:
        """The connection's limit has room for headers, which a small object leaves unused."""
        if size > self.options.max_object_bytes:
            raise ObjectTooLargeError(f"{size:,} bytes, above the feed's {self.options.max_object_bytes:,}")

    def _answering(self, event: Event) -> None:
        """Count what the peer sends from here on anew: it waited for this answer."""
        self._silent.discard(event.assoc)
        socket: Any = event.assoc.dul.socket
        if socket is not None:
            socket.unanswered = 0

    def _on_rejected(self, event: Event) -> None:
        """Tell whose title is not on the lists: the person who sets a scanner up looks for it here."""
        peer: Any = event.assoc.requestor
        called = getattr(peer.primitive, "called_ae_title", None)
        text = f"port {peer.port}, titled {peer.ae_title!r}, asked for {called!r}: rejected by our lists"
        self.refusals.tell(str(peer.address_info.address), text)

    def _on_closed(self, event: Event) -> None:
        """Tell of a sender that went without a word: it had kinds of object that are not taken."""
        association: Any = event.assoc
        kinds = sorted({str(context.abstract_syntax.name) for context in association.rejected_contexts})
        silent = association in self._silent
        self._silent.discard(association)
        if silent and kinds:
            more = f" and {len(kinds) - _KINDS_TOLD} more" if len(kinds) > _KINDS_TOLD else ""
            named = ", ".join(kinds[:_KINDS_TOLD])
            text = "DICOM: %r sent nothing; it offered kinds that sop_classes does not name: %s%s"
            _log.warning(text, association.requestor.ae_title, named, more)

    def _look_at_the_door(self) -> None:
        while not self._closing.is_set():
            self._server.look()  # type: ignore[attr-defined]  # of our class

    def _end_the_endless(self) -> None:
        """Abort associations that go on for ever, and close connections that never get to one."""
        options = self.options
        slow_s = options.handshake_s + options.pdu_s + _LEAVING_S
        while not self._closing.wait(min(1.0, options.max_association_s / 4)):
            self._doors.sweep(options.handshake_s, slow_s)
            for association in self._seats.taken(options.max_association_s):
                _log.warning("DICOM: an association was aborted after %g s", self.options.max_association_s)
                association.abort()


def _as_storage(sop_class: str) -> None:
    """Have pynetdicom store what it does not know (private and retired kinds): it would abort instead.

    Raises:
        SettingsError: it cannot be the UID of a kind of object.
    """
    is_uid = UID(sop_class, validation_mode=config.IGNORE).is_valid
    if not is_uid or uid_to_service_class(sop_class) not in (ServiceClass, StorageServiceClass):
        raise SettingsError(
            f"dicom: sop_classes are UIDs of kinds of object, as {CR} for CR. Received: {sop_class!r}."
        )
    if uid_to_service_class(sop_class) is not StorageServiceClass:
        register_uid(sop_class, f"Storage_{sop_class.replace('.', '_')}", StorageServiceClass)
