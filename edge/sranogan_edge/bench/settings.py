"""How a bundle is measured."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BenchSettings"]


@dataclass(frozen=True)
class BenchSettings:
    """How to measure.

    Attributes:
        repeats: frames that are timed, in each configuration.
        warm_up: frames before them that are not.
        frame_side: height of the 8-bit frames, in pixels.
        frame_width: None is as wide as high.
    """

    repeats: int = 200
    warm_up: int = 20
    frame_side: int = 1024
    frame_width: int | None = None

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels."""
        return self.frame_side, self.frame_width or self.frame_side
