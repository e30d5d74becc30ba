"""Whether a site's normals score as the bundle's do: told of unlabelled images, before anyone calibrates.

The last images' scores are compared with those of the bundle's held-out normals, one-sided: a share ``a`` of
the images may score anything, and the others must not score higher. Where at most so many of m images are
anomalous, F is the share of the bundle's normals up to a score and G that of the images,

    sup ((1 - a) F - G) / (1 - a)

is at most the one-sided Kolmogorov-Smirnov distance of n normals and ``(1 - a) m`` of this site, whose chance
is exact. A window of m is tested when it is full, and so are its halves and quarters, which find a large
shift sooner and tolerate more, for anomalies come in clusters; the levels add up to the stated rate of
alarms. Images that depend on each other count as fewer (:mod:`sranogan_edge.site.long_run`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError
from sranogan_edge.site import drift_ks
from sranogan_edge.site.drift import PER_IMAGES, DriftSettings
from sranogan_edge.site.long_run import LongRun

__all__ = ["ShiftMonitor"]

PARTS = (4, 2, 1)  # of a window, that are tested
SHARES = (0.25, 0.25, 0.5)  # of the alarms, by part
TOLERATED = (0.2, 0.15, 0.1)  # of the images that may be anomalous, by part
CURE = (
    "Where these images are normal, this site's normals differ from the training's: adapt the bundle to 20 "
    "to 200 of them (sranogan-calibrate --adapt)"
)


class ShiftMonitor:
    """Watches the scores of one feed, in the memory of one window.

    Attributes:
        reason: why this site differs; empty where nothing says so.
    """

    def __init__(self, scores: Sequence[float], settings: DriftSettings | None = None) -> None:
        """Compare with the ``scores`` of the bundle's held-out normals.

        Raises:
            SettingsError: these are too few to show anything at the stated rate of alarms.
        """
        self.settings = settings or DriftSettings()
        self.reason = ""
        self._normals = np.sort(np.asarray(scores, np.float64))
        window, stride = self.settings.window, self.settings.stride
        self._levels = {
            window // parts: share * self.settings.alarms_per_10000 * (window // parts) * stride / PER_IMAGES
            for parts, share in zip(PARTS, SHARES, strict=True)
        }
        self._tolerated = dict(zip(self._levels, TOLERATED, strict=True))
        if self._is_chance(1.0, window, window):
            raise SettingsError(
                f"the bundle's {len(self._normals)} held-out normals are too few to tell whether a site "
                f"differs, at {self.settings.alarms_per_10000:g} alarms in {PER_IMAGES} images"
            )
        self._long_run = LongRun(np.arange(1.0)[:, None])
        self._factor = 1.0
        self._values: NDArray[np.float64] = np.zeros(window)
        self._seen = self._filled = 0

    def add(self, score: float) -> str:
        """Take in one image's score; return the reason after it."""
        self._seen += 1
        if (self._seen - 1) % self.settings.stride:
            return self.reason
        self._values[self._filled] = score
        self._filled += 1
        for size in self._levels:
            if self._filled % size == 0:
                self._test(size)
        self._filled %= self.settings.window
        return self.reason

    def _test(self, size: int) -> None:
        values = self._values[self._filled - size : self._filled]
        if size == min(self._levels):
            self._factor = float(self._long_run.add(values[:, None])[0])
        if not self._is_chance(self._gap(values), size, size / self._factor):
            self.reason = self._differs(values)
        elif size == self.settings.window:
            self.reason = ""

    def _gap(self, values: NDArray[np.float64]) -> float:
        points = np.concatenate([self._normals, values])
        normal = np.searchsorted(self._normals, points, side="right") / len(self._normals)
        here = np.searchsorted(np.sort(values), points, side="right") / len(values)
        others = 1 - self._tolerated[len(values)]
        return float((others * normal - here).max()) / others

    def _is_chance(self, gap: float, size: int, worth: float) -> bool:
        """Whether ``size`` images that are ``worth`` so many may lie ``gap`` above the normals by chance."""
        level, count = min(0.5, self._levels[size]), max(1, int((1 - self._tolerated[size]) * worth))
        return gap < drift_ks.critical_distance(level, len(self._normals), count, one_sided=True)

    def _differs(self, values: NDArray[np.float64]) -> str:
        now, then = float(np.median(values)), float(np.median(self._normals))
        return (
            f"the images score higher than the bundle's normals: half of the last {len(values)} above "
            f"{now:.3g}, of its normals above {then:.3g}. {CURE}"
        )
