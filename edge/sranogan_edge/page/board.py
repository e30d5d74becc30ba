"""What the page and the metrics show: written by the service's loop, read by the web server's thread."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.errors import SettingsError, StaleThresholdError
from sranogan_edge.feeds.feed import FeedHealth
from sranogan_edge.image.own_outputs import HEAT_MAPS
from sranogan_edge.page.entry import Entry, Picture, grey, png, saved_png
from sranogan_edge.results.line import NOT_ASKED_FOR, VERDICTS, ResultLine, scored_at_s
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.overlay import overlay_of
from sranogan_edge.scoring.rule import Rule, Verdict
from sranogan_edge.sinks.sink import SinkHealth

__all__ = ["VERDICTS", "Board", "Entry", "Picture", "Snapshot"]

HISTORY = 1000  # results that the page can search; of those before, so many that are not normal
THUMBNAILS = 200  # of them, so many keep their picture
LATENCIES = 200  # images that the latencies shown are over
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


@dataclass
class Histogram:
    """Counts of durations by :data:`BUCKETS_MS`, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    total_ms: float = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one image in its bucket."""
        self.counts[int(np.searchsorted(BUCKETS_MS, milliseconds, side="left"))] += 1
        self.total_ms += milliseconds


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The board at one moment; nothing in it changes afterwards."""

    about: Mapping[str, Any]
    ready: bool
    not_ready_because: str
    threshold: float
    calibration: Calibration
    counts: Mapping[str, int]
    feeds: Mapping[str, FeedHealth]
    sinks: Mapping[str, SinkHealth]
    alarms: tuple[str, ...]
    differing: frozenset[str]
    queue: int
    entries: tuple[Entry, ...]
    latencies: Mapping[str, tuple[float, ...]]
    histograms: Mapping[str, tuple[tuple[int, ...], float]]
    beat_age_s: float
    can_set_threshold: bool
    calibration_version: str


