"""The order of images: how alike successive ones are, and how many independent ones they are worth.

Images of one place have a part in common, and each has its own: two that have nothing to do with each other
correlate by ``apart``, the share of the common part, and two in a row by ``apart + (1 - apart) rho``, where
rho is the correlation of their own parts. The mean of n numbers that depend on each other so, ever less with
every further step (an autoregression of order 1), varies as that of ``n (1 - rho) / (1 + rho)`` independent
ones; a share of them, which is what the test compares, varies less (Bayley and Hammersley, 1946).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Order"]

SEQUENCE_RHO = 0.5  # the own parts of two in a row have half in common: the folder is a film, not a pile
_SMALLEST_OWN = 1e-6  # of images that are all alike


@dataclass(frozen=True)
class Order:
    """What a calibration says of it.

    Attributes:
        successive: likeness of images in a row, pairs that share no image; empty where it is not known.
        apart: mean likeness of images far apart.
    """

    successive: tuple[float, ...]
    apart: float

    @property
    def is_sequence(self) -> bool:
        """Whether the calibration's images follow each other as frames of a film do."""
        return bool(self.successive) and self._rho(self.successive) >= SEQUENCE_RHO

    def effective(self, count: int, alike: ArrayLike | None = None) -> int:
        """How many independent images ``count`` are worth, at least 1.

        Args:
            count: of images.
            alike: likeness of each to the one before, NaN where it is not known; None: as in the calibration.
        """
        if not self.successive:
            return count
        return _worth(count, self._rho(self.successive if alike is None else alike))

    def effective_pairs(self, count: int) -> int:
        """How many independent likenesses ``count`` of pairs in a row are worth, as in the calibration.

        A scene that moves now and rests then has likenesses that depend on each other: rho is their own.
        """
        off = np.asarray(self.successive) - np.mean(self.successive)
        return _worth(count, float((off[1:] * off[:-1]).sum() / max(np.square(off).sum(), _SMALLEST_OWN)))

    def _rho(self, alike: ArrayLike) -> float:
        known = np.asarray(alike, np.float64)
        known = known[~np.isnan(known)]
        if not len(known):
            return 0.0
        own = max(1 - self.apart, _SMALLEST_OWN)
        return float((known.mean() - self.apart) / own)


def _worth(count: int, rho: float) -> int:
    bounded = float(np.clip(rho, 0, 1))
    return max(1, int(count * (1 - bounded) / (1 + bounded)))
