"""Results of an earlier version, made ready to be searched a few at a time, between two images."""

from __future__ import annotations

import logging
import time

from sranogan_edge.errors import SpoolError
from sranogan_edge.spool.queue import Outbox

__all__ = ["Searchable"]

_log = logging.getLogger(__name__)
AT_ONCE = 200  # results a turn: some 20 ms, the longest that an image waits for them
BUSY_S = 1.0  # between two turns while there are images
AGAIN_S = 60.0  # after a turn that failed
TOLD_S = 10.0


class Searchable:
    """Takes turns until all results can be searched; what a run did not come to, the next one does."""

    def __init__(self, outbox: Outbox) -> None:
        """Make the results of ``outbox`` ready, the newest first."""
        self._outbox = outbox
        self._many = 0  # to be made ready, at most
        self._left: int | None = None  # of them; nobody has looked yet
        self._began = self._told = time.monotonic()
        self._turned = self._failed = float("-inf")

    def turn(self, *, busy: bool) -> bool:
        """Make some ready, now and then while ``busy`` with images; returns whether there is more to do."""
        now = time.monotonic()
        if self._left == 0 or now < max(self._failed + AGAIN_S, self._turned + (BUSY_S if busy else 0)):
            return False
        self._turned = now
        try:
            if self._left is None:
                self._look()
            if self._left:
                self._left = self._outbox.look_up_more(AT_ONCE)
                self._tell(now)
        except SpoolError as error:
            self._failed = now
            _log.warning("older results cannot be searched yet, next try in %.0f s (%s)", AGAIN_S, error)
            return False
        return bool(self._left)

    def _look(self) -> None:
        self._many = self._left = self._outbox.look_up_more(0)
        if self._many:
            what = "%d results of an earlier version are made ready to be searched, the newest first"
            _log.info(what, self._many)

    def _tell(self, now: float) -> None:
        if not self._left:
            _log.info("all results can be searched; it took %.0f s", time.monotonic() - self._began)
        elif now - self._told >= TOLD_S:
            self._told = now
            _log.info("%d of %d older results can be searched", self._many - self._left, self._many)
