"""What the page and the metrics show: written by the service's loop, read by the web server's thread."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.density import Calibration
from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.feed import FeedHealth
from sranogan_edge.pipeline import Verdict
from sranogan_edge.results import OUT_OF_DOMAIN, VERDICTS, ResultLine, overlay
from sranogan_edge.sinks.sink import SinkHealth

__all__ = ["OUT_OF_DOMAIN", "VERDICTS", "Board", "Entry", "Picture", "Snapshot"]

HISTORY = 1000  # results that the page can search
THUMBNAILS = 200  # of them, so many keep their picture
THUMBNAIL_SIDE_PX = 192
LATENCIES = 200  # images that the latencies shown are over
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image with its heat map, small in memory; a PNG is made of it when somebody looks.

    Attributes:
        grey: ``(S, S)`` uint8.
        heat: ``(S, S)`` float16, standard deviations off the normals.
        heat_limit: of the bundle that made it.
    """

    grey: NDArray[np.uint8]
    heat: NDArray[np.float16]
    heat_limit: float

    @classmethod
    def of(cls, verdict: Verdict, heat_limit: float) -> Picture:
        """Keep what ``verdict`` shows."""
        return cls(_grey(verdict.reconstruction.x), verdict.heat.astype(np.float16), heat_limit)

    def png(self) -> bytes:
        """Draw it, ``THUMBNAIL_SIDE_PX`` a side."""
        x = self.grey[..., None].astype(np.float32) / np.float32(255)
        whole = overlay(x, self.heat.astype(np.float32), self.heat_limit)
        side = (THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX)
        return _png(np.asarray(cv2.resize(whole, side, interpolation=cv2.INTER_AREA), np.uint8))


@dataclass(frozen=True, eq=False)
class Entry:
    """One result as the page shows it.

    Attributes:
        number: counts the results of this runner from 1.
        line: as the sinks got it.
        verdict: one of :data:`VERDICTS`.
        feed: name of the feed that it came from.
        reason: why it is out of domain, or the error; else empty.
        shown_at: Unix time in seconds.
        picture: of the image with its heat map; None where there is none, or no longer.
    """

    number: int
    line: ResultLine
    verdict: str
    feed: str
    reason: str
    shown_at: float
    picture: Picture | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        line = self.line
        return {
            "number": self.number,
            "file": line.file,
            "feed": self.feed,
            "verdict": self.verdict,
            "score": line.score,
            "p_value": line.p_value,
            "threshold": line.threshold,
            "milliseconds": dict(line.milliseconds),
            "reason": self.reason,
            "time": self.shown_at,
            "picture": self.picture is not None,
        }


