"""The runner: feeds -> spool -> detector -> sinks, until it is told to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sranogan_edge.alarms import Alarms
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import ExitCode, SettingsError, SpoolFullError
from sranogan_edge.feeds.feed import BringsFilms, Feed
from sranogan_edge.image.film import FilmOptions
from sranogan_edge.page.audit import AuditTrail
from sranogan_edge.page.board import Board
from sranogan_edge.service.changes import note_change
from sranogan_edge.service.delivery import Delivery, Reader
from sranogan_edge.service.intake import Intake
from sranogan_edge.service.report import Report
from sranogan_edge.service.scoring import Scoring
from sranogan_edge.service.searchable import Searchable
from sranogan_edge.service.signals import stopped_by_signals
from sranogan_edge.service.swap import Swap
from sranogan_edge.service.threshold import AppliedThreshold
from sranogan_edge.service.uploading import Uploading
from sranogan_edge.site.drift import DriftSettings
from sranogan_edge.spool.retention import Pruner, Retention
from sranogan_edge.spool.spool import Spool
from sranogan_edge.uploads.waiting import Uploads

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
        drift: how feeds are watched where a site's calibration is in force; None does not watch them.
        bundle: the file that the judge came from, to be shown.
    """

    out: Path | None = None
    retention: Retention = field(default_factory=Retention)
    prune_every_s: float = 60.0
    drift: DriftSettings | None = field(default_factory=DriftSettings)
    bundle: Path = Path()


