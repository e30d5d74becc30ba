"""Scoring that fails though the image can be read: whose fault it is, and when to try again.

What fails is a driver, a runtime or memory, or it is an image that one of these cannot bear. The bundle's
golden cases tell which. Where they are scored as they should be, the object is at fault: the attempt counts,
and the last of its attempts (:class:`sranogan_edge.spool.spool.SpoolLimits`) dead-letters it. Where they are
not, the device is: all that waits goes on waiting and loses no attempt, and the pauses grow. Only the object
in hand when the device began to fail has its attempt counted, for it may be what broke it: else it would do
so again after each restart, for ever. What this process lacks (file handles, memory for them) is nobody's
fault: no attempt counts, and no golden case is asked.
"""

from __future__ import annotations

import logging
import time

from sranogan_edge.alarms import Alarms
from sranogan_edge.backoff import Backoff
from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import DecoderMissingError
from sranogan_edge.files import OURS
from sranogan_edge.redact import words_of

__all__ = ["Faults"]

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0


class Faults:
    """Counts the faults that follow each other.

    Attributes:
        device: why the device does not score; empty where it does.
    """

    def __init__(self, alarms: Alarms) -> None:
        """Begin with a device that works."""
        self.device = ""
        self._alarms = alarms
        self._backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        self._again_at = float("-inf")

    @property
    def pause_s(self) -> float:
        """Seconds until scoring is to be tried again; 0 where there is no reason to wait."""
        return max(0.0, self._again_at - time.monotonic())

    def failed(self, what: str, error: Exception, judge: Judge) -> bool:
        """Begin a pause, and raise an alarm; returns whether the attempt counts against ``what``."""
        if isinstance(error, OSError) and error.errno in OURS:
            self._wait(f"{what} waits: this process lacks what it needs ({error.strerror})")
            return False
        _log.error("%s: scoring failed", what, exc_info=error)
        missing = str(error) if isinstance(error, DecoderMissingError) else ""
        began, self.device = not self.device, missing or _why_it_fails(judge)
        if not self.device:
            self._backoff.reset()
        why = f"{what} cannot be scored ({words_of(error)})"
        whose = f"nor can the bundle's golden cases: {self.device}" if self.device else "but the device works"
        self._wait(why if missing else f"{why}, {whose}")
        return began or not self.device

    def _wait(self, why: str) -> None:
        pause_s = self._backoff.next_s()
        self._again_at = time.monotonic() + pause_s
        self._alarms.note("device", f"{why}. It is tried again in {pause_s:.1f} s.")

    def over(self) -> None:
        """Something was scored, or given up: what was wrong is over."""
        self.device = ""
        self._backoff.reset()
        self._again_at = float("-inf")
        self._alarms.note("device")


def _why_it_fails(judge: Judge) -> str:
    try:
        judge.prove()
    except Exception as error:  # whatever it is, scores cannot be had now
        return words_of(error)
    return ""
