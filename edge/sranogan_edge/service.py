"""The runner: feeds -> spool -> detector -> sinks, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from sranogan_edge.errors import ExitCode, SpoolFullError
from sranogan_edge.feeds import Feed
from sranogan_edge.retention import Retention, prune
from sranogan_edge.service_delivery import Delivery, Reader
from sranogan_edge.service_intake import Intake
from sranogan_edge.service_notify import Notifier
from sranogan_edge.service_scoring import Judge, Result, Scoring
from sranogan_edge.spool import Spool

__all__ = ["Service", "ServiceSettings", "stopped_by_signals"]

_log = logging.getLogger(__name__)
_PAUSE_WHEN_FULL_S = 0.5
_IDLE_S = 1.0


@dataclass(frozen=True)
class ServiceSettings:
    """How the runner goes about it.

    Attributes:
        out: folder for heat maps; None makes none.
        retention: of finished objects.
        prune_every_s: seconds between two looks at the retention.
    """

    out: Path | None = None
    retention: Retention = field(default_factory=Retention)
    prune_every_s: float = 60.0


class Service:
    """One runner; :meth:`run` returns when the feeds end, or soon after :meth:`stop`."""

    def __init__(
        self,
        judge: Judge,
        spool: Spool,
        feeds: Sequence[Feed],
        readers: Mapping[str, Reader],
        settings: ServiceSettings | None = None,
    ) -> None:
        """Connect the parts; nothing runs yet. The caller closes the spool."""
        self.settings = settings or ServiceSettings()
        self.spool, self.feeds, self._readers = spool, feeds, readers
        self.scored = self.failed = 0  # by this run
        self._scoring = Scoring(spool, judge, self.settings.out)
        self._intake = Intake(spool, feeds, judge.scorer)
        self._notifier = Notifier()
        self._stop = threading.Event()
        self._pruned_at = float("-inf")
        self._full = False  # and it was said

    def stop(self) -> None:
        """Finish the object in hand and end; may be called from a signal handler or any thread."""
        self._stop.set()
        self._intake.wake.set()

    def run(self) -> ExitCode:
        """Score until told to stop (OK), or until the feeds end (SOME_FAILED where some could not be scored).

        Raises:
            SranoganError: a feed failed for good, or the spool did; all that was acknowledged is kept.
        """
        delivery = self._delivery()
        if delivery is None:
            return ExitCode.OK
        try:
            self._intake.start()
            self._notifier.ready()
            self._loop(delivery)
        finally:
            self._notifier.stopping()
            self._intake.close()
            delivery.close()
        if self._intake.error and not self._stop.is_set():
            raise self._intake.error
        return ExitCode.SOME_FAILED if self.failed and not self._stop.is_set() else ExitCode.OK

    def _delivery(self) -> Delivery | None:
        """Begin to deliver, once the disk has room for it; None when told to stop meanwhile."""
        while not self._stop.is_set():
            try:
                return Delivery(self.spool.outbox, self._readers)
            except SpoolFullError as error:
                self._wait_for_room(error)
        return None

    def _loop(self, delivery: Delivery) -> None:
        while not self._stop.is_set() and not self._intake.error:
            self._notifier.alive()
            self._intake.wake.clear()
            ended = self._intake.ended  # asked before looking for work: what came meanwhile is found
            worked = self._work(delivery)
            self._prune()
            if worked:
                continue
            if ended:
                return
            self._intake.wake.wait(min(_IDLE_S, (self._notifier.watchdog_s or 4.0) / 4))

    def _work(self, delivery: Delivery) -> bool:
        """Score a frame and an object, whichever wait; neither a camera nor a scanner holds up the other."""
        results: list[Result] = []
        arrival = self._intake.frame()
        try:
            if arrival is not None:
                results.append(self._scoring.frame(arrival, self._kept))
            found = self._scoring.object(self._kept)
        except SpoolFullError as error:  # before an object was begun, or when told to stop
            self._wait_for_room(error)
            found = None
        results += [found] if found else []
        self._full = self._full and not results
        for result in results:
            self.scored, self.failed = self.scored + (not result.failed), self.failed + result.failed
            delivery.announce(result.number, result.verdict)
            if result.entry:
                self._intake.settle(result.entry)
        return bool(results)

    def _kept(self, store: Callable[[], int]) -> int:
        """Store a result, as often as the disk is full; raises SpoolFullError when told to stop meanwhile."""
        while True:
            try:
                return store()
            except SpoolFullError as error:
                if self._stop.is_set():
                    raise
                self._wait_for_room(error)

    def _wait_for_room(self, error: SpoolFullError) -> None:
        if not self._full:
            _log.error("%s", error)
        self._full = True
        self._notifier.alive()
        self._notifier.status(str(error))
        self._pruned_at = float("-inf")
        self._prune()
        self._stop.wait(_PAUSE_WHEN_FULL_S)

    def _prune(self) -> None:
        now = time.monotonic()
        if now - self._pruned_at < (1.0 if self._intake.full else self.settings.prune_every_s):
            return
        self._pruned_at = now
        try:
            removed = prune(self.spool, self.settings.retention)
        except SpoolFullError:  # not even room to note what goes: somebody else must free some
            return
        if removed:
            _log.info("retention removed %d finished objects", removed)
        waiting = self.spool.counts()["received"]
        self._notifier.status(f"{self.scored} scored, {self.failed} failed, {waiting} wait")


@contextmanager
def stopped_by_signals(service: Service) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop ``service`` cleanly; a second one has its usual effect."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, before[number])
        service.stop()

    before: dict[int, Any] = {
        number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