class Service:
    """One runner; :meth:`run` returns when the feeds end, or soon after :meth:`stop`."""

    def __init__(
        self,
        judge: Judge,
        spool: Spool,
        feeds: Sequence[Feed],
        readers: Mapping[str, Reader],
        settings: ServiceSettings | None = None,
        *,
        threshold: AppliedThreshold | None = None,
        board: Board | None = None,
        alarms: Alarms | None = None,
        swap: Swap | None = None,
        audit: AuditTrail | None = None,
        decoder: Decoder | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        """Connect the parts; nothing runs yet. The caller closes the spool.

        ``readers`` take the results, by name; ``swap`` brings judges that take over from ``judge``;
        ``threshold`` None takes up what is in the spool's folder; ``audit`` has what judges, and from when;
        ``decoder`` None is one of our own; ``uploads`` are scored between the images of the feeds.

        Raises:
            SettingsError: two feeds of one name ask for different films.
        """
        self.settings = settings or ServiceSettings()
        self.spool, self.feeds, self._readers, self._swap = spool, feeds, readers, swap
        self._audit = audit
        self.scored = self.failed = 0  # by this run
        self.alarms = alarms or Alarms()
        self._threshold = threshold or AppliedThreshold(spool.folder, judge.scorer, judge.rule.calibration)
        self._report = Report(
            judge,
            spool,
            feeds,
            drift=self.settings.drift,
            alarms=self.alarms,
            board=board,
            bundle=self.settings.bundle,
        )
        self._own_decoder = None if decoder else Decoder()
        self._scoring = Scoring(
            spool,
            judge,
            self.settings.out,
            self._threshold,
            self.alarms,
            self._report.alive,
            _films_of(feeds),
            decoder or self._own_decoder,
        )
        self._uploading = Uploading(uploads, self._scoring, self._report.alive)
        self._intake = Intake(spool, feeds, judge.scorer)
        self._delivery: Delivery | None = None
        self._stop = threading.Event()
        self._searchable = Searchable(spool.outbox)
        self._pruner = Pruner(spool, self.settings.retention, self.settings.out)
        self._pruned_at = float("-inf")
        self._full = ""  # why nothing can be written

    def wake(self) -> None:
        """Something waits to be scored; may be called from any thread."""
        self._intake.wake.set()

    def stop(self) -> None:
        """Finish the object in hand and end; may be called from any thread."""
        self._stop.set()
        self._intake.wake.set()

    def reload(self) -> None:
        """Look whether bundle or calibration were replaced; may be called from any thread."""
        if self._swap:
            self._swap.look()

    def run(self) -> ExitCode:
        """Score until told to stop (OK), or until the feeds end.

        Returns:
            SOME_FAILED where some could not be scored, or one feed of several failed for good.

        Raises:
            SranoganError: every feed failed for good, or the spool did; all that was acknowledged is kept.
        """
        delivery = self._delivery = self._delivering()
        if delivery is None:
            return ExitCode.OK
        note_change(self._audit, self._scoring.judge, self._threshold.value, None)
        try:
            self._intake.start()
            if self._swap:
                self._swap.start()
            self._report.notifier.ready()
            self._report.ready()
            self._loop(delivery)
        finally:
            self._report.notifier.stopping()
            self._report.ready("it is stopping")
            self._uploading.close()
            if self._swap:
                self._swap.close()
            self._intake.close()
            if self._own_decoder:
                self._own_decoder.close()
            delivery.close()
            self._report.sinks(delivery.health)
        if self._stop.is_set():
            return ExitCode.OK
        failures = self._intake.failures
        if self._intake.error:
            raise self._intake.error
        if failures and all(feed.name in failures for feed in self.feeds):
            raise next(iter(failures.values()))
        return ExitCode.SOME_FAILED if self.failed or failures else ExitCode.OK

    def _delivering(self) -> Delivery | None:
        """Begin to deliver, once the disk has room for it; None when told to stop meanwhile."""
        while not self._stop.is_set():
            try:
                return Delivery(self.spool.outbox, self._readers)
            except SpoolFullError as error:
                self._wait_for_room(error)
        return None

    def _loop(self, delivery: Delivery) -> None:
        while not self._stop.is_set() and not self._intake.error:
            self._report.alive()
            self._intake.wake.clear()
            ended = self._intake.ended  # asked before looking for work: what came meanwhile is found
            self._take_over()
            worked = self._work(delivery)
            self._tell()
            self._prune()
            if not worked and ended and not self.spool.waiting():
                return
            if self._searchable.turn(busy=worked) or worked:
                continue
            pause_s = self._scoring.faults.pause_s or _IDLE_S
            self._intake.wake.wait(min(_IDLE_S, pause_s, (self._report.notifier.watchdog_s or 4.0) / 4))

    def _take_over(self) -> None:
        """Let a new judge take over, between two objects."""
        judge = self._swap.successor() if self._swap else None
        if judge is None or judge.scorer == self._scoring.judge.scorer:
            return
        before = self._scoring.judge.scorer
        self._scoring.judge, self._intake.scorer = judge, judge.scorer
        self._report.judging(judge)  # first: from now on the page takes no threshold for the scorer before
        self._threshold.judging(judge.scorer, judge.rule.calibration)
        note_change(self._audit, judge, self._threshold.value, before)
        _log.warning(
            "bundle %s, calibration %s took over from bundle %s, calibration %s",
            judge.scorer.bundle[:12],
            (judge.scorer.calibration or "its own")[:12],
            before.bundle[:12],
            (before.calibration or "its own")[:12],
        )

    def _work(self, delivery: Delivery) -> bool:
        """Score a frame and an object, whichever wait; neither a camera nor a scanner holds up the other."""
        results = self._intake.refused()
        arrival = self._intake.frame()
        try:
            if arrival is not None and not self._scoring.faults.pause_s:  # else too old when that is over
                results.append(self._scoring.frame(*arrival, self._kept))
            found = self._scoring.object(self._kept)
        except SpoolFullError as error:  # before an object was begun, or when told to stop
            self._wait_for_room(error)
            found = None
        else:
            self._full = ""
        results += [found] if found else []
        for result in results:
            self.scored, self.failed = self.scored + (result.answer is not None), self.failed + result.failed
            delivery.announce()
            self._report.result(result)
            if result.entry:
                self._intake.settle(result.entry)
        return self._uploading.turn() or bool(results)

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
        self._full = str(error)
        self._uploading.stand_still(self._full)
        self._report.alive()
        self._tell()
        self._report.notifier.status(str(error))
        self._pruned_at = float("-inf")
        self._prune()
        self._stop.wait(_PAUSE_WHEN_FULL_S)

    def _tell(self) -> None:
        sinks = self._delivery.health if self._delivery else {}
        full = self._full or self._intake.full
        self._report.tell(sinks, full, self._scoring.faults.device, dict(self._intake.failures))

    def _prune(self) -> None:
        now = time.monotonic()
        soon = self._intake.full or self._pruner.unfinished
        if now - self._pruned_at < (_IDLE_S if soon else self.settings.prune_every_s):
            return
        self._pruned_at = now
        try:
            removed = self._pruner.prune()
        except SpoolFullError:  # not even room to note what goes: somebody else must free some
            return
        if removed:
            _log.info("retention removed %d finished objects", removed)
        self.alarms.note("lost frames", *([self._lost()] if self._pruner.lost else []))
        self._report.status(self.scored, self.failed)

    def _lost(self) -> str:
        behind = self._delivery.behind if self._delivery else []
        sinks, many = ", ".join(behind), self._pruner.lost_in_all
        return (
            f"{sinks}: {many} results of camera frames were let go before they were taken "
            "(retention.max_waiting_frames). Mend this sink, or take it out."
        )


def _films_of(feeds: Sequence[Feed]) -> dict[str, FilmOptions]:
    """Which films each feed asks for, by its name, which is what the spool remembers of an object's feed."""
    found: dict[str, FilmOptions] = {}
    for feed in feeds:
        if isinstance(feed, BringsFilms) and found.setdefault(feed.name, feed.films) != feed.films:
            raise SettingsError(
                f"two feeds are called {feed.name} and ask for different films. Give them one and the same "
                "options, or one of them another port or folder."
            )
    return found
