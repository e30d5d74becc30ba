"""P-values and thresholds: what they are by definition, and that false alarms keep to the rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.conformal import Calibration

scores_lists = st.lists(st.floats(-5, 10, allow_nan=False), min_size=1, max_size=60).map(sorted)
rates = st.floats(0.001, 0.999)


@settings(deadline=None)
@given(scores=scores_lists, score=st.floats(-6, 12))
def test_p_value_is_the_share_at_least_as_anomalous(scores: list[float], score: float) -> None:
    """The p-value equals its definition counted out, and lies in [1 / (n + 1), 1]."""
    found = Calibration(tuple(scores), 0.05).p_value(score)
    assert found == (1 + sum(s >= score for s in scores)) / (len(scores) + 1)
    assert 1 / (len(scores) + 1) <= found <= 1


@settings(deadline=None)
@given(scores=scores_lists, pair=st.tuples(st.floats(-6, 12), st.floats(-6, 12)))
def test_p_value_falls_as_the_score_rises(scores: list[float], pair: tuple[float, float]) -> None:
    """A higher score never has a higher p-value."""
    calibration = Calibration(tuple(scores), 0.05)
    assert calibration.p_value(max(pair)) <= calibration.p_value(min(pair))


@settings(deadline=None)
@given(scores=scores_lists, rate=rates, score=st.floats(-6, 12))
def test_flagged_means_p_value_within_the_rate(scores: list[float], rate: float, score: float) -> None:
    """Above the threshold is the same as a p-value of at most the false-alarm rate."""
    calibration = Calibration(tuple(scores), rate)
    assert (score > calibration.threshold) == (calibration.p_value(score) <= rate + 1e-9)


@settings(deadline=None)
@given(
    count=st.integers(1, 400), rate=st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 0.7])
)
def test_threshold_is_the_conformal_quantile(count: int, rate: float) -> None:
    """The threshold is the ceil((n + 1)(1 - rate))-th score, in exact arithmetic, else infinite."""
    calibration = Calibration(tuple(float(k) for k in range(1, count + 1)), rate)
    rank = -((-(count + 1) * (100 - round(100 * rate))) // 100)  # ceil, in whole numbers
    assert calibration.threshold == (rank if rank <= count else math.inf)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), count=st.integers(20, 300), rate=st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_false_alarms_keep_to_the_rate(seed: int, count: int, rate: float) -> None:
    """Of exchangeable normals, at most the stated share is flagged, averaged over calibrations."""
    rng = np.random.default_rng(seed)
    draws = np.sort(rng.lognormal(size=(400, count)), axis=1)
    new = rng.lognormal(size=(400, 50))
    thresholds = np.array([Calibration(tuple(row), rate).threshold for row in draws.tolist()])
    flagged = (new > thresholds[:, None]).mean(axis=1)
    assert flagged.mean() <= rate + 5 * flagged.std() / math.sqrt(len(flagged)) + 1e-9


@pytest.mark.parametrize("alike", [0.0, 0.9])
@pytest.mark.parametrize(("own", "frames"), [(1, 1), (1, 7), (4, 4), (4, 3), (4, 9)])
def test_false_alarms_of_objects_keep_to_the_rate(alike: float, own: int, frames: int) -> None:
    """However many frames an object has, or a normal, and however alike they are; without waste for one."""
    rng = np.random.default_rng(0)

    def highest(objects: int, of: int) -> NDArray[np.float64]:
        frame = rng.normal(0, math.sqrt(1 - alike), (2000, objects, of))
        return (rng.normal(0, math.sqrt(alike), (2000, objects, 1)) + frame).max(axis=2)

    calibrations = [Calibration(tuple(row), 0.1, own) for row in np.sort(highest(120, own)).tolist()]
    new = highest(1, frames)[:, 0].tolist()
    flagged = [
        score > calibration.threshold_of(frames) for score, calibration in zip(new, calibrations, strict=True)
    ]
    assert np.mean(flagged) <= 0.1 + 3 * math.sqrt(0.09 / 2000)
    if frames % own == 0 and (alike == 0 or frames == own):  # then the p-value is exact
        limit = calibrations[0].threshold_of(frames)
        lowest = calibrations[0].p_value_of(frames, math.nextafter(limit, math.inf))
        assert np.mean(flagged) == pytest.approx(lowest, abs=3 * math.sqrt(0.09 / 2000))


@settings(deadline=None)
@given(scores=scores_lists, rate=rates, score=st.floats(-6, 12), frames=st.integers(1, 40))
def test_an_object_is_flagged_where_its_p_value_is_within_the_rate(
    scores: list[float], rate: float, score: float, frames: int
) -> None:
    """One frame is an image; more frames have no lower p-value; normals that suffice do, one fewer do not."""
    calibration = Calibration(tuple(scores), rate)
    assert calibration.p_value_of(1, score) == pytest.approx(calibration.p_value(score))
    assert calibration.p_value_of(frames, score) >= calibration.p_value_of(1, score) - 1e-12
    flagged = score > calibration.threshold_of(frames)
    assert flagged == (calibration.p_value_of(frames, score) <= rate + 1e-9)
    needed = calibration.normals_needed(frames)
    enough = [
        math.isfinite(Calibration(tuple(range(count)), rate).threshold_of(frames))
        for count in (needed - 1, needed)
        if count > 0
    ]
    assert enough in ([False, True], [True])


@pytest.mark.parametrize("frames", [2, 3, 9])
@pytest.mark.parametrize("count", [60, 119, 400])
def test_the_threshold_of_an_object_is_no_higher_than_its_rate_needs(count: int, frames: int) -> None:
    """It is the lowest normal's score above which the p-value is within the rate: none lower would do."""
    calibration = Calibration(tuple(map(float, range(count))), 0.25)
    above = [math.nextafter(score, math.inf) for score in calibration.scores]
    within = [calibration.p_value_of(frames, score) <= 0.25 for score in above]
    assert 2 <= sum(within) < count
    assert calibration.threshold_of(frames) == calibration.scores[within.index(True)]


