"""Stage 4: the densities of what held-out normals measure, and the calibration of the score.

No abnormal image and no label is used. The normals here were not seen by the networks. Each of
their calibration scores comes from densities fitted on the other folds (cross-conformal, Vovk
2015), so that a new normal's score and theirs are alike. Means and deviations that anything is told
in (the parts, the score, the heat map's limit) are those of normals as they came: jittered copies
widen densities, and count for nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from keras_sranogan.detector.heat_maps import DISPLAYED, heat_maps
from keras_sranogan.settings import DetectorSettings
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density, Gaussian, mean_of_highest
from sranogan_edge.scoring.heat import HEAT_PLANES, HEAT_WEIGHTS, TILE_HEAT_WEIGHTS
from sranogan_edge.scoring.residual import FEATURES
from sranogan_edge.scoring.usual_regions import UsualRegions

HEAT_LIMIT_QUANTILE = 0.75
FLOOR = 1e-6
FLOOR_SHARE = 0.01  # of the other features' usual deviation: what one is taken to vary by at least
TRIMMING_PASSES = 3


def fit_gaussian(features: NDArray[np.float32]) -> Gaussian:
    """Fit ``(N, D)`` (Ledoit-Wolf shrinkage, on standardised features); distances are not yet scaled.

    A feature that hardly varies here may vary elsewhere: it is taken to do so by ``FLOOR_SHARE`` of what the
    others do, on its own account.
    """
    center = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    scale = np.maximum(deviation + FLOOR, _least_deviation(deviation))
    covariance = LedoitWolf(assume_centered=True).fit((features - center) / scale).covariance_
    own = np.where(scale > deviation + FLOOR, 1 - np.square(deviation / scale), 0)
    values, vectors = np.linalg.eigh(covariance + np.diag(own))
    upright = vectors * np.where(vectors.sum(axis=0) < 0, -1, 1)  # the sign of an eigenvector is anybody's
    whitening = upright / np.sqrt(np.maximum(values, FLOOR)) / scale[:, None]
    return Gaussian(center.astype(np.float32), whitening.astype(np.float32))


def _least_deviation(deviation: NDArray[np.float64]) -> float:
    """Return the deviation below which a feature counts as constant, by that of the others ``(D,)``."""
    varying = deviation[deviation > FLOOR]
    return FLOOR_SHARE * float(np.median(varying)) if len(varying) else 0.0


def fit_detector(
    measured: Mapping[str, NDArray[np.float32]],
    heat: NDArray[np.float32],
    groups: NDArray[np.int64],
    original: NDArray[np.bool_],
    settings: DetectorSettings,
    seed: int,
    trained_on: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
    image: NDArray[np.int64] | None = None,
    place: NDArray[np.int64] | None = None,
) -> tuple[Density, Calibration]:
    """Fit the final densities on everything, and calibrate on out-of-fold scores of the unjittered images.

    Of images in tiles the densities are of tiles, wherever they lie, and the calibration is of images: the
    score of one is the highest of its tiles', and its unit that of such scores.

    Args:
        measured: ``(N, D)`` float32 by part.
        heat: ``(N, planes, HEAT_GRID, HEAT_GRID)`` float32.
        groups: ``(N,)`` patient of each row; copies of one image, and images of one patient, share a fold.
        original: ``(N,)`` true where the row is an image as it came, false for a jittered copy.
        settings: parts, folds, false-alarm rate, and the share of normals to leave out as suspect: those of
            the highest scores, found again in a few passes.
        seed: of the assignment to folds.
        trained_on: by part, ``(M, D)`` of normals that the networks were trained on, where a part measures
            these like any others. They widen its density, and count for no distance and no score.
        image: ``(N,)`` which image each row is a tile of, from 0, jittered copies being images of their own;
            None where each is an image.
        place: ``(N, 5)`` where each of the original tiles lies in its image; without it nothing is known of
            the hot regions of images in tiles.
    """
    in_tiles = image is not None
    image = np.arange(len(groups)) if image is None else image
    fold = folds_of(groups, settings.folds, seed)
    weights = TILE_HEAT_WEIGHTS if in_tiles else HEAT_WEIGHTS
    found = fit_images(measured, heat, fold, original, settings, trained_on, image, weights)
    density = found.density
    if place is not None or not in_tiles:
        chosen = found.chosen
        maps = heat_maps(density, heat[chosen], image[chosen], None if place is None else place[chosen])
        density = replace(density, usual_regions=UsualRegions.of(maps, density.heat_limit))
    calibration = Calibration(tuple(np.sort(found.scores).tolist()), settings.false_alarm_rate)
    return density, calibration


@dataclass(frozen=True, eq=False)
class Fitted:
    """What normals make of densities, and these of them.

    Attributes:
        density: without what is known of regions.
        scores: ``(n,)`` out of fold, of the images that came as they are and are no suspects, in the unit of
            these.
        images: ``(n,)`` which these are.
        chosen: ``(N,)`` which rows are of them.
    """

    density: Density
    scores: NDArray[np.float64]
    images: NDArray[np.int64]
    chosen: NDArray[np.bool_]


def fit_images(
    measured: Mapping[str, NDArray[np.float32]],
    heat: NDArray[np.float32],
    fold: NDArray[np.int64],
    original: NDArray[np.bool_],
    settings: DetectorSettings,
    trained_on: Mapping[str, NDArray[np.float32]],
    image: NDArray[np.int64],
    weights: tuple[float, ...],
) -> Fitted:
    """Fit densities to rows that share a scale; arguments as of :func:`fit_detector`, ``fold`` ``(N,)``.

    ``weights`` are those of the heat's planes.
    """
    everything = {name: measured[name] for name in settings.parts}
    if "residual" in everything and not settings.with_image:
        everything["residual"] = everything["residual"][:, :FEATURES]
    kept, also = np.ones(len(fold), np.bool_), trained_on
    parts, scores = _fit_parts(everything, fold, kept, original, also, image, settings.highest)
    for _ in range(TRIMMING_PASSES if settings.contamination else 0):
        whole = highest_of(scores, image)
        kept = np.isin(image, np.unique(image)[whole <= np.quantile(whole, 1 - settings.contamination)])
        also = {
            name: _typical(trained_on[name], parts[name], settings.contamination)
            for name in also
            if name in parts
        }
        parts, scores = _fit_parts(everything, fold, kept, original, also, image, settings.highest)
    center, scale = _heat_statistics(heat if kept.all() else heat[kept])
    chosen = original & kept
    own = highest_of(scores[chosen], image[chosen])
    usual, spread = float(own.mean()), float(own.std()) + FLOOR
    unit = usual, spread
    density = Density(parts, center, scale, 1.0, unit, heat_weights=weights, highest=settings.highest)
    density = replace(density, heat_limit=_heat_limit(heat[chosen], image[chosen], density))
    return Fitted(density, (own - usual) / spread, np.unique(image[chosen]), chosen)


def _heat_statistics(heat: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation by plane, the same for all places; brightness has a mean for each.

    Head and reconstruction know where anomalies are likely; taken place by place, this would be lost.
    """
    center, scale = np.empty_like(heat[0]), np.empty_like(heat[0])
    for number, name in enumerate(HEAT_PLANES[: len(center)]):
        plane = heat[:, number]
        center[number] = plane.mean(axis=0) if name == "brightness" else plane.mean()
        scale[number] = np.sqrt(np.mean((plane - center[number]) ** 2))
    return center, scale + np.float32(FLOOR)


