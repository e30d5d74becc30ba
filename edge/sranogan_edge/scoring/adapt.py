"""A site's own normals in a bundle's densities: what another scanner does to every image is no anomaly.

A density is known by center and whitening alone, and in whitened numbers its covariance is the identity.
There the local normals have a mean and a scatter of their own, and the new density lies between the two:

- its mean goes towards the local one by one less the share of their squared distance that is there by
  chance, ``tr(S) / (n - 1)`` (James and Stein 1961);
- its covariance is ``(1 - w) I + w S``, S the scatter of n local normals. w is one less the share of S's
  squared distance from the identity that is there by chance (Ledoit and Wolf 2004), at most
  ``n / (n + COUNTS)``.

So few normals move the mean, more the covariance too, and normals like the bundle's change next to nothing.

By the Cholesky factor L of that covariance the new whitening is ``whitening @ inv(L).T``.

Scores of the local normals are out of fold: each by densities that were fitted without it and without its
neighbours in the order of names, who may be the same patient. Units and threshold come from these alone.

The fit is trimmed, a tenth at most. Who lies farther above the median than the farthest of n numbers usually
does counts for no density and no part's unit: a few anomalies among the normals would widen both just where
they are. But the tails of normals are heavy, and a threshold without its highest normals would flag too many.
So only who lies farther than the bundle's own normals reach counts for no threshold, either.

Of images in tiles the rows are tiles, and the tiles of one image are alike: n is the number of images all the
same. What is there by chance is told by how images differ: the mean's by the scatter of the images' means,
and the covariance's by ``sum_i |S_i - S|^2 / n^2``, S_i the scatter of one image's tiles, which for single
rows is the same as above. Folds are of images, and the score of one is the highest of its tiles'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.scoring.density import Gaussian, mean_of_highest

__all__ = ["FEWEST", "Adapted", "adapt", "moved", "reach_of"]

Array = NDArray[np.float32]
Scores = NDArray[np.float64]

FEWEST = 20  # distinct normals
COUNTS = 50  # local normals that the bundle's covariance is worth at least
FOLDS = 10
MOST_LEFT_OUT = 0.1
CHANCE_LEFT_OUT = 0.05  # that any of n normals is left out, were their scores normal
PASSES = 5
DOUBT = 30  # over n: the share by which normals may reach farther, the unit of a reach being of so few
UPPER = 0.75  # quantile by which a reach is measured, above the median
FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class Adapted:
    """What n local normals make of a bundle's densities: images, each of one row or of its tiles.

    Attributes:
        parts: the densities, by part, in the unit of :attr:`standard`.
        unit: mean and standard deviation of the mean of the parts.
        standard: ``(n,)`` by part, out of fold, in standard deviations of those fitted to; of the worst tile.
        scores: ``(n,)``, out of fold.
        fitted: ``(n,)``, which the densities are fitted to, and the units of the parts.
        kept: ``(n,)``, which the score's unit and threshold are of: all of these, and others.
        beyond: how many lie farther off than normals reach; more than a tenth are not a few ill ones.
    """

    parts: dict[str, Gaussian]
    unit: tuple[float, float]
    standard: dict[str, Scores]
    scores: Scores
    fitted: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    beyond: int


def reach_of(scores: Sequence[float] | Scores) -> float:
    """Return how far above their median a bundle's normals score, in units of their upper quartile's."""
    median, upper = np.quantile(scores, (0.5, UPPER))
    return float((np.max(scores) - median) / (upper - median)) if upper > median else 0.0


def moved(own: Gaussian, rows: Array, image: NDArray[np.int64] | None = None) -> Gaussian:
    """Return the density ``own`` moved towards local normals ``(N, D)``; its unit stays.

    ``image`` ``(N,)`` says which image each is a tile of; None where each is one.
    """
    whitening = own.whitening.astype(np.float64)
    center, mean = own.center.astype(np.float64), rows.mean(axis=0, dtype=np.float64)
    white = (rows - mean) @ whitening
    scatter, off = white.T @ white / len(rows), (mean - center) @ whitening
    if image is None:
        weight, way = _weight(white, scatter), _way(off, scatter, len(rows))
    else:
        weight, way = _of_tiles(white, scatter, off, image)
    lower = np.linalg.cholesky((1 - weight) * np.eye(len(scatter)) + weight * scatter)
    return replace(
        own,
        center=(center + way * (mean - center)).astype(np.float32),
        whitening=np.linalg.solve(lower, whitening.T).T.astype(np.float32),
    )


def _way(off: NDArray[np.float64], scatter: NDArray[np.float64], count: int) -> float:
    """Return the share of the way that the mean goes, ``off`` ``(K,)`` being all of it."""
    apart = float(np.square(off).sum())
    return max(0.0, 1 - float(np.trace(scatter)) / ((count - 1) * apart)) if apart > 0 else 0.0


def _weight(white: NDArray[np.float64], scatter: NDArray[np.float64]) -> float:
    """Return w of the ``scatter`` ``(K, K)`` of ``white`` ``(n, K)``."""
    count = len(white)
    off = float(np.square(scatter - np.eye(len(scatter))).sum())
    by_chance = float(np.square(np.square(white).sum(axis=1)).mean() - np.square(scatter).sum()) / count
    return min(max(0.0, 1 - by_chance / off), count / (count + COUNTS)) if off > 0 else 0.0


def adapt(
    parts: Mapping[str, Gaussian],
    measured: Mapping[str, Array],
    reach: float,
    image: NDArray[np.int64] | None = None,
    highest: int = 0,
) -> Adapted:
    """Adapt densities to a site's normals.

    Args:
        parts: of the bundle.
        measured: ``(N, D)`` by part, in the order of their names; longer rows than a density's are cut.
        reach: of the bundle's normals (:func:`reach_of`).
        image: ``(N,)``, ascending from 0 without gaps, which image each row is a tile of; None: each is one.
        highest: of how many of the parts the score is the mean; 0: of all.
    """
    rows = {name: measured[name][:, : len(part.center)] for name, part in parts.items()}
    rough_scores = _rough_scores(parts, rows, highest)
    number = np.arange(len(rough_scores)) if image is None else image
    within = rough = _within(rough_scores[_worst(rough_scores, number)], reach)
    for _ in range(PASSES):
        used = within
        of_fitted = used.fitted[number]
        distances = {name: _out_of_fold(part, rows[name], used.fitted, image) for name, part in parts.items()}
        of_images = {name: found[_worst(found, number)] for name, found in distances.items()}
        units = {name: _unit(found[used.fitted]) for name, found in of_images.items()}
        of_rows = {name: (found - units[name][0]) / units[name][1] for name, found in distances.items()}
        means = mean_of_highest(np.stack(list(of_rows.values())), highest)
        worst = _worst(means, number)
        mean, standard = means[worst], {name: found[worst] for name, found in of_rows.items()}
        within = _within(mean, reach)
        if np.array_equal(used.fitted, within.fitted) and np.array_equal(used.kept, within.kept):
            break
    unit = _unit(mean[used.kept])
    found = {
        name: replace(
            moved(part, rows[name][of_fitted], None if image is None else image[of_fitted]),
            usual=units[name][0],
            spread=units[name][1],
        )
        for name, part in parts.items()
    }
    beyond = max(rough.beyond, used.beyond)  # many of one kind hide each other, once they are fitted to
    return Adapted(found, unit, standard, (mean - unit[0]) / unit[1], used.fitted, used.kept, beyond)


def _of_tiles(
    white: NDArray[np.float64],
    scatter: NDArray[np.float64],
    off: NDArray[np.float64],
    image: NDArray[np.int64],
) -> tuple[float, float]:
    """Return w, and the share of the way that the mean goes, of ``white`` ``(N, K)``, tiles of images."""
    parts = [white[image == number] for number in np.unique(image)]
    count, share = len(parts), len(parts) / len(white)
    if count < 2:
        return 0.0, 0.0
    means = np.stack([share * part.sum(axis=0) for part in parts])  # weighed, so that theirs is the mean
    way = _way(off, means.T @ means / count, count)
    squares = [float(np.square(_gram(part)).sum()) * share**2 for part in parts]
    by_chance = (float(np.mean(squares)) - float(np.square(scatter).sum())) / count
    apart = float(np.square(scatter - np.eye(len(scatter))).sum())
    weight = min(max(0.0, 1 - by_chance / apart), count / (count + COUNTS)) if apart > 0 else 0.0
    return weight, way


def _gram(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smaller of two matrices with the same squares in all: of the columns, or of the rows."""
    return np.asarray(rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows)


