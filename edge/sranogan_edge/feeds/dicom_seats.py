"""Associations of a DICOM node, by address: how many there may be, and which one makes room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Seats"]


@dataclass
class _Seat:
    address: str
    begun: float
    worked_at: float


class Seats:
    """Associations: ``most`` at once, ``per_address`` of one address; one that stores nothing makes room."""

    def __init__(
        self, most: int, per_address: int, idle_s: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin empty; one that stored nothing for ``idle_s`` may have to go."""
        self._most, self._per_address, self._idle_s, self._now = most, per_address, idle_s, now
        self._taken: dict[Any, _Seat] = {}
        self._lock = threading.Lock()

    def take(self, who: Any, address: str) -> tuple[str, Any]:
        """Give a seat.

        Returns:
            Why there is none, empty where there is; and an association that is to be aborted for it, or None.
        """
        with self._lock:
            self._forget()
            own = [one for one, seat in self._taken.items() if seat.address == address]
            full = len(self._taken) >= self._most
            aborted = None
            if full or len(own) >= self._per_address:
                candidates = own if len(own) >= self._per_address else list(self._taken)
                oldest = min(candidates, key=lambda one: self._taken[one].worked_at)
                if self._now() - self._taken[oldest].worked_at < self._idle_s:
                    held = f"it holds {len(own)} of the {self._per_address} associations of one address"
                    return held if len(own) >= self._per_address else f"all {self._most} are taken", None
                aborted = oldest
                del self._taken[oldest]
            self._taken[who] = _Seat(address, self._now(), self._now())
            return "", aborted

    def worked(self, who: Any) -> None:
        """Note that an object of this association was stored."""
        with self._lock:
            if who in self._taken:
                self._taken[who].worked_at = self._now()

    def taken(self, for_s: float = 0.0) -> list[Any]:
        """Return the associations that have lasted ``for_s`` seconds."""
        with self._lock:
            self._forget()
            return [who for who, seat in self._taken.items() if self._now() - seat.begun >= for_s]

    def _forget(self) -> None:
        self._taken = {who: seat for who, seat in self._taken.items() if who.is_alive()}
