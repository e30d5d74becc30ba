"""Black and frozen pictures, and those that only look so."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.feeds.still import StillLimits, StillWatch

RANDOM = np.random.default_rng(3)


def noisy(level: float, deviation: float, shape: tuple[int, ...] = (480, 640, 3)) -> NDArray[np.uint8]:
    """A picture of one level (0 to 255) with a sensor's noise."""
    return np.clip(RANDOM.normal(level, deviation, shape), 0, 255).astype(np.uint8)


def test_a_covered_lens_is_black_after_two_seconds() -> None:
    """Noise in the dark does not hide it; light ends it at once."""
    watch = StillWatch()
    assert [watch.look(noisy(8, 4), at) for at in (0.0, 1.0, 1.9, 2.0)] == ["", "", "", "black"]
    assert watch.look(noisy(90, 4), 2.5) == ""


def test_a_dark_picture_with_something_in_it_is_not_black() -> None:
    """A bright part of a twentieth is something to see."""
    watch, picture = StillWatch(StillLimits(frozen_s=1e9)), np.zeros((480, 640, 3), np.uint8)
    picture[:120, :160] = 200
    assert [watch.look(picture, at) for at in range(10)] == [""] * 10


def test_the_same_picture_is_frozen_after_ten_seconds() -> None:
    """Identical pictures and those with a codec's faint flicker are frozen; a new one ends it."""
    for flicker in (0, 0.2):
        watch, picture = StillWatch(), noisy(120, 20)
        found = [watch.look(np.clip(picture, 0, 254) + noisy(0, flicker), at) for at in range(11)]
        assert found == [""] * 10 + ["frozen"]
        assert watch.look(noisy(120, 20), 11) == ""


def test_a_live_sensor_on_a_still_object_is_not_frozen() -> None:
    """One grey level of noise is enough to tell it from a frozen one."""
    watch = StillWatch()
    assert [watch.look(noisy(120, 1), at) for at in range(30)] == [""] * 30


def test_slow_change_is_no_standstill() -> None:
    """The reference stays, so that a drift slower than the threshold from picture to picture still counts."""
    watch = StillWatch()
    pictures = [np.full((48, 64), 30000 + 20 * n, np.uint16) for n in range(30)]
    assert [watch.look(picture, at) for at, picture in enumerate(pictures)] == [""] * 30


def test_another_size_or_another_start_begins_anew() -> None:
    """Neither is compared with what was before."""
    watch = StillWatch()
    for at in range(9):
        watch.look(np.full((48, 64), 90, np.uint8), at)
    assert watch.look(np.full((96, 64), 90, np.uint8), 11) == ""
    watch.restart()
    assert watch.look(np.full((96, 64), 90, np.uint8), 30) == ""


@pytest.mark.parametrize(
    ("level", "bright", "finding"), [(25, 0, "black"), (26, 0, ""), (25, 200, "black"), (25, 201, "")]
)
def test_how_dark_and_how_much_of_it_is_black(level: int, bright: int, finding: str) -> None:
    """Up to a tenth of 255, and 98 % of 10,000 pixels: one level or one pixel more is something to see."""
    watch, picture = StillWatch(), np.full((100, 100), level, np.uint8)
    picture.ravel()[:bright] = 200
    assert [watch.look(picture, at) for at in (0.0, 2.0)] == ["", finding]


def test_a_picture_of_one_colour_is_not_black() -> None:
    """Pure blue is dark on average over the channels, and bright in its own."""
    watch, blue = StillWatch(), np.zeros((48, 64, 3), np.uint8)
    blue[..., 0] = 60
    assert [watch.look(blue, at) for at in (0.0, 2.0, 4.0)] == [""] * 3


@pytest.mark.parametrize(("step", "finding"), [(65, "frozen"), (66, "")])
def test_how_little_a_frozen_picture_changes(step: int, finding: str) -> None:
    """Up to a thousandth of 65,535 on average."""
    watch = StillWatch()
    pictures = [np.full((48, 64), 30_000 + step * (n % 2), np.uint16) for n in range(11)]
    assert [watch.look(picture, at) for at, picture in enumerate(pictures)][-1] == finding


def test_a_camera_that_was_opened_again_is_black_anew() -> None:
    """How long it was before does not count."""
    watch, black = StillWatch(), np.zeros((48, 64), np.uint8)
    assert [watch.look(black, at) for at in (0.0, 2.0)] == ["", "black"]
    watch.restart()
    assert [watch.look(black, at) for at in (2.5, 4.0, 4.5)] == ["", "", "black"]