def _worst(values: Scores, image: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the row with the highest of ``values`` ``(N,)`` of each image, in their order."""
    order = np.lexsort((values, image))
    last = np.flatnonzero(np.diff(image[order], append=-1))
    return np.asarray(order[last], np.int64)


def _unit(values: Scores) -> tuple[float, float]:
    return float(values.mean()), float(values.std()) + FLOOR


def _rough_scores(parts: Mapping[str, Gaussian], rows: Mapping[str, Array], highest: int) -> Scores:
    """Return ``(n,)`` scores that a few anomalies among the rows change little: off the rows' medians."""
    found = []
    for name, part in parts.items():
        distances = _distances(replace(part, center=np.median(rows[name], axis=0)), rows[name])
        median, upper = np.quantile(distances, (0.5, UPPER))
        found.append((distances - median) / (upper - median + FLOOR))
    return mean_of_highest(np.stack(found), highest)


def _out_of_fold(
    part: Gaussian, rows: Array, fitted: NDArray[np.bool_], image: NDArray[np.int64] | None = None
) -> Scores:
    """Return ``(N,)`` distances, each by a density of the images ``fitted`` ``(n,)`` of the other folds."""
    fold, taken = np.arange(len(fitted)) * FOLDS // len(fitted), fitted
    if image is not None:
        fold, taken = fold[image], fitted[image]
    found = np.empty(len(rows))
    for number in np.unique(fold):
        inside = fold == number
        others = taken & ~inside
        density = moved(part, rows[others], None if image is None else image[others])
        found[inside] = _distances(density, rows[inside])
    return found


def _distances(part: Gaussian, rows: Array) -> Scores:
    return np.array([part.distance(row) for row in rows])


@dataclass(frozen=True, eq=False)
class _Within:
    """Which of n scores are within reach, as :class:`Adapted` has it."""

    fitted: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    beyond: int


def _within(scores: Scores, reach: float) -> _Within:
    """Tell ``scores`` ``(n,)`` that are too far off; at most the farthest tenth."""
    count = len(scores)
    usual = NormalDist().inv_cdf(1 - CHANCE_LEFT_OUT / count) / NormalDist().inv_cdf(UPPER)
    far = np.zeros(count, np.bool_)
    far[np.argsort(-scores, kind="stable")[: int(MOST_LEFT_OUT * count)]] = True
    fitted = np.ones(count, np.bool_)
    while True:  # each round leaves out more, by those that the last one kept
        median, upper = np.quantile(scores[fitted], (0.5, UPPER))
        now = fitted & ~(far & (scores > median + usual * (upper - median)))
        if now.sum() == fitted.sum():
            break
        fitted = now
    farthest = max(usual, reach) * (1 + DOUBT / count)
    beyond = scores > median + farthest * (upper - median)
    return _Within(fitted, ~(far & beyond), int(beyond.sum()))
