"""What the runner tells of itself while it works: alarms, the live page's board, word to systemd."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sranogan_edge.alarms import NEWEST, Alarms
from sranogan_edge.detector.judge import Judge
from sranogan_edge.feeds.feed import Feed
from sranogan_edge.log import facts
from sranogan_edge.page.board import Board
from sranogan_edge.service.drift_feeds import DRIFT, SHIFT, FeedsDrift
from sranogan_edge.service.notify import Notifier
from sranogan_edge.service.scoring import Result
from sranogan_edge.sinks.sink import SinkHealth
from sranogan_edge.site.drift import DriftSettings
from sranogan_edge.spool.spool import Spool

__all__ = ["Report", "about"]

_log = logging.getLogger(__name__)
EVERY_S = 1.0
_ALARMING = ("stalled", "failed")


def about(judge: Judge, bundle: Path) -> dict[str, str]:
    """What scores, for people, by name."""
    scorer, site = judge.scorer, judge.site
    found = {
        "bundle": f"{bundle.name} ({scorer.bundle[:12]}, {scorer.steps} search steps)",
        "backend": scorer.backend,
        "calibration": "the bundle's own",
        "model": bundle.stem,
        "learned from": judge.origin.data,
        "trained": judge.origin.trained,
        "digest": scorer.bundle,
    }
    if site:
        made = site.calibration
        fitted = f", densities adapted to {made.fitted}" if made.density else ""
        found["calibration"] = f"{made.images} normals of this site{fitted}, {made.made} ({site.digest[:12]})"
    if scorer.backend_fallback:
        found["not on the GPU"] = scorer.backend_fallback
    return found


class Report:
    """Takes in what happens, and tells it once a second."""

    def __init__(
        self,
        judge: Judge,
        spool: Spool,
        feeds: Sequence[Feed],
        *,
        drift: DriftSettings | None,
        alarms: Alarms,
        board: Board | None,
        bundle: Path,
    ) -> None:
        """Watch ``feeds`` for drift by the calibration of ``judge``, and show all on ``board``."""
        self.notifier = Notifier()
        self._spool, self._feeds, self._settings = spool, feeds, drift
        self._alarms, self._board, self._bundle = alarms, board, bundle
        self._drift = FeedsDrift(judge, drift)
        if board:
            board.set_counts(spool.outbox.tally())
        self._told_at = float("-inf")
        self._why_not = "starting"

    def judging(self, judge: Judge) -> None:
        """Another judge is in force: what was seen before it says nothing about its feeds."""
        for kind in (DRIFT, SHIFT):
            self._alarms.keep_only(kind, set())
        self._drift = FeedsDrift(judge, self._settings)
        if self._board:
            self._board.recalibrated(
                judge.rule.calibration, judge.heat_limit or 1.0, about(judge, self._bundle)
            )

    def ready(self, why_not: str = "") -> None:
        """Images are being scored, or ``why_not``; a full disk is another reason why not."""
        self._why_not = why_not
        if self._board:
            self._board.set_ready(not why_not, why_not)

    def alive(self) -> None:
        """Give a sign of life."""
        self.notifier.alive()
        if self._board:
            self._board.beat()

    def result(self, result: Result) -> None:
        """Take in one result."""
        _log_of(result)
        answer, feed = result.answer, result.line.feed or ""
        if answer:
            reasons = self._drift.add(feed, answer, of_camera=result.entry is None)
            self._alarms.note(f"{self._drift.about} {feed}", *reasons)
        if self._board:
            self._board.scored(result.line, answer.verdict if answer else None, result.number)
            self._board.set_counts(self._spool.outbox.tally())

    def tell(
        self,
        sinks: Mapping[str, SinkHealth],
        disk: str,
        device: str = "",
        failures: Mapping[str, Exception] | None = None,
        *,
        now: bool = False,
    ) -> None:
        """Renew alarms and board, at most once a second.

        Args:
            sinks: how they fare, by name.
            disk: why the spool takes nothing; empty where it does.
            device: why nothing can be scored; empty where it can.
            failures: what ended a feed for good, by feed.
            now: without waiting for the second to pass.
        """
        if not now and time.monotonic() - self._told_at < EVERY_S:
            return
        self._told_at = time.monotonic()
        health = {feed.name: feed.health for feed in self._feeds}
        for name, error in (failures or {}).items():
            if health[name].state != "failed":
                health[name] = replace(health[name], state="failed", message=str(error))
        for name, found in health.items():
            bad = found.state in _ALARMING
            whys = [found.message or found.state] if bad else [found.alarm] if found.alarm else []
            self._alarms.note(f"feed {name}", *(f"{name}: {why}" for why in whys))
        self.sinks(sinks)
        self._alarms.note("disk", *filter(None, [disk]))
        if self._board:
            self._board.set_feeds(health, sinks)
            self._board.set_queue(self._spool.waiting())
            self._board.set_alarms(self._alarms.now, self._alarms.of(SHIFT))
            why_not = self._why_not or disk or device
            self._board.set_ready(not why_not, why_not)

    def sinks(self, sinks: Mapping[str, SinkHealth]) -> None:
        """Renew the alarms of the sinks alone: once more at the end, when they are closed."""
        for name, sink in sinks.items():
            whys = (why if why.startswith(name) else f"{name}: {why}" for why in _wrong(sink))
            self._alarms.note(f"sink {name}", *whys)

    def status(self, scored: int, failed: int) -> None:
        """Tell systemd one line."""
        alarms = self._alarms.now
        more = f"; {len(alarms)} alarms, the first: {alarms[0]}" if alarms else ""
        waiting = self._spool.waiting()
        self.notifier.status(f"{scored} scored, {failed} failed, {waiting} wait{more}")


def _log_of(result: Result) -> None:
    """Log that there is one: by numbers and feed alone, for names and messages may hold a patient's.

    A camera's frames are many: they are for those who look for a fault.
    """
    line, entry = result.line, result.entry
    what = f"object {entry.sequence}" if entry else "a frame"
    score, taken_ms = line.score, line.milliseconds.get("total")
    more = "" if score is None else f", score {score:.2f}"
    more += "" if taken_ms is None else f", {taken_ms:.1f} ms"
    said = facts(
        event="scored",
        result=result.number,
        object=entry.sequence if entry else None,
        feed=line.feed,
        verdict=line.verdict,
        score=score,
        milliseconds=taken_ms,
    )
    told = (result.number, what, line.feed or "a feed that is not known", line.verdict, more)
    _log.log(logging.INFO if entry else logging.DEBUG, "result %d: %s from %s: %s%s", *told, extra=said)


def _wrong(sink: SinkHealth) -> Iterator[str]:
    """Why a sink fails, and what it has not got and will not get."""
    if sink.state == "failing":
        yield sink.message
    if sink.state == "closed" and sink.waiting:
        yield f"{sink.waiting} results wait in its outbox for the next start. {sink.message}".rstrip()
    if sink.lost:
        yield f"{sink.lost} results are lost: more waited than max_waiting"
    apart = min(sink.refused, sink.apart)  # those of this run that were not sent again since
    if apart:
        text = f"{apart} results were refused for good and set apart (docs/guide/sinks.md)"
        yield f"{text}{NEWEST}{sink.refusal}"
