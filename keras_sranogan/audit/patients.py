"""Do scores and false alarms belong to images, or to a few patients?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

Values = NDArray[np.float64]

MIN_REPEATED = 5  # patients with two images or more, for the share that they explain
SHUFFLES = 2000
F_95 = (0.975, 0.025)


@dataclass(frozen=True)
class Patients:
    """How the normals' scores hang on patients, means over the models.

    Attributes:
        patients: groups among the normals.
        repeated: those with two images or more.
        explained: intraclass correlation ICC(1), the share of the score's variance that lies between
            patients; None with fewer than :data:`MIN_REPEATED` repeated ones.
        explained_ci: its 95 % interval (F distribution).
        alarms: normals above the threshold, per model.
        alarm_patients: patients that these are of, per model.
        concentration_p: chance of alarms on so few patients were they spread at random; None where there
            are fewer than two alarms or no patient has two images.
    """

    patients: int
    repeated: int
    explained: float | None
    explained_ci: list[float] | None
    alarms: list[int]
    alarm_patients: list[int]
    concentration_p: float | None


def patients(scores: Values, flagged: NDArray[np.bool_], groups: Sequence[str], seed: int) -> Patients:
    """Look at N normals: ``scores`` and ``flagged`` are ``(M, N)``."""
    names, place = np.unique(np.array(groups), return_inverse=True)
    sizes = np.bincount(place, minlength=len(names))
    repeated = int((sizes > 1).sum())
    found = [intraclass(one, place) for one in scores] if repeated >= MIN_REPEATED else []
    shares = [one for one in found if one is not None]
    return Patients(
        patients=len(names),
        repeated=repeated,
        explained=float(np.mean([share for share, _ in shares])) if shares else None,
        explained_ci=np.mean([bounds for _, bounds in shares], axis=0).tolist() if shares else None,
        alarms=[int(one.sum()) for one in flagged],
        alarm_patients=[len(np.unique(place[one])) for one in flagged],
        concentration_p=_concentration(flagged, place, seed) if repeated else None,
    )


def intraclass(score: Values, place: NDArray[np.intp]) -> tuple[float, list[float]] | None:
    """ICC(1) of groups of unequal size, one-way random effects (Shrout and Fleiss 1979), and its interval.

    None where no two images differ.
    """
    sizes = np.bincount(place)
    count, total = len(sizes), len(score)
    means = np.bincount(place, score) / sizes
    between = float((sizes * (means - score.mean()) ** 2).sum()) / (count - 1)
    within = float(((score - means[place]) ** 2).sum()) / (total - count)
    if between + within == 0:
        return None
    typical = (total - (sizes**2).sum() / total) / (count - 1)
    ratio = between / max(within, 1e-12 * between)
    low, high = (ratio / f_distribution.ppf(q, count - 1, total - count) for q in F_95)
    icc, first, last = ((r - 1) / (r - 1 + typical) for r in (ratio, low, high))
    return float(icc), [float(first), float(last)]


def _concentration(flagged: NDArray[np.bool_], place: NDArray[np.intp], seed: int) -> float | None:
    """Permutation test: alarms are dealt to the images anew, the same deal for every model."""
    if int(flagged.sum(axis=1).max(initial=0)) < 2:
        return None
    rng = np.random.default_rng(seed)

    def spread(of: NDArray[np.intp]) -> int:
        return sum(len(np.unique(of[one])) for one in flagged)

    seen = spread(place)
    as_few = sum(spread(rng.permutation(place)) <= seen for _ in range(SHUFFLES))
    return (1 + as_few) / (1 + SHUFFLES)
