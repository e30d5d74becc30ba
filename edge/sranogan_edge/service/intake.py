"""From the feeds to the spool: each feed in a thread of its own; frames of cameras go past the spool."""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from sranogan_edge.errors import FeedError, ObjectTooLargeError, SpoolFullError, UnreadableImageError
from sranogan_edge.feeds.feed import Arrival, Feed
from sranogan_edge.log import facts
from sranogan_edge.results.line import Scorer, error_line
from sranogan_edge.service.frames import Frames
from sranogan_edge.service.scoring import Result
from sranogan_edge.spool.spool import Entry, Spool

__all__ = ["Intake"]

_log = logging.getLogger(__name__)
_PAUSE_WHEN_FULL_S = 1.0


class Intake:
    """Takes arrivals until the feeds end or it is closed.

    Attributes:
        full: why the spool takes nothing now; empty where it does.
        failures: what ended a feed that should have gone on, by its name; the others go on.
        error: what ends them all: of the spool, or ours.
        scorer: signs the lines of objects that cannot be stored.
    """

    def __init__(self, spool: Spool, feeds: Sequence[Feed], scorer: Scorer) -> None:
        """Take ``feeds``; nothing runs yet."""
        self.full = ""
        self.failures: dict[str, FeedError] = {}
        self.error: Exception | None = None
        self.wake = threading.Event()  # set whenever there may be work
        self.scorer = scorer
        self._spool, self._feeds = spool, feeds
        self._frames = Frames(feeds, self.wake.set)
        self._refused: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._pending: dict[int, Callable[[bool], None]] = {}
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(feed,), name=f"feed {feed.name}", daemon=True)
            for feed in feeds
        ]

    def start(self) -> None:
        """Start the thread of each feed."""
        for thread in self._threads:
            thread.start()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return not any(thread.is_alive() for thread in self._threads) and not self._frames

    def frame(self) -> tuple[str, Arrival] | None:
        """The camera frame whose turn it is, the newest of its feed, and the feed's name."""
        return self._frames.take()

    def refused(self) -> list[Result]:
        """Results of objects that could not be stored, since they were last asked for."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._refused.get_nowait())
        return found

    def settle(self, entry: Entry) -> None:
        """Tell the feed of an ended object."""
        settle = self._pending.pop(entry.sequence, None)
        if settle:
            settle(entry.state == "done")

    def close(self, within_s: float = 10.0) -> None:
        """Close the feeds; an arrival in hand is stored or left with its feed."""
        self._closing.set()
        self._frames.close()
        for feed in self._feeds:
            feed.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(within_s)

    def _follow(self, feed: Feed) -> None:
        try:
            for arrival in feed:
                if arrival.frame is not None:
                    self._frames.offer(feed, arrival)
                else:
                    self._store(feed.name, arrival)
                if self._closing.is_set():
                    break
        except FeedError as error:
            _log.error("feed %s ended: %s", feed.name, error)
            self.failures[feed.name] = error
        except Exception as error:  # to be raised where the loop runs
            self.error = error
        finally:
            self.wake.set()

    def _store(self, feed: str, arrival: Arrival) -> None:
        if arrival.path is None and not arrival.data:
            raise FeedError(f"{arrival.frame_source}: arrived without bytes and without a frame.")
        while True:
            try:
                entry = self._put(feed, arrival)
                break
            except SpoolFullError as error:
                if not self.full:
                    _log.error("%s", error)
                self.full = str(error)
                self.wake.set()
                if self._closing.wait(_PAUSE_WHEN_FULL_S):
                    return
        self.full = ""
        if entry is None:
            return
        if entry.path is None:
            arrival.refuse(entry.reason)
        else:
            if entry.state == "received" and not entry.attempts:
                said = facts(event="received", object=entry.sequence, feed=feed, bytes=entry.size)
                _log.info(
                    "object %d received from %s: %d bytes", entry.sequence, feed, entry.size, extra=said
                )
            arrival.acknowledge()
        self._pending[entry.sequence] = arrival.settle
        now = self._spool.kept(entry.sequence)  # it may have ended before, or just now
        if now is None:  # and be gone already, where little is kept
            self.settle(entry if entry.ended else replace(entry, state="done"))
        elif now.ended:
            self.settle(now)
        self.wake.set()

    def _put(self, feed: str, arrival: Arrival) -> Entry | None:
        """Store an arrival, or its refusal; None where its file went meanwhile."""
        if arrival.failure:
            return self._refuse(feed, arrival, UnreadableImageError(arrival.failure), "")
        try:
            bytes_of = arrival.data or arrival.opened or arrival.path
            assert bytes_of
            return self._spool.put(
                bytes_of,
                arrival.identity,
                key=arrival.key,
                source=arrival.frame_source,
                origin=arrival.origin,
                received_at=arrival.received_at,
                feed=feed,
            )
        except ObjectTooLargeError as error:
            return self._refuse(feed, arrival, error, arrival.key)
        except FeedError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                _log.warning("%s", error)
                return None
            # one that its feed moves away is done with; one that stays is another object once it can be read
            return self._refuse(feed, arrival, error, arrival.key if arrival.origin else "")

    def _refuse(self, feed: str, arrival: Arrival, error: Exception, key: str) -> Entry:
        source = arrival.frame_source
        line = replace(error_line(source, error, self.scorer), feed=feed)
        entry, number = self._spool.refuse(
            str(error),
            line.to_dict(),
            arrival.identity,
            key=key or uuid.uuid4().hex,
            source=source,
            origin=arrival.origin,
            feed=feed,
        )
        if number is not None:
            _log.error("%s", error if str(error).startswith(source) else f"{source}: {error}")
            self._refused.put(Result(number, line, None, entry))
        return entry
