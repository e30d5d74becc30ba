"""AUROC over models, its interval, and the share that a change leaves of it."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.audit.ranking import intervals, rank, share_left
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.intervals import auroc_interval

RNG = np.random.default_rng(3)
ABNORMAL = np.repeat([False, True], 80)
SCORES = RNG.normal(size=(3, 160)) + 1.2 * ABNORMAL
ONE_CLASS = np.zeros(160, np.bool_)


def test_one_model_has_the_figures_of_an_evaluation() -> None:
    """The AUROC of a single model is that of ``sranogan-evaluate``, its resampled interval nearly so."""
    found = rank(SCORES[:1], ABNORMAL, 7)
    assert found.auroc == metrics.auroc(SCORES[0], ABNORMAL)
    assert found.auroc_ci == pytest.approx(auroc_interval(SCORES[0], ABNORMAL), abs=0.015)


def test_several_models_have_the_mean_and_a_narrower_interval() -> None:
    """The interval is of the mean AUROC, which varies less than one model's."""
    found, alone = rank(SCORES, ABNORMAL, 0), rank(SCORES[:1], ABNORMAL, 0)
    assert found.per_model is not None
    assert found.auroc == pytest.approx(np.mean(found.per_model))
    assert np.ptp(found.auroc_ci or []) < np.ptp(alone.auroc_ci or [])


def test_an_unchanged_score_is_left_whole_and_a_random_one_not_at_all() -> None:
    """The share is 1 for the same scores, without an interval's width, and about 0 for noise."""
    same = share_left(SCORES, SCORES, ABNORMAL, 0)
    assert (same.left, same.left_ci) == (1.0, [1.0, 1.0])
    lost = share_left(SCORES, RNG.normal(size=SCORES.shape), ABNORMAL, 0)
    assert lost.left == pytest.approx(0, abs=0.2)
    assert lost.left_ci is not None
    assert lost.left_ci[0] < (lost.left or 0) < lost.left_ci[1]


def test_without_an_advantage_there_is_no_share() -> None:
    """Near chance a ratio of advantages means nothing; with one class there is none."""
    noise = np.random.default_rng(1).normal(size=(1, 160))
    assert share_left(noise, SCORES[:1], ABNORMAL, 0).left is None
    assert share_left(SCORES, SCORES, ONE_CLASS, 0).left is None
    assert rank(SCORES, ONE_CLASS, 0).auroc is None
    assert intervals(SCORES, ONE_CLASS, 0) == [None, None, None]
