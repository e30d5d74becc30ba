"""Scores and false alarms by patient."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.audit.patients import intraclass, patients

RNG = np.random.default_rng(4)
GROUPS = [f"p{k // 4}" for k in range(120)]  # 30 patients of 4 images
PLACE = np.repeat(np.arange(30), 4)


def test_intraclass_correlation_by_hand() -> None:
    """Two patients with scores 1, 3 and 5, 7: mean squares 16 and 2, hence (16 - 2) / (16 + 2)."""
    found = intraclass(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1]))
    assert found is not None
    assert found[0] == pytest.approx(14 / 18)


@pytest.mark.parametrize(("between", "expected"), [(0.0, 0.0), (1.0, 0.5), (3.0, 0.9)])
def test_the_share_between_patients_is_recovered(between: float, expected: float) -> None:
    """Variance b^2 between patients and 1 inside them gives b^2 / (b^2 + 1), inside its interval."""
    score = between * RNG.normal(size=30)[PLACE] + RNG.normal(size=120)
    found = patients(score[None], np.zeros((1, 120), np.bool_), GROUPS, 0)
    assert found.explained is not None
    assert found.explained_ci is not None
    assert found.explained == pytest.approx(expected, abs=0.2)
    assert found.explained_ci[0] < expected < found.explained_ci[1]


def test_one_image_a_patient_cannot_be_judged() -> None:
    """Without repeated patients there is no share and no test of concentration."""
    found = patients(RNG.normal(size=(1, 20)), np.ones((1, 20), np.bool_), [str(k) for k in range(20)], 0)
    assert (found.patients, found.repeated) == (20, 0)
    assert found.explained is None
    assert found.concentration_p is None


def test_false_alarms_of_few_patients_stand_out() -> None:
    """Twelve alarms of three patients are improbable; twelve of twelve patients are not."""
    few, spread = np.zeros((1, 120), np.bool_), np.zeros((1, 120), np.bool_)
    few[0, :12], spread[0, ::10] = True, True
    score = RNG.normal(size=(1, 120))
    found = patients(score, few, GROUPS, 0)
    assert (found.alarms, found.alarm_patients) == ([12], [3])
    assert found.concentration_p is not None
    assert found.concentration_p < 0.01
    assert (patients(score, spread, GROUPS, 0).concentration_p or 0) > 0.5


def test_a_single_alarm_cannot_be_concentrated() -> None:
    """One alarm is of one patient whatever happens."""
    alarm = np.zeros((2, 120), np.bool_)
    alarm[0, 5] = True
    assert patients(RNG.normal(size=(2, 120)), alarm, GROUPS, 0).concentration_p is None


def test_equal_scores_have_no_share() -> None:
    """A constant score has no variance to share out."""
    assert patients(np.ones((1, 120)), np.zeros((1, 120), np.bool_), GROUPS, 0).explained is None
