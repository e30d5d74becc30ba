"""Images in tiles, scored as on a device: read one by one, the highest tile speaks, heat is stitched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

import cv2
import numpy as np

from keras_sranogan.data.load import LoadedImages
from keras_sranogan.evaluation.scored import Advance, Images, OnHeat, Scored, by_part, nothing_with_heat
from sranogan_edge.errors import DegenerateImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.image.tiles import judged_tiles, whole
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.tiled import Gathered
from sranogan_edge.scoring.whole import join

__all__ = ["as_heat", "measured_by", "scored_in_tiles"]

Measure: TypeAlias = Callable[[Images], Sequence[Measurement]]

HEAT_SIDES = 2  # times the side judged at: what stitched maps and masks are squeezed to, to be compared
_BATCH = 32  # tiles that are measured at a time


def as_heat(spec: PreprocessSpec) -> PreprocessSpec:
    """Return how an image comes to the size and place of its heat map."""
    return (
        replace(spec, size=HEAT_SIDES * spec.size, fit="stretch", region=(), tile_whole=False)
        if spec.tiled
        else spec
    )


def measured_by(measure_x: Callable[[Images], Measurement]) -> Measure:
    """Return what measures tiles ``(N, S, S, 1)`` one after the other."""
    return lambda x: [measure_x(one) for one in x]


def scored_in_tiles(
    images: LoadedImages,
    spec: PreprocessSpec,
    density: Density,
    measure: Measure,
    advance: Advance,
    on_heat: OnHeat = nothing_with_heat,
) -> Scored:
    """Score images of which only small copies are in memory: each is read again, and covered with tiles.

    Args:
        images: to score.
        spec: how their tiles are cut.
        density: of the model.
        measure: measures tiles.
        advance: is told the number finished.
        on_heat: is given the number of each image and its stitched heat map, as large as the image up to
            4 million pixels.
    """
    assert images.frame is not None
    side, made, heat = as_heat(spec).size, [], []
    for number in range(len(images.items)):
        one = _measured(images.frame(number), spec, density, measure)
        on_heat(number, one.heat)
        heat.append(cv2.resize(one.heat, (side, side), interpolation=cv2.INTER_AREA))
        made.append(one)
        advance(number + 1)
    worst = [one.reconstruction for one in made]
    return Scored(
        score=np.array([one.score for one in made]),
        parts=by_part([one.parts for one in made]),
        x=np.stack([one.x for one in worst]),
        heat=np.stack(heat).astype(np.float32),
        generated=np.stack([one.generated for one in worst]),
        refined=np.stack([one.refined for one in worst]),
        resolved=np.stack([one.resolved for one in worst]),
        search_distance=np.array([one.anogan_score for one in worst]),
    )


def _measured(frame: Frame, spec: PreprocessSpec, density: Density, measure: Measure) -> Measurement:
    gathered, tiles = Gathered(frame, spec, density), judged_tiles(frame, spec)
    while batch := list(islice(tiles, _BATCH)):
        judged = [(box, x) for box, x in batch if x is not None]
        for _ in range(len(batch) - len(judged)):
            gathered.pass_over()
        found = measure(np.stack([x for _, x in judged])) if judged else []
        for (box, x), one in zip(judged, found, strict=True):
            gathered.add(box, x, one)
    made = gathered.whole({})
    if density.whole is None:
        return made
    try:
        seen = measure(whole(frame, spec)[None])[0].reconstruction
    except DegenerateImageError:
        seen = None
    return join(made, seen, density, frame.pixels.shape[:2], spec)