def highest_of(values: NDArray[np.float64], image: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the highest of ``values`` ``(N,)`` of each ``image`` ``(N,)`` that occurs, in their order."""
    found, place = np.unique(image, return_inverse=True)
    highest = np.full(len(found), -np.inf)
    np.maximum.at(highest, place, values)
    return highest


def _heat_limit(heat: NDArray[np.float32], image: NDArray[np.int64], density: Density) -> float:
    """Return what at most one normal in four exceeds somewhere (split conformal), as it is displayed."""
    each = [density.heat_map(one, DISPLAYED).max() for one in heat]
    return limit_of(highest_of(np.asarray(each, np.float64), image))


def limit_of(peaks: NDArray[np.float64]) -> float:
    """Return what at most one in four of the highest heats of normals, ``peaks`` ``(n,)``, exceeds."""
    peaks = np.sort(peaks)
    rank = min(math.ceil((len(peaks) + 1) * HEAT_LIMIT_QUANTILE), len(peaks))
    return max(float(peaks[rank - 1]), FLOOR)


def _fit_parts(
    measured: Mapping[str, NDArray[np.float32]],
    fold: NDArray[np.int64],
    kept: NDArray[np.bool_],
    original: NDArray[np.bool_],
    also: Mapping[str, NDArray[np.float32]],
    image: NDArray[np.int64],
    highest: int,
) -> tuple[dict[str, Gaussian], NDArray[np.float64]]:
    """Return the densities of the rows ``kept``, and ``(N,)`` out-of-fold means of the ``highest`` parts.

    The unit of each part is that of the ``original`` rows among them; of tiles, of the highest of each image:
    a part that is high somewhere in every normal then hides none that is not.
    """
    parts, standard = {}, []
    for name, rows in measured.items():
        extra = also.get(name, rows[:0])
        distances = out_of_fold(rows, fold, kept, extra)
        own = highest_of(distances[kept & original], image[kept & original])
        usual, spread = float(own.mean()), float(own.std()) + FLOOR
        gaussian = fit_gaussian(np.concatenate([rows[kept], extra]))
        parts[name] = replace(gaussian, usual=usual, spread=spread)
        standard.append((distances - usual) / spread)
    return parts, mean_of_highest(np.stack(standard), highest)


def _typical(rows: NDArray[np.float32], gaussian: Gaussian, contamination: float) -> NDArray[np.float32]:
    """Return ``rows`` without the share that is farthest from the normals."""
    distances = np.array([gaussian.distance(row) for row in rows])
    return rows[distances <= np.quantile(distances, 1 - contamination)]


def folds_of(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return ``(N,)`` the fold of each row: all rows of one group (a patient) share one."""
    patients, rows = np.unique(groups, return_inverse=True)
    count = min(folds, len(patients))
    fold_of = np.empty(len(patients), np.int64)
    fold_of[np.random.default_rng(seed).permutation(len(patients))] = np.arange(len(patients)) % count
    return np.asarray(fold_of[rows], dtype=np.int64)


def out_of_fold(
    features: NDArray[np.float32],
    fold: NDArray[np.int64],
    kept: NDArray[np.bool_],
    also: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return ``(N,)`` distances, each by a density fitted on the other folds' rows ``kept``, and ``also``."""
    distances = np.empty(len(features))
    for k in np.unique(fold):
        gaussian = fit_gaussian(np.concatenate([features[(fold != k) & kept], also]))
        distances[fold == k] = [gaussian.distance(row) for row in features[fold == k]]
    return distances
