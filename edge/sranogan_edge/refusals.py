"""Who was sent away because there were too many: counted, told in the log, an alarm for a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from sranogan_edge.alarms import NEWEST

__all__ = ["Refusals"]

_TOLD_S = 60.0  # between two lines of the log about one address, and for so long there is an alarm
_TOLD_OF = 256  # addresses

_log = logging.getLogger(__name__)


class Refusals:
    """Counts who was refused, and tells it: each address once a minute in the log, all of them as an alarm.

    Attributes:
        total: since the start.
    """

    def __init__(self, where: str, alarm: str, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; ``where`` begins each line of the log, ``alarm`` is the sentence of the alarm."""
        self.total = 0
        self._where, self._alarm, self._now = where, alarm, now
        self._lock = threading.Lock()
        self._newest: deque[tuple[float, str]] = deque(maxlen=1)
        self._told: dict[str, float] = {}

    def note(self, address: str, why: str) -> None:
        """Count one more that others left no place for."""
        with self._lock:
            self.total += 1
            self._newest.append((self._now(), f"{address}: {why}"))
        self.tell(address, why)

    def tell(self, address: str, why: str) -> None:
        """Log what is wrong with a peer, unless it was told lately."""
        now = self._now()
        with self._lock:
            if now - self._told.get(address, float("-inf")) < _TOLD_S:
                return
            if len(self._told) >= _TOLD_OF:
                self._told.pop(min(self._told, key=self._told.__getitem__))
            self._told[address] = now
        _log.warning("%s: %s %s", self._where, address, why)

    @property
    def alarm(self) -> str:
        """What is wrong now; empty a minute after the last one."""
        with self._lock:
            if not self._newest or self._now() - self._newest[0][0] >= _TOLD_S:
                return ""
            return f"{self._alarm}{NEWEST}{self._newest[0][1]}"
