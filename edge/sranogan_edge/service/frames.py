"""From cameras to the detector, past the spool: one frame a feed, the newest, and each feed in its turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sranogan_edge.feeds.feed import Arrival, Feed

__all__ = ["Frames"]

_RENEWAL_S = 0.2  # the decoder has the newer frame already: copying it takes milliseconds


class _Slot:
    """The frame that a feed hands over next."""

    def __init__(self) -> None:
        self.arrival: Arrival | None = None
        self.renewing = False  # a newer one is wanted in its place


class Frames:
    """Slots of several feeds; where a newer frame came while one waited, that one is taken in its place."""

    def __init__(self, feeds: Sequence[Feed], tell: Callable[[], None]) -> None:
        """Make a slot for each of ``feeds``; ``tell`` is called whenever a frame is there."""
        self._slots = {feed: _Slot() for feed in feeds}  # the one that waits longest for its turn in front
        self._tell = tell
        self._change = threading.Condition()
        self._closed = False

    def __bool__(self) -> bool:
        """Whether a frame waits."""
        return any(slot.arrival for slot in self._slots.values())

    def offer(self, feed: Feed, arrival: Arrival) -> None:
        """Put a frame into its slot; returns once another one is wanted, so that the feed may fetch it."""
        with self._change:
            slot = self._slots[feed]
            if slot.arrival is not None:
                slot.arrival.leave_out()
            slot.arrival, slot.renewing = arrival, False
            self._change.notify_all()
        self._tell()
        with self._change:
            self._change.wait_for(lambda: slot.arrival is None or slot.renewing or self._closed)

    def take(self) -> tuple[str, Arrival] | None:
        """Take the frame of the feed whose turn it is, and the feed's name; None where none waits."""
        with self._change:
            for feed, slot in self._slots.items():
                if slot.arrival is not None:
                    found = self._newest(slot, slot.arrival)
                    self._slots[feed] = self._slots.pop(feed)
                    return feed.name, found
        return None

    def close(self) -> None:
        """Let the feeds go on to their end."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _newest(self, slot: _Slot, waited: Arrival) -> Arrival:
        if waited.outdated():
            slot.renewing = True
            self._change.notify_all()
            self._change.wait_for(lambda: slot.arrival is not waited, _RENEWAL_S)
        found, slot.arrival = slot.arrival or waited, None
        self._change.notify_all()
        return found