@pytest.mark.parametrize(("count", "finite"), [(18, False), (19, True)])
def test_threshold_needs_enough_normals(count: int, finite: bool) -> None:
    """A rate of 5 % needs 19 held-out normals; with fewer nothing is ever flagged."""
    assert math.isfinite(Calibration(tuple(map(float, range(count))), 0.05).threshold) is finite


ASCENDING = "a calibration needs the scores of at least one held-out normal, finite and ascending; received"
A_RATE = "the false-alarm rate must be between 0 and 1; received"


@pytest.mark.parametrize(
    ("scores", "rate", "said"),
    [
        ((), 0.05, f"{ASCENDING} 0 that are not so"),
        ((2.0, 1.0), 0.05, f"{ASCENDING} 2 that are not so"),
        ((math.nan,), 0.05, f"{ASCENDING} 1 that"),
        ((math.inf,), 0.05, f"{ASCENDING} 1 that"),
        ((1.0,), 0.0, f"{A_RATE} 0.0"),
        ((1.0,), 1.0, f"{A_RATE} 1.0"),
    ],
)
def test_calibration_that_cannot_be(scores: tuple[float, ...], rate: float, said: str) -> None:
    """Scores or rates from which no threshold can follow are refused at once, and told."""
    with pytest.raises(SettingsError, match=said):
        Calibration(scores, rate)


@pytest.mark.parametrize(
    ("frames", "p_value"), [(1, 1 / 20), (4, 1 / 20), (5, 2 / 21), (8, 2 / 21), (9, 3 / 22), (41, 11 / 30)]
)
def test_frames_count_in_whole_objects_of_the_normals(frames: int, p_value: float) -> None:
    """Of 19 normals of 4 frames, 5 frames are two objects, 9 are three; of b the chance is b / (19 + b)."""
    normals = Calibration(tuple(map(float, range(19))), 0.5, frames=4)
    assert normals.p_value_of(frames, 99.0) == pytest.approx(p_value)


def test_threshold_of_more_frames_by_hand() -> None:
    """5 % of objects of 5 frames take 38 normals of 4 frames; 37 do for objects of 4."""
    normals = Calibration(tuple(map(float, range(38))), 0.05, frames=4)
    assert normals.threshold_of(4) == 37.0
    assert normals.threshold_of(5) == 37.0
    assert Calibration(normals.scores[1:], 0.05, frames=4).threshold_of(5) == math.inf
    assert Calibration(normals.scores[1:], 0.05, frames=4).threshold_of(4) == 37.0
