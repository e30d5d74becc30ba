"""Intervals of an AUROC hold what they promise: few images, no error, images of one patient."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from keras_sranogan.evaluation.intervals import auroc_interval, hanley_mcneil

DRAWS = 1000


def covered(truth: float, spread: float, each: int, patients: int, seed: int) -> float:
    """Share of draws whose interval holds the truth: ``each`` images a class, two kinds of patients or more.

    Scores of normals are N(0, 1), of abnormals N(m, spread); images of one patient share half of their
    variance. Each class has its own patients.
    """
    rng, groups = np.random.default_rng(seed), np.repeat(np.arange(patients), each // patients)
    mean = float(norm.ppf(truth)) * np.hypot(1, spread)
    owner = np.concatenate([groups, groups + patients])
    abnormal = np.arange(2 * each) >= each
    shared = 0.0 if patients == each else 0.5

    def scores() -> NDArray[np.float64]:
        own, theirs = rng.normal(size=2 * each), rng.normal(size=2 * patients)[owner]
        unit = np.sqrt(1 - shared) * own + np.sqrt(shared) * theirs
        return np.where(abnormal, mean + spread * unit, unit)

    bounds = np.array([auroc_interval(scores(), abnormal, owner) for _ in range(DRAWS)])
    return float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean())


@pytest.mark.parametrize("spread", [1.0, 3.0])
@pytest.mark.parametrize(("truth", "each"), [(0.75, 10), (0.97, 10), (0.97, 20), (0.97, 200)])
def test_coverage(truth: float, each: int, spread: float) -> None:
    """95 % intervals hold the truth in 93 % of draws or more, and do not hold everything."""
    assert 0.925 <= covered(truth, spread, each, each, seed=each) <= 0.99


def test_coverage_with_several_images_of_a_patient() -> None:
    """Ten images each of twenty patients a class: the truth is held as often."""
    assert 0.92 <= covered(0.85, 1.0, 200, 20, seed=1) <= 0.99


@pytest.mark.parametrize(("spread", "held"), [(1.0, 0.91), (3.0, 0.86)])
def test_what_is_not_promised(spread: float, held: float) -> None:
    """At a very high AUROC, ten images each of twenty patients a class: held so often, and no more often."""
    assert covered(0.97, spread, 200, 20, seed=1) == pytest.approx(held, abs=0.03)


def test_patients_widen_an_interval_and_single_images_do_not() -> None:
    """Copies of the same images under one patient are worth no more than the images once."""
    rng = np.random.default_rng(2)
    scores = np.concatenate([rng.normal(0, 1, 40), rng.normal(1.2, 1, 40)])
    abnormal, owner = np.arange(80) >= 40, np.arange(80)
    once = auroc_interval(scores, abnormal)
    assert once == auroc_interval(scores, abnormal, owner)
    fivefold = [np.tile(one, 5) for one in (scores, abnormal, owner)]
    assert auroc_interval(*fivefold) == pytest.approx(once, abs=0.02)
    narrow = auroc_interval(*fivefold[:2])
    assert narrow is not None
    assert once is not None
    assert narrow[1] - narrow[0] < 0.6 * (once[1] - once[0])


def test_without_an_error_there_is_still_doubt() -> None:
    """Five against five in perfect order: not from 1 to 1. More images leave less doubt."""
    low = {}
    for each in (5, 50):
        abnormal = np.arange(2 * each) >= each
        low[each], high = auroc_interval(abnormal.astype(float), abnormal) or (0.0, 0.0)
        assert high == 1
    assert 0.5 < low[5] < 0.8
    assert 0.93 < low[50] < 1
    abnormal = np.arange(100) >= 50
    few = auroc_interval(abnormal.astype(float), abnormal, np.arange(100) // 10)
    assert few == pytest.approx([low[5], 1.0])
    reversed_order = auroc_interval(-abnormal.astype(float), abnormal)
    assert reversed_order == pytest.approx([0.0, 1 - low[50]])


def test_ties_and_large_samples() -> None:
    """Constant scores are at chance, in the middle; of many images the width is that of Hanley and McNeil."""
    abnormal = np.arange(60) >= 30
    low, high = auroc_interval(np.zeros(60), abnormal) or (0.0, 0.0)
    assert low < 0.5 < high
    assert low + high == pytest.approx(1)
    rng, abnormal = np.random.default_rng(4), np.arange(6000) >= 3000
    scores = np.where(abnormal, rng.normal(1, 1, 6000), rng.normal(0, 1, 6000))
    low, high = auroc_interval(scores, abnormal) or (0.0, 0.0)
    assert high - low == pytest.approx(
        2 * 1.96 * hanley_mcneil((low + high) / 2, 3000, 3000) ** 0.5, rel=0.05
    )


@pytest.mark.parametrize("abnormal", [np.zeros(6, np.bool_), np.ones(6, np.bool_)])
def test_one_class_has_none(abnormal: NDArray[np.bool_]) -> None:
    """There is nothing to rank."""
    assert auroc_interval(np.arange(6.0), abnormal) is None
