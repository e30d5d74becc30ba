"""The time left: what is planned at the pace of what is done."""

from __future__ import annotations

import pytest

from keras_sranogan.forecast import TRUST_S, Forecast, piece_of, training_forecast
from keras_sranogan.presets import preset


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


@pytest.fixture
def forecast(clock: Clock) -> Forecast:
    """Give three tasks: 10, 20 and 30 seconds."""
    planned = Forecast(clock)
    planned.plan({"a": 10.0, "b": 20.0, "c": 30.0})
    return planned


def test_nothing_planned_says_nothing(clock: Clock) -> None:
    """Without a plan there is no guess."""
    planned = Forecast(clock)
    planned.begin("a")
    assert planned.left_s() is None


def test_before_the_first_task_all_is_left(forecast: Forecast) -> None:
    """The plan's sum is told from the first moment."""
    assert forecast.left_s() == 60.0


def test_within_a_task_its_seconds_run_down(forecast: Forecast, clock: Clock) -> None:
    """Until a task's own pace is known, what was expected of it counts down, never below nothing."""
    forecast.begin("a")
    clock.now += 4
    assert forecast.left_s() == 6.0 + 50.0
    clock.now += 100
    assert forecast.left_s() == 50.0


def test_a_task_under_way_is_told_by_its_own_pace(forecast: Forecast, clock: Clock) -> None:
    """Half done in 15 seconds leaves 15, whatever was expected, and what is to come takes longer, too."""
    forecast.begin("a")
    clock.now += 15
    forecast.advance(0.5)
    assert forecast.left_s() == pytest.approx(15.0 + (15 + TRUST_S) / (5 + TRUST_S) * 50.0)


def test_in_the_first_minute_a_slow_machine_is_known(clock: Clock) -> None:
    """Ten times as slow as expected: with a sixth of a task done, what is to come is stretched threefold."""
    planned = Forecast(clock)
    planned.plan({"a": 36.0, "b": 3600.0})
    planned.begin("a")
    clock.now += 60
    planned.advance(1 / 6)
    left = planned.left_s()
    assert left is not None
    assert left > 300 + 3 * 3600


def test_the_share_done_is_of_time(forecast: Forecast, clock: Clock) -> None:
    """Nothing before the first task, half when as much was spent as is left, all at the end."""
    assert forecast.share() == 0.0
    forecast.begin("a")
    assert forecast.share() == 0.0
    for task, seconds in (("b", 10), ("c", 20)):
        clock.now += seconds
        forecast.begin(task)
    assert forecast.share() == pytest.approx(0.5)
    clock.now += 30
    forecast.advance(1.0)
    assert forecast.share() == 1.0


def test_what_a_finished_piece_needs_is_not_awaited() -> None:
    """Each task of a training belongs to a piece of its run: a resumed run plans what is left alone."""
    pieces = {piece_of(task) for task in training_forecast(preset("standard"), 1000)}
    assert pieces == {
        "reading normals",
        "gan",
        "encoder",
        "corrector",
        "refiner",
        "srgan",
        "head",
        "detector",
    }


def test_a_slow_machine_stretches_what_is_to_come(forecast: Forecast, clock: Clock) -> None:
    """A task that took seven times as long makes the later ones longer, the more so the longer it was."""
    forecast.begin("a")
    clock.now += 70
    forecast.begin("b")
    assert forecast.left_s() == pytest.approx((70 + TRUST_S) / (10 + TRUST_S) * 50.0)
    clock.now += 1400
    forecast.begin("c")
    assert forecast.left_s() == pytest.approx((1470 + TRUST_S) / (30 + TRUST_S) * 30.0)


def test_unplanned_work_takes_its_time_and_changes_no_pace(forecast: Forecast, clock: Clock) -> None:
    """A task that nobody planned is not counted, nor held against the others."""
    forecast.begin("a")
    clock.now += 10
    forecast.begin("pictures")
    clock.now += 500
    assert forecast.left_s() == pytest.approx(50.0)
    forecast.begin("b")
    assert forecast.left_s() == pytest.approx(50.0)


def test_a_resumed_task_is_judged_by_what_it_did_now(forecast: Forecast, clock: Clock) -> None:
    """Begun at 80 %: the share done before took no time of this run."""
    forecast.begin("a", 0.8)
    assert forecast.left_s() == pytest.approx(2.0 + 50.0)
    clock.now += 24  # for a fifth of it: slower than the 2 seconds expected
    forecast.begin("b")
    assert forecast.left_s() == pytest.approx((24 + TRUST_S) / (2 + TRUST_S) * 50.0)


def test_a_plan_is_not_planned_twice(forecast: Forecast) -> None:
    """What an outer plan has said of a task stays."""
    forecast.plan({"a": 1000.0, "d": 5.0})
    assert forecast.left_s() == 65.0


def test_a_training_is_foretold_by_its_settings() -> None:
    """More steps and larger images take longer; a stage that is left out takes nothing."""
    demo, standard, large = preset("demo"), preset("standard"), preset("standard", size=256)
    sums = [sum(training_forecast(settings, 1000).values()) for settings in (demo, standard, large)]
    assert sums[0] < sums[1] / 5
    assert sums[2] > 3 * sums[1]
    assert "corrector" not in training_forecast(demo, 1000)
    assert "corrector" in training_forecast(standard, 1000)
