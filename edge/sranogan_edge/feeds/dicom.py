"""``dicom:PORT``: what scanners send, as a feed; the answer waits for the spool."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sranogan_edge.errors import FeedError, ObjectRefusedError
from sranogan_edge.feeds.dicom_receiver import DicomReceiver
from sranogan_edge.feeds.feed import Arrival, FeedHealth

if TYPE_CHECKING:
    from sranogan_edge.feeds.dicom_settings import DicomFeedSettings

__all__ = ["DicomFeed"]

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

    def __init__(self, settings: DicomFeedSettings) -> None:
        """Listen.

        Raises:
            FeedError: the port cannot be had.
            SettingsError: a port, an option, an AE title or a file that cannot be.
        """
        settings = settings.checked()
        self.name, self.films = f"dicom:{settings.port}", settings.films
        self._waiting = _Queue()
        self._acknowledge_s = settings.acknowledge_s
        self._health = FeedHealth("waiting")
        self._closed = threading.Event()
        self.receiver = DicomReceiver(self._hand_over, settings)

    @property
    def health(self) -> FeedHealth:
        """How it fares."""
        refusals = self.receiver.refusals
        return replace(self._health, refused=refusals.total, alarm=refusals.alarm)

    def __iter__(self) -> Iterator[Arrival]:
        """Yield each object with its bytes: on the disk they are in the spool alone."""
        while not self._closed.is_set():
            waiting = self._waiting.get(_LOOK_S)
            if waiting is None:
                continue
            arrival = self._arrival(waiting)
            waiting.data = b""  # the arrival has them
            yield arrival

    def close(self) -> None:
        """Stop listening; objects that are not acknowledged by now stay with their senders."""
        self._closed.set()
        self.receiver.close()
        self._health = replace(self._health, state="closed")

    def _arrival(self, waiting: _Waiting) -> Arrival:
        uid = waiting.identity.get("instance_uid", "")
        self._health = FeedHealth("running", waiting.received_at)
        return Arrival(
            frame_source=f"{self.name}/{uid}",
            received_at=waiting.received_at,
            data=waiting.data,
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
