"""Where the frames of a video feed went: in all, and as its decoder counts them in the shared memory."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np

__all__ = ["HEADER_BYTES", "Counters", "VideoCounts"]

HEADER_BYTES = 4096  # of the shared memory: counters; the pixels follow, aligned to a page


@dataclass(frozen=True)
class VideoCounts:
    """Where the frames went: once a feed has ended, ``read = given + thinned + dropped``.

    Attributes:
        read: by the decoder.
        given: to the runner.
        thinned: left out because ``fps`` is lower than the source's rate.
        dropped: left out because newer ones were there, or lost with a decoder that was killed.
    """

    read: int = 0
    given: int = 0
    thinned: int = 0
    dropped: int = 0


class Counters:
    """Three 64-bit numbers at the start of the shared memory, each written whole."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._counts = np.frombuffer(memory, np.uint64, count=3)

    @property
    def read(self) -> int:
        """Frames that the source gave."""
        return int(self._counts[0])

    @property
    def thinned(self) -> int:
        """Of these, those left out because the wanted rate is lower."""
        return int(self._counts[1])

    @property
    def newest(self) -> int:
        """Number of the newest frame that was there to be given."""
        return int(self._counts[2])

    def set_newest(self, number: int) -> None:
        """Say that frame ``number`` may be asked for."""
        self._counts[2] = np.uint64(number)

    def add_read(self) -> None:
        """Count a frame that was read."""
        self._counts[0] += np.uint64(1)

    def add_thinned(self) -> None:
        """Count a frame that was left out to keep to the rate."""
        self._counts[1] += np.uint64(1)
