"""From the measurements of an image's tiles to one of the image: its score is the highest of theirs.

Of held-out normals the same highest score is taken, so p-value and threshold are those of images, however
many tiles each has (docs/method/tiles.md).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import DegenerateImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess, seen_at
from sranogan_edge.image.region import inside
from sranogan_edge.image.tiles import Box, judged_tiles
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.measurement import Clock, Measurement, Tiles
from sranogan_edge.scoring.residual import HEAT_GRID, on_grid, standardise
from sranogan_edge.scoring.statistics import grid_of, signs_of
from sranogan_edge.scoring.stitch import Stitched

__all__ = ["Gathered", "measure_tiles"]

Image = NDArray[np.float32]


class Gathered:
    """What was measured of the tiles of one image so far; of all but the worst one only sums are kept."""

    def __init__(self, frame: Frame, spec: PreprocessSpec, density: Density) -> None:
        """Begin.

        Args:
            frame: the image.
            spec: how its tiles are cut.
            density: the bundle's own, whose mean normal tile the signs are told by.
        """
        self._frame, self._spec, self._density = frame, spec, density
        self._map = Stitched(*frame.pixels.shape[:2])
        self._worst: tuple[Box, Measurement] | None = None
        self._judged = self._blank = 0
        self._signs: Counter[str] = Counter()
        self._milliseconds: Counter[str] = Counter()

    def add(self, box: Box, plain: Image, made: Measurement) -> None:
        """Add what was ``made`` of the tile at ``box``, ``plain`` ``(S, S, C)``."""
        self._judged += 1
        self._map.lay(box, made.heat)
        self._add_up(self._signs, signs_of(plain, grid_of(made), self._density))
        self._add_up(self._milliseconds, made.milliseconds)
        if self._worst is None or _is_worse(made.score, self._worst[1].score):
            self._worst = box, made

    def pass_over(self) -> None:
        """Count a tile in which there is nothing to judge."""
        self._blank += 1

    def whole(self, milliseconds: Mapping[str, float]) -> Measurement:
        """Return the measurement of the image; ``milliseconds`` stand beside those of the tiles' steps.

        Raises:
            DegenerateImageError: no tile was judged.
        """
        if self._worst is None:
            raise DegenerateImageError(f"{self._frame.source}: none of its tiles can be judged.")
        box, made = self._worst
        tiles = Tiles(
            count=self._judged + self._blank,
            blank=self._blank,
            worst=box.to_list(),
            heat_scale=self._map.scale,
            picture=seen_at(self._frame, *self._map.shape, colour=self._spec.colour),
            grid=_grid(self._frame, self._spec),
            signs={name: total / self._judged for name, total in self._signs.items()},
        )
        taken, heat = {**self._milliseconds, **milliseconds}, self._map.heat()
        if self._spec.region:
            heat[~inside(self._spec.region, heat.shape, 0, 0, heat.shape)] = 0
        return replace(made, heat=heat, milliseconds=taken, tiles=tiles)

    @staticmethod
    def _add_up(sums: Counter[str], values: Mapping[str, float]) -> None:
        for name, value in values.items():
            sums[name] += value  # type: ignore[assignment]  # typeshed has counts of whole numbers alone


def measure_tiles(
    frame: Frame,
    spec: PreprocessSpec,
    density: Density,
    measure_x: Callable[[Image], Measurement],
    pulse: Callable[[], object] = lambda: None,
) -> Measurement:
    """Measure an image tile by tile: one at a time in memory.

    Args:
        frame: the image.
        spec: how its tiles are cut.
        density: the bundle's own (:class:`Gathered`).
        measure_x: measures one tile, ``(S, S, C)``.
        pulse: is called after each tile, as a sign of life.

    Raises:
        ImageError: the image is smaller than a tile, takes too many, or has nothing to judge.
    """
    clock, gathered = Clock(), Gathered(frame, spec, density)
    preprocess_ms = total_ms = 0.0
    for box, plain in judged_tiles(frame, spec):
        clock.lap("preprocess")
        preprocess_ms += clock.laps["preprocess"]
        if plain is None:
            gathered.pass_over()
        else:
            gathered.add(box, plain, measure_x(plain))
        pulse()
        clock.lap("judged")
        total_ms += clock.laps["judged"]
    made = gathered.whole({})
    clock.lap("stitch")
    total_ms += preprocess_ms + clock.laps["stitch"]
    stitch = {"stitch": clock.laps["stitch"], "total": total_ms}
    return replace(made, milliseconds={"preprocess": preprocess_ms, **made.milliseconds, **stitch})


def _is_worse(score: float, than: float) -> bool:
    """Whether a score is higher; one that is no number is the worst of all, whatever comes after it."""
    return not (math.isnan(than) or score <= than)


def _grid(frame: Frame, spec: PreprocessSpec) -> Image:
    """Return the whole image at 32 x 32 pixels, its exposure and contrast taken out."""
    try:
        return on_grid(standardise(preprocess(frame, spec)[..., 0]))
    except DegenerateImageError:  # its detail is too fine to be seen so small
        return np.zeros((HEAT_GRID, HEAT_GRID), np.float32)
