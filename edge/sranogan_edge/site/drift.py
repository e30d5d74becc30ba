"""Drift: whether the feed still looks and scores as the images of the site's calibration did.

Every ``window`` images, each statistic of these images is compared with the calibration's by an exact
two-sample Kolmogorov-Smirnov test. Its level is set so that the alarms expected in 10,000 images that are
exchangeable with the calibration's are at most as many as stated, over all statistics together (the sum of
the levels bounds them, whatever depends on what).

Images that follow each other may be alike, frames of a camera nearly equal. The window then counts as fewer
images, by how alike they look (:mod:`sranogan_edge.site.drift_order`) and by how each statistic depends on
the one before (:mod:`sranogan_edge.site.long_run`), whichever leaves fewer; the calibration, too.
Look at every so many with ``stride``, so that enough remain. How alike images are is compared as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.errors import SettingsError
from sranogan_edge.option import Options, option
from sranogan_edge.scoring.statistics import STATISTICS, correlation
from sranogan_edge.site import drift_ks
from sranogan_edge.site.drift_order import Order
from sranogan_edge.site.long_run import LongRun

__all__ = ["DriftMonitor", "DriftSettings", "DriftState", "few_images"]

PER_IMAGES = 10_000
FEW = 100  # images of a calibration; by as many a shift of one standard deviation is found 98 times of 100


@dataclass(frozen=True)
class DriftSettings(Options):
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

    window: int = option(100, least=10)
    alarms_per_10000: float = option(1.0, above=0, below=PER_IMAGES)
    stride: int = option(1, least=1)
    frozen_after: int = option(5, least=2)
    frame_stride: int = option(300, least=1)


@dataclass(frozen=True)
class DriftState:
    """What the monitor says.

    Attributes:
        alarm: whether the feed is unlike the calibration.
        reasons: why, one sentence each; empty without an alarm.
        seen: images so far.
        tested: windows so far; until the first is full nothing is known.
        effective: how many independent images the last window was worth, for the statistic that it was worth
            most for.
    """

    alarm: bool = False
    reasons: tuple[str, ...] = ()
    seen: int = 0
    tested: int = 0
    effective: int = 0


def few_images(site: SiteCalibration) -> str:
    """Say how little drift is found by so few images as ``site`` has; nothing where they are enough."""
    count = len(next(iter((site.usual or site.statistics).values())))
    if count >= FEW:
        return ""
    return (
        f"drift: {count} images find little. A shift by one standard deviation is found at once in "
        "40, 66 and 89 of 100 cases by 20, 30 and 50 images, in 98 by 100, and more rarely where images that "
        "follow each other are alike"
    )


class DriftMonitor:
    """Watches one feed in fixed memory: the numbers of one window, and the last images at 32 x 32 pixels."""

    def __init__(
        self, site: SiteCalibration, settings: DriftSettings | None = None, *, of_camera: bool = False
    ) -> None:
        """Compare with ``site``'s usual images where it has some, else with its normals.

        Args:
            site: the calibration.
            settings: how to watch.
            of_camera: neighbouring frames are nearly equal, and only a calibration that is a sequence too
                says how alike they should be; a frozen picture is the feed's own to find.

        Raises:
            SettingsError: calibration and window are too small for the rate of alarms.
        """
        self.settings = settings or DriftSettings()
        self.state = DriftState()
        self._whose = "usual images" if site.usual else "normals"
        as_they_came = {
            name: np.asarray(values, np.float64) for name, values in (site.usual or site.statistics).items()
        }
        self._reference = {name: np.sort(values) for name, values in as_they_came.items()}
        self._long_run = LongRun(np.stack(list(as_they_came.values()), axis=1))
        self._order = Order(site.successive, site.apart)
        self._compares_order = bool(site.successive) and (self._order.is_sequence or not of_camera)
        self._sees_frozen = not of_camera
        window, names = self.settings.window, list(self._reference)
        tests = PER_IMAGES / (window * self.settings.stride) * (len(names) + self._compares_order)
        self.level = min(0.5, self.settings.alarms_per_10000 / tests)
        self._count = self._order.effective(len(next(iter(self._reference.values()))))
        self.limit = drift_ks.critical_distance(self.level, self._count, window)
        if self.limit > 1:
            raise SettingsError(
                f"drift: {self._count} calibration images and a window of {window} cannot show anything at "
                f"{self.settings.alarms_per_10000:g} alarms in {PER_IMAGES} images. Calibrate with more "
                "images, or allow more alarms."
            )
        if self._compares_order:
            self._long_run_of_pairs = LongRun(np.asarray(site.successive, np.float64)[:, None])
        self._values: NDArray[np.float64] = np.zeros((window, len(names)))
        self._alike: NDArray[np.float64] = np.zeros(window)  # each image to the one before; NaN: not known
        self._filled = self._equal = 0
        self._drifted: tuple[str, ...] = ()
        self._last: NDArray[np.float32] | None = None
        self._looked_at: NDArray[np.float32] | None = None

    def add(self, statistics: Mapping[str, float], grid: NDArray[np.float32] | None = None) -> DriftState:
        """Take in one scored image; returns the state after it.

        Args:
            statistics: of :func:`sranogan_edge.scoring.statistics.statistics_of`.
            grid: of :func:`sranogan_edge.scoring.statistics.grid_of`, to tell how alike images are.
        """
        seen, tested = self.state.seen + 1, self.state.tested
        if grid is not None and self._sees_frozen:
            self._equal = self._equal + 1 if _same(grid, self._last) else 0
            self._last = grid.copy()
        if (seen - 1) % self.settings.stride == 0:
            self._values[self._filled] = [statistics[name] for name in self._reference]
            self._alike[self._filled] = _likeness(grid, self._looked_at)
            self._looked_at = None if grid is None else grid.copy()
            self._filled += 1
        effective = self.state.effective
        if self._filled == self.settings.window:
            worth = np.minimum(
                self._order.effective(self.settings.window, self._alike),
                self.settings.window / self._long_run.add(self._values),
            )
            effective = max(1, int(worth.max()))
            self._drifted = (*self._test(worth), *self._test_order())
            self._filled, tested = 0, tested + 1
        reasons = (*self._frozen(), *self._drifted)
        self.state = DriftState(bool(reasons), reasons, seen, tested, effective)
        return self.state

    @property
    def can_tell(self) -> bool:
        """Whether the last window had enough images that are not alike to show anything."""
        return not self.state.tested or drift_ks.p_value(1, self._count, self.state.effective) <= self.level

    def _frozen(self) -> Sequence[str]:
        equal = self._equal + 1
        if equal < self.settings.frozen_after:
            return ()
        return (f"the picture is frozen: {equal} images in a row are equal. Look at the camera or scanner.",)

    def _test(self, worth: NDArray[np.float64]) -> Sequence[str]:
        """Compare each statistic of the window, which is ``worth`` ``(S,)`` independent images."""
        reasons = []
        for index, (name, reference) in enumerate(self._reference.items()):
            values = self._values[:, index]
            gap = drift_ks.distance(values, reference)
            if gap < self.limit:
                continue
            share = worth[index] / len(values)
            if self._is_chance(gap, min(self._count, share * len(reference)), worth[index]):
                continue
            reasons.append(self._reason(STATISTICS[name], values, reference))
        return reasons

    def _test_order(self) -> Sequence[str]:
        """Compare how alike successive images are, in pairs that share none."""
        values, reference = self._alike[1::2], np.asarray(self._order.successive)
        if not self._compares_order or np.isnan(values).any():
            return ()
        share = 1 / float(self._long_run_of_pairs.add(values[:, None])[0])
        pairs = [
            min(self._order.effective_pairs(count), share * count) for count in (len(reference), len(values))
        ]
        if self._is_chance(drift_ks.distance(values, reference), *pairs):
            return ()
        return (self._reason("likeness of successive images", values, reference),)

    def _is_chance(self, gap: float, calibration: float, window: float) -> bool:
        """Whether samples that are worth so many may lie ``gap`` apart by chance."""
        return drift_ks.p_value(gap, max(1, int(calibration)), max(1, int(window))) > self.level

    def _reason(self, what: str, values: NDArray[np.float64], reference: NDArray[np.float64]) -> str:
        now, then = float(np.median(values)), float(np.median(reference))
        way = "higher" if now > then else "lower" if now < then else "spread otherwise"
        return (
            f"{what} is {way} than in the calibration: half of the last {self.settings.window} images above "
            f"{now:.3g}, of its {self._whose} above {then:.3g}"
        )


def _same(grid: NDArray[np.float32], other: NDArray[np.float32] | None) -> bool:
    return other is not None and bool(np.array_equal(grid, other))


def _likeness(grid: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> float:
    if grid is None or other is None or grid.shape != other.shape:
        return float("nan")
    return correlation(grid, other)