class Board:
    """State of a running service; every method may be called from any thread."""

    def __init__(
        self,
        calibration: Calibration,
        heat_limit: float,
        about: Mapping[str, Any] | None = None,
        *,
        threshold: float | None = None,
        on_threshold: Callable[[float, str], None] | None = None,
        earlier: Sequence[ResultLine] = (),
        out: Path | None = None,
    ) -> None:
        """Begin, not ready yet.

        Args:
            calibration: in force; the slider says how many of its normals a threshold would flag.
            heat_limit: of the bundle's density, which pictures are scaled by.
            about: what to tell of bundle, backend and machine: text by name.
            threshold: in force; the calibration's where left out.
            on_threshold: is called when a threshold is applied on the page, with the threshold and who did
                (in the web server's thread); without it the slider only previews.
            earlier: results of earlier runs, the oldest first; shown, but not counted (:meth:`set_counts`).
            out: the folder that heat maps are in, below ``HEAT_MAPS``.
        """
        self._lock = threading.Lock()
        self._rule, self._heat_limit = Rule(calibration, threshold), heat_limit
        self._about, self._on_threshold = dict(about or {}), on_threshold
        self._out = out
        self._entries: deque[Entry] = deque()
        self._before: deque[Entry] = deque(maxlen=HISTORY)  # older ones that are not normal
        self._latencies: dict[str, deque[float]] = {}
        self._histograms: dict[str, Histogram] = {}
        self._counts = dict.fromkeys(VERDICTS, 0)
        self._feeds: dict[str, FeedHealth] = {}
        self._sinks: dict[str, SinkHealth] = {}
        self._alarms: tuple[str, ...] = ()
        self._differing: frozenset[str] = frozenset()
        self._ready, self._because = False, "starting"
        self._queue, self._number, self._beat = 0, 0, time.monotonic()
        self._version = _version_of(calibration, self._about)
        self._applying = threading.Lock()  # what is applied is for the calibration that was looked at
        self._live: tuple[int, Verdict] | None = None
        self._changes = 0
        for line in earlier:
            self._show(line, scored_at_s(line))

    @property
    def changes(self) -> int:
        """A number that is another one as soon as something to be shown has changed."""
        return self._changes

    @property
    def threshold(self) -> float:
        """Scores above it are flagged; the calibration's, or what was applied on the page."""
        with self._lock:
            return self._rule.threshold

    def set_threshold(self, threshold: float, by: str = "", *, version: str | None = None) -> None:
        """Put ``threshold`` in force.

        Args:
            threshold: scores above it are flagged.
            by: who did.
            version: ``calibration_version`` of the snapshot that it was chosen by; None: the one in force.

        Raises:
            StaleThresholdError: another calibration is in force than it was chosen by.
            SettingsError: it is no number, or may not be set.
            ResultsError: it cannot be kept, and is not in force.
        """
        with self._applying:
            self.check_threshold(threshold, version)
            assert self._on_threshold
            self._on_threshold(threshold, by)
            with self._lock:
                self._rule = replace(self._rule, override=threshold)
                self._changes += 1

    def check_threshold(self, threshold: float, version: str | None = None) -> None:
        """Raise what :meth:`set_threshold` would, as far as can be told."""
        if not math.isfinite(threshold):
            raise SettingsError(f"a threshold must be a finite number; received {threshold!r}")
        if self._on_threshold is None:
            raise SettingsError("this runner does not let the page set the threshold; calibrate instead")
        if version is not None and version != self._version:
            raise StaleThresholdError(
                "another bundle or calibration has taken over since you chose, and scores mean something "
                "else now. Look at the new preview, and apply again."
            )
        low, high = self._rule.calibration.reach
        if not low <= threshold <= high:
            raise SettingsError(
                f"a threshold of {threshold:g} is out of the calibration's reach, {low:.4g} to {high:.4g}. "
                "Choose one within it, or calibrate."
            )

    def recalibrated(self, calibration: Calibration, heat_limit: float, about: Mapping[str, Any]) -> None:
        """Another bundle or calibration is in force, with its own threshold."""
        with self._applying, self._lock:
            self._rule, self._heat_limit, self._about = Rule(calibration), heat_limit, dict(about)
            self._version = _version_of(calibration, about)
            self._changes += 1

    def scored(self, line: ResultLine, verdict: Verdict | None, result: int = 0) -> None:
        """Show a result, as it goes to the sinks.

        ``verdict`` None: the image could not be judged; ``result`` is its number in the spool.
        """
        picture = None if verdict is None else Picture.of(verdict, self._heat_limit)
        with self._lock:
            self._show(line, time.time(), picture, result)
            self._counts[line.verdict] += 1
            for stage, taken in line.milliseconds.items():
                self._latencies.setdefault(stage, deque(maxlen=LATENCIES)).append(taken)
                self._histograms.setdefault(stage, Histogram()).add(taken)
            if verdict is not None:
                self._live = (self._number, verdict)
            self._changes += 1
            self._beat = time.monotonic()

    def _show(self, line: ResultLine, at: float, picture: Picture | None = None, result: int = 0) -> None:
        """Put a result into the history; inside the lock."""
        if len(self._entries) >= THUMBNAILS:  # an older one gives up its picture
            place = len(self._entries) - THUMBNAILS
            self._entries[place] = replace(self._entries[place], picture=None)
        if len(self._entries) >= HISTORY:
            oldest = self._entries.popleft()
            if oldest.line.verdict not in ("normal", NOT_ASKED_FOR):
                self._before.append(oldest)
        self._number += 1
        saved = self._out / HEAT_MAPS / Path(line.heat_map).name if self._out and line.heat_map else None
        self._entries.append(Entry(self._number, line, at, picture, saved, result))

    def set_counts(self, counts: Mapping[str, int]) -> None:
        """Show how many results there are by verdict, as the store of results counts them."""
        with self._lock:
            self._counts = {verdict: counts.get(verdict, 0) for verdict in VERDICTS}

    def set_feeds(self, feeds: Mapping[str, FeedHealth], sinks: Mapping[str, SinkHealth]) -> None:
        """Show how feeds and sinks fare, by name."""
        with self._lock:
            self._changes += (self._feeds, self._sinks) != (feeds, sinks)
            self._feeds, self._sinks = dict(feeds), dict(sinks)
            self._beat = time.monotonic()

    def set_alarms(self, reasons: tuple[str, ...], differing: frozenset[str] = frozenset()) -> None:
        """Show what is wrong (drift, disk, sinks), one sentence each; empty when all is well.

        ``differing`` are the feeds that an alarm says so of: their normals score unlike the bundle's.
        """
        with self._lock:
            self._changes += (self._alarms, self._differing) != (tuple(reasons), differing)
            self._alarms, self._differing = tuple(reasons), differing

    def set_queue(self, waiting: int) -> None:
        """Show how many objects wait to be scored."""
        with self._lock:
            self._changes += self._queue != waiting
            self._queue = waiting

    def set_ready(self, ready: bool, because: str = "") -> None:
        """Answer /readyz: whether the detector is proven and the feeds are open."""
        with self._lock:
            self._changes += (self._ready, self._because) != (ready, because)
            self._ready, self._because = ready, because

    def beat(self) -> None:
        """Say that the loop is alive; /healthz fails when it has not for a while."""
        with self._lock:
            self._beat = time.monotonic()

    def snapshot(self) -> Snapshot:
        """Return all of it at this moment."""
        with self._lock:
            return Snapshot(
                about=dict(self._about),
                ready=self._ready,
                not_ready_because=self._because,
                threshold=self._rule.threshold,
                calibration=self._rule.calibration,
                counts=dict(self._counts),
                feeds=dict(self._feeds),
                sinks=dict(self._sinks),
                alarms=self._alarms,
                differing=self._differing,
                queue=self._queue,
                entries=(*self._before, *self._entries),
                latencies={stage: tuple(taken) for stage, taken in self._latencies.items()},
                histograms={
                    stage: (tuple(one.counts), one.total_ms) for stage, one in self._histograms.items()
                },
                beat_age_s=time.monotonic() - self._beat,
                can_set_threshold=self._on_threshold is not None,
                calibration_version=self._version,
            )

    def picture_of(self, result: int, heat_map: object) -> bytes | None:
        """Return a result's picture as PNG: from memory, or the ``heat_map`` that its line names."""
        with self._lock:
            entries = [one for one in self._entries if one.result == result and one.picture]
        if entries:
            return entries[0].png()
        if self._out is None or not isinstance(heat_map, str):
            return None
        return saved_png(self._out / HEAT_MAPS / Path(heat_map).name)

    def live_picture(self, kind: str) -> bytes | None:
        """Return the newest judged image as PNG: its ``frame``, ``reconstruction`` or ``heat`` map."""
        with self._lock:
            live, limit = self._live, self._heat_limit
        if live is None:
            return None
        verdict = live[1]
        if kind == "heat":
            return png(overlay_of(verdict, limit))
        return png(grey(verdict.picture if kind == "frame" else verdict.reconstruction.resolved))


def _version_of(calibration: Calibration, about: Mapping[str, Any]) -> str:
    """Name what thresholds are chosen by: the same after a restart, another with another bundle."""
    seen = repr((calibration.scores, calibration.false_alarm_rate, sorted(about.items())))
    return hashlib.sha256(seen.encode()).hexdigest()[:16]
