"""``dicom:PORT``: what scanners send, as a feed; the answer waits for the spool."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from sranogan_edge.errors import FeedError, ObjectRefusedError, SettingsError
from sranogan_edge.feeds.dicom_options import DicomReceiverOptions, DicomTls
from sranogan_edge.feeds.dicom_receiver import DicomReceiver, Store
from sranogan_edge.feeds.feed import Arrival, FeedHealth
from sranogan_edge.image.film import EVERY_FILM, FilmOptions, listed

__all__ = ["DicomFeed", "DicomReceiver", "DicomReceiverOptions", "DicomTls", "Store", "open_dicom"]

_TEXTS = {"called": None}  # what a URI may say, in the order of their telling
_LISTS = dict.fromkeys(("calling", "sop_classes", "modalities", "body_parts", "views", "take_empty")).keys()
_SWITCHES = dict.fromkeys(("any_caller", "presentation_only", "turn_upright")).keys()
_FILMS = {"modalities", "body_parts", "views", "take_empty", "presentation_only", "turn_upright"}
_LOOK_S = 0.2  # how soon an iteration notices that the feed was closed


@dataclass(eq=False)
class _Waiting:
    """An object between its arrival and the spool's word that it is on disk, or never will be."""

    data: bytes
    identity: Mapping[str, str]
    received_at: float
    answered: threading.Event = field(default_factory=threading.Event)
    refused: str = ""  # why; empty: it is on disk

    def refuse(self, reason: str) -> None:
        """Answer that it will not be stored."""
        self.refused = reason
        self.answered.set()


class _Queue:
    """Objects in the order of their arrival; one that is given up is gone at once, with its bytes."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._change = threading.Condition()

    def put(self, waiting: _Waiting) -> None:
        """Append an object, and wake who waits for one."""
        with self._change:
            self._waiting.append(waiting)
            self._change.notify()

    def get(self, within_s: float) -> _Waiting | None:
        """Take the oldest; None where none came in time."""
        with self._change:
            self._change.wait_for(lambda: self._waiting, within_s)
            return self._waiting.popleft() if self._waiting else None

    def remove(self, waiting: _Waiting) -> None:
        """Take one out, if it is there still."""
        with self._change, suppress(ValueError):
            self._waiting.remove(waiting)

    def __len__(self) -> int:
        return len(self._waiting)


class DicomFeed:
    """A :class:`DicomReceiver` as a feed: the scanner's answer waits for ``Arrival.acknowledge``.

    Two transmissions of the same bytes have one key, so an object whose "success" got lost on the way, and
    which the scanner sends again, is scored once.
    """

    def __init__(
        self,
        options: DicomReceiverOptions,
        *,
        acknowledge_s: float = 30.0,
        films: FilmOptions = EVERY_FILM,
    ) -> None:
        """Listen; an object that is not acknowledged within ``acknowledge_s`` is answered 0xA700."""
        self.name, self.films = f"dicom:{options.port}", films
        self._waiting = _Queue()
        self._acknowledge_s = acknowledge_s
        self._health = FeedHealth("waiting")
        self._closed = threading.Event()
        self.receiver = DicomReceiver(self._hand_over, options)

    @property
    def health(self) -> FeedHealth:
        """How it fares."""
        return self._health

    def __iter__(self) -> Iterator[Arrival]:
        """Yield each object, its bytes in a file that is there until the next one is asked for."""
        sequence = 0
        with tempfile.TemporaryDirectory(prefix="sranogan-dicom-") as folder:
            path = Path(folder) / "object.dcm"
            while not self._closed.is_set():
                waiting = self._waiting.get(_LOOK_S)
                if waiting is None:
                    continue
                try:
                    path.write_bytes(waiting.data)
                except OSError as error:  # no Success is sent: the scanner tries again
                    self._health = replace(self._health, state="stalled", message=f"{folder}: {error}")
                    continue
                sequence += 1
                arrival = self._arrival(waiting, path, sequence)
                waiting.data = b""  # they are in the file
                yield arrival

    def close(self) -> None:
        """Stop listening; objects that are not acknowledged by now stay with their senders."""
        self._closed.set()
        self.receiver.close()
        self._health = replace(self._health, state="closed")

    def _arrival(self, waiting: _Waiting, path: Path, sequence: int) -> Arrival:
        uid = waiting.identity.get("instance_uid", "")
        self._health = FeedHealth("running", waiting.received_at)
        return Arrival(
            frame_source=f"{self.name}/{uid}",
            received_at=waiting.received_at,
            sequence=sequence,
            path=path,
            identity=waiting.identity,
            acknowledge=waiting.answered.set,
            refuse=waiting.refuse,
            key=f"dicom:{uid}:{hashlib.sha256(waiting.data).hexdigest()}",
        )

    def _hand_over(self, data: bytes, identity: Mapping[str, str]) -> None:
        waiting = _Waiting(data, identity, time.time())
        self._waiting.put(waiting)
        if not waiting.answered.wait(self._acknowledge_s):
            self._waiting.remove(waiting)
            self._health = replace(self._health, state="stalled", message="the spool did not take an object")
            raise FeedError(
                f"{self.name}: an object was not on disk after {self._acknowledge_s:g} s. Free some space; "
                "the sender was told to try again."
            )
        if waiting.refused:
            raise ObjectRefusedError(waiting.refused)


def open_dicom(address: str, **options: Any) -> DicomFeed:
    """Open ``PORT`` or ``HOST:PORT``, with ``?calling=XRAY1,XRAY2&modalities=DX,CR`` by choice.

    Args:
        address: what stands behind ``dicom:``.
        options: of :class:`DicomReceiverOptions`, ``acknowledge_s``, and ``films``.

    Raises:
        SettingsError: a port, an option or an AE title that cannot be.
        FeedError: the port cannot be had.
    """
    where, _, query = address.partition("?")
    host, _, port = where.rpartition(":")
    if not port.isdecimal():
        raise SettingsError(f"dicom:{address}: write dicom:PORT or dicom:HOST:PORT, as in dicom:11112.")
    named = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(named) - {*_TEXTS, *_LISTS, *_SWITCHES})
    if unknown:
        known = ", ".join((*_TEXTS, *_LISTS, *_SWITCHES))
        raise SettingsError(f"dicom:{address}: unknown {', '.join(unknown)}. There are {known}.")
    read: dict[str, Any] = {name: text for name, text in named.items() if name in _TEXTS}
    for name in _LISTS & named.keys():
        read[name] = listed(named[name])
    for name in _SWITCHES & named.keys():
        read[name] = _switch(address, name, named[name])
    asked = {name: read.pop(name) for name in _FILMS & read.keys()}
    films = replace(options.pop("films", EVERY_FILM), **asked)
    acknowledge_s = float(options.pop("acknowledge_s", 30.0))
    settings = DicomReceiverOptions(port=int(port), host=host.strip("[]"), **{**read, **options})
    return DicomFeed(settings, acknowledge_s=acknowledge_s, films=films)


def _switch(address: str, name: str, text: str) -> bool:
    if text.lower() in ("", "1", "true", "yes"):
        return True
    if text.lower() in ("0", "false", "no"):
        return False
    raise SettingsError(f"dicom:{address}: {name} is true or false. Received: {text!r}.")
