"""The drift of each feed, watched by a monitor of its own; uncalibrated, whether the site differs."""

from __future__ import annotations

import logging
from dataclasses import replace

from sranogan_edge.detector.judge import Answer, Judge
from sranogan_edge.errors import SettingsError
from sranogan_edge.site.drift import DriftMonitor, DriftSettings
from sranogan_edge.site.shift import ShiftMonitor

__all__ = ["DRIFT", "SHIFT", "FeedsDrift"]

DRIFT, SHIFT = "drift", "shift"  # what alarms are about, with the feed's name behind it

_log = logging.getLogger(__name__)


class FeedsDrift:
    """Monitors by feed; where the calibration is too small, there are none.

    Attributes:
        about: ``DRIFT`` off a site's calibration; without one ``SHIFT`` off the bundle's normals.
    """

    def __init__(self, judge: Judge, settings: DriftSettings | None) -> None:
        """Compare with the calibration of ``judge``; ``settings`` None watches nothing."""
        self._site = judge.site.calibration if judge.site else None
        self.about = DRIFT if self._site else SHIFT
        self._normals = judge.rule.calibration.scores
        self._settings = settings
        self._monitors: dict[str, DriftMonitor] = {}
        self._shifts: dict[str, ShiftMonitor] = {}
        self._told: set[str] = set()  # feeds whose images are too alike

    def add(self, feed: str, answer: Answer, *, of_camera: bool) -> tuple[str, ...]:
        """Take in one answer; returns what is wrong with its feed now, one sentence each.

        A camera's neighbouring frames are nearly equal: one in ``frame_stride`` is looked at, and whether
        its picture is frozen is told by its feed. Where even these are too alike, the log says so once.
        """
        if self._settings is None:
            return ()
        if self._site is None:
            return self._shift(feed, answer, self._settings, of_camera)
        monitor = self._monitors.get(feed)
        if monitor is None:
            monitor = self._open(feed, self._settings, of_camera)
            if monitor is None:
                return ()
        before = monitor.state.tested
        state = monitor.add(answer.statistics, answer.grid)
        if state.tested > before and feed not in self._told and not monitor.can_tell:
            self._told.add(feed)
            _log.warning(
                "%s: successive images are so alike that %d are worth %d, too few to be watched for drift: "
                "look at fewer (frame_stride, stride)",
                feed,
                monitor.settings.window,
                state.effective,
            )
        return tuple(f"{feed}: {reason}" if feed else reason for reason in state.reasons)

    def _shift(self, feed: str, answer: Answer, settings: DriftSettings, of_camera: bool) -> tuple[str, ...]:
        """Watch scores alone: not of what is foreign, nor of several frames, whose highest is higher."""
        monitor = self._shifts.get(feed)
        if monitor is None:
            stride = settings.frame_stride if of_camera else settings.stride
            try:
                monitor = ShiftMonitor(self._normals, replace(settings, stride=stride))
            except SettingsError as error:
                _log.info("%s; that is not watched", error)
                self._settings = None
                return ()
            self._shifts[feed] = monitor
        if answer.frames == 1 and not answer.out_of_domain:
            monitor.add(answer.verdict.score)
        if not monitor.reason:
            return ()
        return (f"{feed}: {monitor.reason}" if feed else monitor.reason,)

    def _open(self, feed: str, settings: DriftSettings, of_camera: bool) -> DriftMonitor | None:
        assert self._site is not None
        stride = settings.frame_stride if of_camera else settings.stride
        try:
            monitor = DriftMonitor(self._site, replace(settings, stride=stride), of_camera=of_camera)
        except SettingsError as error:
            _log.warning("%s; the feeds are not watched for drift", error)
            self._settings = None
            return None
        self._monitors[feed] = monitor
        return monitor
