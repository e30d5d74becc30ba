"""Densities of tiles and, where it is judged beside them, of whole images; one calibration of both.

An image's score is the higher of two: of its tiles and of its whole, each in standard deviations of the same
held-out images. Both are out of fold, and a patient's rows share a fold in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from keras_sranogan.detector.fit import FLOOR, Fitted, fit_detector, fit_images, folds_of, limit_of
from keras_sranogan.detector.heat_maps import DISPLAYED, heat_maps
from keras_sranogan.detector.normals import Normals
from keras_sranogan.settings import DetectorSettings
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density, Whole
from sranogan_edge.scoring.heat import TILE_HEAT_WEIGHTS
from sranogan_edge.scoring.usual_regions import UsualRegions
from sranogan_edge.scoring.whole import hotter

__all__ = ["fit_held_out"]

Rows = Mapping[str, NDArray[np.float32]]


@threadpool_limits.wrap(limits=1, user_api="blas")  # products are small: threads would wait for each other
def fit_held_out(
    measured: Rows,
    heat: NDArray[np.float32],
    normals: Normals,
    settings: DetectorSettings,
    seed: int,
    trained_on: Rows,
) -> tuple[Density, Calibration]:
    """Fit densities to what was measured of held-out normals, and calibrate (:func:`fit_detector`).

    Args:
        measured: ``(N, D)`` float32 by part.
        heat: ``(N, planes, HEAT_GRID, HEAT_GRID)`` float32.
        normals: whose rows these are; wholes among them are judged by a density of their own.
        settings: of the detector.
        seed: of the assignment to folds.
        trained_on: by part, ``(M, D)`` of normals that the networks were trained on.
    """
    whole, groups, original = normals.whole, normals.groups, normals.original
    if whole is None:
        told = settings, seed, trained_on, normals.image, normals.place
        return fit_detector(measured, heat, groups, original, *told)
    assert normals.image is not None
    seen = normals.seen_whole
    fold, fits = folds_of(groups, settings.folds, seed), []
    for rows in (~whole, whole):
        part = {name: values[rows] for name, values in measured.items()}
        also = trained_on
        if seen is not None:
            same_scale = seen if rows is whole else ~seen
            also = {name: values[same_scale] for name, values in trained_on.items()}
        given = part, heat[rows], fold[rows], original[rows], settings, also, normals.image[rows]
        fits.append(fit_images(*given, TILE_HEAT_WEIGHTS))
    return _joined(fits[0], fits[1], heat, normals, settings.false_alarm_rate)


def _joined(
    tiles: Fitted, wholes: Fitted, heat: NDArray[np.float32], normals: Normals, rate: float
) -> tuple[Density, Calibration]:
    """Return the density of both, and the calibration of the higher of both scores of an image."""
    assert normals.whole is not None
    assert normals.image is not None
    of_whole = dict(zip(wholes.images.tolist(), wholes.scores.tolist(), strict=True))
    suspects = set(normals.image[normals.whole & normals.original].tolist()) - set(of_whole)
    own = {
        number: max(score, of_whole.get(number, score))
        for number, score in zip(tiles.images.tolist(), tiles.scores.tolist(), strict=True)
        if number not in suspects
    }
    raw = np.array(list(own.values()))
    unit = float(raw.mean()), float(raw.std()) + FLOOR
    density = replace(tiles.density, whole=Whole(wholes.density, unit))
    if normals.place is not None:
        density = _with_heat_of_both(density, heat, normals, set(own))
    return density, Calibration(tuple(np.sort((raw - unit[0]) / unit[1]).tolist()), rate)


def _with_heat_of_both(
    density: Density, heat: NDArray[np.float32], normals: Normals, images: set[int]
) -> Density:
    """Return ``density`` with the limit and the regions of the higher heat of tiles and whole."""
    assert density.whole is not None
    both = limit_of(np.array([float(one.max()) for one, _ in _maps(density, heat, normals, images)]))
    regions = UsualRegions.of(_maps(density, heat, normals, images), both)
    of_whole = density.whole.density
    limit = of_whole.heat_limit * both / density.heat_limit  # which is to the other as it was
    whole = replace(density.whole, density=replace(of_whole, heat_limit=limit))
    return replace(density, heat_limit=both, usual_regions=regions, whole=whole)


def _maps(
    density: Density, heat: NDArray[np.float32], normals: Normals, images: set[int]
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Yield the map of each of the ``images``, and how many of its cells a tile has."""
    assert density.whole is not None
    assert normals.whole is not None
    assert normals.image is not None
    assert normals.place is not None
    wholes = normals.whole & normals.original
    row_of = {int(normals.image[row]): row for row in np.flatnonzero(wholes)}
    chosen = ~normals.whole & normals.original & np.isin(normals.image, sorted(images))
    numbers = np.unique(normals.image[chosen]).tolist()
    stitched = heat_maps(density, heat[chosen], normals.image[chosen], normals.place[chosen])
    for number, (one, square) in zip(numbers, stitched, strict=True):
        if number in row_of:
            seen = density.whole.density.heat_map(heat[row_of[number]], DISPLAYED)
            one = hotter(one, seen, density, density.whole)
        yield one, square