@dataclass
class Histogram:
    """Counts of durations by :data:`BUCKETS_MS`, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    total_ms: float = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one."""
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
    queue: int
    entries: tuple[Entry, ...]
    latencies: Mapping[str, tuple[float, ...]]
    histograms: Mapping[str, tuple[tuple[int, ...], float]]
    beat: float
    can_set_threshold: bool
    calibration_version: int


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
    ) -> None:
        """Begin, not ready yet.

        Args:
            calibration: in force; the slider says how many of its normals a threshold would flag.
            heat_limit: of the bundle's density, which pictures are scaled by.
            about: what to tell of bundle, backend and machine: text by name.
            threshold: in force; the calibration's where left out.
            on_threshold: is called when a threshold is applied on the page, with the threshold and who did
                (in the web server's thread); without it the slider only previews.
        """
        self._lock = threading.Lock()
        self._calibration, self._heat_limit = calibration, heat_limit
        self._about, self._on_threshold = dict(about or {}), on_threshold
        self._threshold = calibration.threshold if threshold is None else threshold
        self._entries: deque[Entry] = deque(maxlen=HISTORY)
        self._latencies: dict[str, deque[float]] = {}
        self._histograms: dict[str, Histogram] = {}
        self._counts = dict.fromkeys(VERDICTS, 0)
        self._feeds: dict[str, FeedHealth] = {}
        self._sinks: dict[str, SinkHealth] = {}
        self._alarms: tuple[str, ...] = ()
        self._ready, self._because = False, "starting"
        self._queue, self._number, self._beat = 0, 0, time.time()
        self._version = 0  # of the calibration
        self._live: tuple[int, Verdict] | None = None

    def judged(self, verdict: Verdict) -> Verdict:
        """Return ``verdict`` by the threshold in force."""
        threshold = self.threshold
        return replace(verdict, threshold=threshold, anomalous=verdict.score > threshold)

    @property
    def threshold(self) -> float:
        """In force."""
        with self._lock:
            return self._threshold

    def set_threshold(self, threshold: float, by: str = "") -> None:
        """Put ``threshold`` in force.

        Raises:
            SettingsError: it is no number, or may not be set.
            ResultsError: it cannot be kept, and is not in force.
        """
        if not math.isfinite(threshold):
            raise SettingsError(f"a threshold must be a finite number; received {threshold!r}")
        if self._on_threshold is None:
            raise SettingsError("this runner does not let the page set the threshold; calibrate instead")
        self._on_threshold(threshold, by)
        with self._lock:
            self._threshold = threshold

    def recalibrated(self, calibration: Calibration, heat_limit: float, about: Mapping[str, Any]) -> None:
        """Another bundle or calibration is in force, with its own threshold."""
        with self._lock:
            self._calibration, self._heat_limit, self._about = calibration, heat_limit, dict(about)
            self._threshold, self._version = calibration.threshold, self._version + 1

    def scored(
        self, line: ResultLine, verdict: Verdict | None, *, feed: str = "", out_of_domain: str = ""
    ) -> None:
        """Show a result.

        Args:
            line: as it goes to the sinks.
            verdict: of the image; None for one that could not be judged.
            feed: name of the feed.
            out_of_domain: why the score means nothing (``DomainAnswer.message``); empty where it does.
        """
        picture = None if verdict is None else Picture.of(verdict, self._heat_limit)
        kind = OUT_OF_DOMAIN if out_of_domain else line.verdict
        with self._lock:
            self._number += 1
            reason = out_of_domain or line.error or ""
            if len(self._entries) >= THUMBNAILS:  # an older one gives up its picture
                self._entries[-THUMBNAILS] = replace(self._entries[-THUMBNAILS], picture=None)
            self._entries.append(Entry(self._number, line, kind, feed, reason, time.time(), picture))
            self._counts[kind] = self._counts.get(kind, 0) + 1
            for stage, taken in line.milliseconds.items():
                self._latencies.setdefault(stage, deque(maxlen=LATENCIES)).append(taken)
                self._histograms.setdefault(stage, Histogram()).add(taken)
            if verdict is not None:
                self._live = (self._number, verdict)
            self._beat = time.time()

    def set_feeds(self, feeds: Mapping[str, FeedHealth], sinks: Mapping[str, SinkHealth]) -> None:
        """Show how feeds and sinks fare, by name."""
        with self._lock:
            self._feeds, self._sinks = dict(feeds), dict(sinks)
            self._beat = time.time()

    def set_alarms(self, reasons: tuple[str, ...]) -> None:
        """Show what is wrong (drift, disk, sinks), one sentence each; empty when all is well."""
        with self._lock:
            self._alarms = tuple(reasons)

    def set_queue(self, waiting: int) -> None:
        """Show how many objects wait to be scored."""
        with self._lock:
            self._queue = waiting

    def set_ready(self, ready: bool, because: str = "") -> None:
        """Answer /readyz: whether the detector is proven and the feeds are open."""
        with self._lock:
            self._ready, self._because = ready, because

    def beat(self) -> None:
        """Say that the loop is alive; /healthz fails when it has not for a while."""
        with self._lock:
            self._beat = time.time()

    def snapshot(self) -> Snapshot:
        """Return all of it at this moment."""
        with self._lock:
            return Snapshot(
                about=dict(self._about),
                ready=self._ready,
                not_ready_because=self._because,
                threshold=self._threshold,
                calibration=self._calibration,
                counts=dict(self._counts),
                feeds=dict(self._feeds),
                sinks=dict(self._sinks),
                alarms=self._alarms,
                queue=self._queue,
                entries=tuple(self._entries),
                latencies={stage: tuple(taken) for stage, taken in self._latencies.items()},
                histograms={
                    stage: (tuple(one.counts), one.total_ms) for stage, one in self._histograms.items()
                },
                beat=self._beat,
                can_set_threshold=self._on_threshold is not None,
                calibration_version=self._version,
            )

    def live_picture(self, kind: str) -> bytes | None:
        """Return the newest judged image as PNG: its ``frame``, ``reconstruction`` or ``heat`` map."""
        with self._lock:
            live, limit = self._live, self._heat_limit
        if live is None:
            return None
        made = live[1].reconstruction
        if kind == "heat":
            return _png(overlay(made.x, live[1].heat, limit))
        return _png(_grey(made.x if kind == "frame" else made.resolved))


def _grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(image[..., 0].clip(0, 1) * 255), np.uint8)


def _png(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1].tobytes())
