"""Black and frozen pictures: a camera that sends frames and shows nothing.

The thresholds are those of FFmpeg's ``blackdetect`` and ``freezedetect`` filters, which have judged many
more cameras than ours. A picture is *black* where at least 98 % of it lies at or below 10 % of full scale for
two seconds. It is *frozen* where the mean absolute difference to one and the same earlier picture stays at or
below 0.1 % of full scale (-60 dB) for ten seconds; the noise of a live sensor is several times that. The ten
seconds are ours: an object may well lie still before a camera, and ``freezedetect``'s two cry too soon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.option import Options, option

__all__ = ["StillLimits", "StillWatch"]

Finding = Literal["", "black", "frozen"]


@dataclass(frozen=True)
class StillLimits(Options):
    """When a picture counts as black or frozen.

    Attributes:
        black_level: share of full scale up to which a pixel is black.
        black_area: share of the pixels that must be.
        black_s: for how long, in seconds.
        frozen_difference: mean absolute difference, of full scale, up to which two pictures are one.
        frozen_s: for how long, in seconds; infinite for a scene that may truly stand still without noise.

    Raises:
        SettingsError: a value that cannot work.
    """

    black_level: float = option(0.10, least=0, most=1)
    black_area: float = option(0.98, least=0, most=1)
    black_s: float = option(2.0, above=0)
    frozen_difference: float = option(0.001, least=0, most=1)
    frozen_s: float = option(10.0, above=0)


class StillWatch:
    """Looks at every frame of one camera and says when it has been black or frozen for too long."""

    SAMPLES = 128  # rows and columns looked at; picked, not averaged, which would remove the sensor's noise

    def __init__(self, limits: StillLimits | None = None) -> None:
        self.limits = limits or StillLimits()
        self._black_since: float | None = None
        self._reference: NDArray[np.float32] | None = None
        self._same_since = 0.0

    def look(self, pixels: NDArray[np.uint8] | NDArray[np.uint16], at: float) -> Finding:
        """Judge the next frame.

        Args:
            pixels: ``(H, W)`` or ``(H, W, 3)``, full range of the type.
            at: monotonic seconds.
        """
        sample = self._sample(pixels)
        self._note_black(sample, at)
        self._note_frozen(sample, at)
        if self._black_since is not None and at - self._black_since >= self.limits.black_s:
            return "black"
        return "frozen" if at - self._same_since >= self.limits.frozen_s else ""

    def restart(self) -> None:
        """Forget what was seen: the camera was opened again."""
        self._black_since, self._reference = None, None

    def _sample(self, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
        rows, columns = (np.linspace(0, n - 1, min(n, self.SAMPLES)).astype(int) for n in pixels.shape[:2])
        picked: NDArray[np.float32] = pixels[rows[:, None], columns].astype(np.float32)
        picked /= np.iinfo(pixels.dtype).max
        return picked

    def _note_black(self, sample: NDArray[np.float32], at: float) -> None:
        level = sample.max(axis=2) if sample.ndim == 3 else sample
        black = float(np.mean(level <= self.limits.black_level)) >= self.limits.black_area
        if not black:
            self._black_since = None
        elif self._black_since is None:
            self._black_since = at

    def _note_frozen(self, sample: NDArray[np.float32], at: float) -> None:
        known, most = self._reference, self.limits.frozen_difference
        if known is None or known.shape != sample.shape or float(np.abs(sample - known).mean()) > most:
            self._reference, self._same_since = sample, at
