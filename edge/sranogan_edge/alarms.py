"""What is wrong now, in sentences: feeds, sinks, drift, disk, bundle. The log has when it began and ended."""

from __future__ import annotations

import logging
import re
import threading

__all__ = ["NEWEST", "Alarms"]

NEWEST = "; the newest: "  # behind it stands an example: another one is no other alarm

_log = logging.getLogger(__name__)


class Alarms:
    """Alarms by what they are about; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by: dict[str, tuple[str, ...]] = {}

    def note(self, about: str, *reasons: str) -> None:
        """Say what is wrong with ``about`` now; without reasons, nothing is."""
        with self._lock:
            before = self._by.pop(about, ())
            if reasons:
                self._by[about] = reasons
        known, now = {_words(reason) for reason in before}, {_words(reason) for reason in reasons}
        for reason in reasons:
            if _words(reason) not in known:
                _log.warning("alarm: %s", reason)
        for reason in before:
            if _words(reason) not in now:
                _log.info("alarm over: %s", reason)

    def keep_only(self, kind: str, names: set[str]) -> None:
        """End the alarms of ``kind`` about others than ``names``; what they are about is ``kind name``."""
        with self._lock:
            gone = [a for a in self._by if a.startswith(f"{kind} ") and a[len(kind) + 1 :] not in names]
        for about in gone:
            self.note(about)

    def of(self, kind: str) -> frozenset[str]:
        """Return the names of what there are alarms of this ``kind`` about: ``kind name``."""
        with self._lock:
            return frozenset(a[len(kind) + 1 :] for a in self._by if a.startswith(f"{kind} "))

    @property
    def now(self) -> tuple[str, ...]:
        """Every sentence, in the order of what they are about."""
        with self._lock:
            return tuple(reason for about in sorted(self._by) for reason in self._by[about])


def _words(reason: str) -> str:
    """``reason`` without its numbers and its example: they change, and are one alarm."""
    return re.sub(r"\d+(\.\d+)?", "#", reason.partition(NEWEST)[0])
