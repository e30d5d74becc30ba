"""Drift: whether the feed still looks and scores as the images of the site's calibration did.

Every ``window`` images, each statistic of these images is compared with the calibration's by an exact
two-sample Kolmogorov-Smirnov test. Its level is set so that the alarms expected in 10,000 images that are
exchangeable with the calibration's are at most as many as stated, over all statistics together (the sum of
the levels bounds them, whatever depends on what). Neighbouring frames of a camera are nearly equal, so they
are not exchangeable: look at every so many with ``stride``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError
from sranogan_edge.site import drift_ks
from sranogan_edge.site.calibration import SiteCalibration
from sranogan_edge.site.drift_statistics import STATISTICS, correlation

__all__ = ["DriftMonitor", "DriftSettings", "DriftState"]

PER_IMAGES = 10_000


@dataclass(frozen=True)
class DriftSettings:
    """How a feed is watched.

    Attributes:
        window: images that are judged together; more find smaller changes, later.
        alarms_per_10000: expected at most in so many images without any drift.
        stride: looks at one image in so many.
        frame_stride: looks at one frame of a camera in so many; neighbours are nearly equal.
        frozen_after: equal images in a row that mean a frozen picture.

    Raises:
        SettingsError: a value that cannot work.
    """

    window: int = 100
    alarms_per_10000: float = 1.0
    stride: int = 1
    frozen_after: int = 5
    frame_stride: int = 300

    def __post_init__(self) -> None:
        for name, low in (("window", 10), ("stride", 1), ("frozen_after", 2), ("frame_stride", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < low:
                raise SettingsError(f"{name} must be a whole number from {low} up; received {value!r}")
        if not 0 < self.alarms_per_10000 < PER_IMAGES:
            raise SettingsError(
                f"alarms_per_10000 must be above 0 and below {PER_IMAGES}; received {self.alarms_per_10000!r}"
            )


@dataclass(frozen=True)
class DriftState:
    """What the monitor says.

    Attributes:
        alarm: whether the feed is unlike the calibration.
        reasons: why, one sentence each; empty without an alarm.
        seen: images so far.
        tested: windows so far; until the first is full nothing is known.
    """

    alarm: bool = False
    reasons: tuple[str, ...] = ()
    seen: int = 0
    tested: int = 0


class DriftMonitor:
    """Watches one feed in fixed memory: the numbers of one window, and the last image at 32 x 32 pixels."""

    def __init__(self, site: SiteCalibration, settings: DriftSettings | None = None) -> None:
        """Compare with ``site``'s usual images where it has some, else with its normals.

        Raises:
            SettingsError: calibration and window are too small for the rate of alarms.
        """
        self.settings = settings or DriftSettings()
        self.state = DriftState()
        usual = bool(site.usual)
        self._whose = "usual images" if usual else "normals"
        self._reference = {
            name: np.sort(np.asarray(values, np.float64))
            for name, values in (site.usual or site.statistics).items()
        }
        count = len(next(iter(self._reference.values())))
        window, names = self.settings.window, list(self._reference)
        tests = PER_IMAGES / (window * self.settings.stride) * len(names)
        self.level = min(0.5, self.settings.alarms_per_10000 / tests)
        self.limit = drift_ks.critical_distance(self.level, count, window)
        if self.limit > 1:
            raise SettingsError(
                f"drift: {count} calibration images and a window of {window} cannot show anything at "
                f"{self.settings.alarms_per_10000:g} alarms in {PER_IMAGES} images. Calibrate with more "
                "images, or allow more alarms."
            )
        self._values: NDArray[np.float64] = np.zeros((window, len(names)))
        self._filled = self._equal = 0
        self._drifted: tuple[str, ...] = ()
        self.sequence_correlation: float | None = None  # of the last two images, at 32 x 32 pixels
        self._last: NDArray[np.float32] | None = None

    def add(self, statistics: Mapping[str, float], grid: NDArray[np.float32] | None = None) -> DriftState:
        """Take in one scored image; returns the state after it.

        Args:
            statistics: of :func:`sranogan_edge.site.drift_statistics.statistics_of`.
            grid: of :func:`sranogan_edge.site.drift_statistics.grid_of`, to notice a frozen picture.
        """
        seen, tested = self.state.seen + 1, self.state.tested
        if grid is not None:
            self._compare(grid)
        if (seen - 1) % self.settings.stride == 0:
            self._values[self._filled] = [statistics[name] for name in self._reference]
            self._filled += 1
        if self._filled == self.settings.window:
            self._drifted = tuple(self._test())
            self._filled, tested = 0, tested + 1
        reasons = (*self._frozen(), *self._drifted)
        self.state = DriftState(bool(reasons), reasons, seen, tested)
        return self.state

    def _compare(self, grid: NDArray[np.float32]) -> None:
        if self._last is not None and self._last.shape == grid.shape:
            same = bool(np.array_equal(grid, self._last))
            self._equal = self._equal + 1 if same else 0
            self.sequence_correlation = correlation(grid, self._last)
        self._last = grid.copy()

    def _frozen(self) -> Sequence[str]:
        equal = self._equal + 1
        if equal < self.settings.frozen_after:
            return ()
        return (f"the picture is frozen: {equal} images in a row are equal. Look at the camera or scanner.",)

    def _test(self) -> Sequence[str]:
        reasons = []
        for index, (name, reference) in enumerate(self._reference.items()):
            values = self._values[:, index]
            if drift_ks.distance(values, reference) < self.limit:
                continue
            now, then = float(np.median(values)), float(np.median(reference))
            way = "higher" if now > then else "lower" if now < then else "spread otherwise"
            reasons.append(
                f"{STATISTICS[name]} is {way} than in the calibration: half of the last "
                f"{self.settings.window} images above {now:.3g}, of its {self._whose} above {then:.3g}"
            )
        return reasons
