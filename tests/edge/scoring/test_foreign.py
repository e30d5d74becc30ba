"""Out of domain: how often normals are called so, and that ill ones and wrong images are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.foreign import ALLOWANCES, DomainRule
from sranogan_edge.scoring.statistics import correlation, input_statistics

NORMAL = {  # mean and spread of a chest model's normals
    "brightness": (0.5, 0.05),
    "contrast": (0.24, 0.02),
    "sharpness": (-1.8, 0.2),
    "likeness": (0.85, 0.06),
    "residual": (0.0, 1.0),
    "head": (0.0, 1.0),
    "score": (0.0, 1.0),
}
MEDIAN = {name: mean for name, (mean, _) in NORMAL.items()}


def site(count: int = 200, seed: int = 0) -> SiteCalibration:
    """A calibration of independent normal numbers."""
    rng = np.random.default_rng(seed)
    values = {name: tuple(rng.normal(mean, spread, count)) for name, (mean, spread) in NORMAL.items()}
    return SiteCalibration("b" * 64, 4, "a stopwatch", 0.05, values, "0" * 64, "normals")


def test_few_normals_are_called_so() -> None:
    """Over 30 calibrations, no more normals are out of domain than the rate says."""
    rng = np.random.default_rng(1)
    outside = []
    for seed in range(30):
        rule = DomainRule.of(site(seed=seed))
        for _ in range(200):
            image = {name: float(rng.normal(mean, spread)) for name, (mean, spread) in NORMAL.items()}
            outside.append(not rule.judge(image).inside)
    assert np.mean(outside) <= 0.01


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"likeness": -0.85}, r"likeness to the mean normal image -0\.85, below"),
        ({"brightness": 0.09}, r"mean brightness 0\.09, below"),
        ({"contrast": 0.02}, r"contrast 0\.02, below"),
        ({"sharpness": 1.3}, r"sharpness 1\.3, above"),
        ({"contrast": 0.8}, r"contrast 0\.8, above"),
        ({"sharpness": float("nan")}, "sharpness nan"),
    ],
)
def test_wrong_images(change: dict[str, float], reason: str) -> None:
    """One sign far off is enough, and the answer names it."""
    answer = DomainRule.of(site()).judge({**MEDIAN, **change})
    assert not answer.inside
    assert answer.message.startswith("not like the training data: ")
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(answer.message)


def test_ill_ones_stay_inside() -> None:
    """However high the score and what it is made of: a finding, in an image like the normals."""
    far = {"score": 50.0, "residual": 60.0, "head": 80.0}
    answer = DomainRule.of(site()).judge({**MEDIAN, **far, "contrast": 0.3})
    assert answer.inside
    assert answer.message == ""
    assert 0.3 < answer.reach <= 1


def test_a_sign_that_is_not_known() -> None:
    """Signs that the calibration has not are not asked for."""
    whole = site()
    values = {name: numbers for name, numbers in whole.statistics.items() if name != "likeness"}
    few = SiteCalibration("b" * 64, 4, "a stopwatch", 0.05, values, "0" * 64, "normals")
    rule = DomainRule.of(few)
    assert rule.judge({name: value for name, value in MEDIAN.items() if name != "likeness"}).inside


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_no_such_rate(rate: float) -> None:
    """A rate outside (0, 1) is refused."""
    with pytest.raises(SettingsError, match="between 0 and 1"):
        DomainRule.of(site(), rate)


def test_too_few_normals() -> None:
    """Nineteen do not say what is not like them."""
    with pytest.raises(SettingsError, match="at least 20"):
        DomainRule.of(site(19))


def test_allowances_are_above_one() -> None:
    """The rate on normals rests on it."""
    assert min(ALLOWANCES.values()) > 1


def test_normals_that_are_all_alike() -> None:
    """No spread at all still gives a rule."""
    values = {name: (mean,) * 30 for name, (mean, _) in NORMAL.items()}
    rule = DomainRule.of(SiteCalibration("b" * 64, 4, "a stopwatch", 0.05, values, "0" * 64, "normals"))
    assert rule.judge(MEDIAN).inside
    assert not rule.judge({**MEDIAN, "brightness": 0.6}).inside


def test_input_statistics() -> None:
    """Brightness and contrast follow the exposure, sharpness does not; noise is sharper than a ramp."""
    rng = np.random.default_rng(2)
    ramp = np.tile(np.linspace(0, 1, 64), (64, 1))[..., None].astype(np.float32)
    noise = rng.random((64, 64, 1)).astype(np.float32)
    half = input_statistics(ramp / np.float32(2))
    assert half["brightness"] == pytest.approx(0.25)
    assert half["contrast"] == pytest.approx(input_statistics(ramp)["contrast"] / 2)
    assert half["sharpness"] == pytest.approx(input_statistics(ramp)["sharpness"], abs=1e-3)
    assert input_statistics(noise)["sharpness"] > 1 > -2 > half["sharpness"]
    assert np.isfinite(list(input_statistics(np.zeros((8, 8, 1), np.float32)).values())).all()


def test_correlation() -> None:
    """Of an image with itself 1, with its negative -1, with a constant 0."""
    image = np.random.default_rng(3).random((32, 32)).astype(np.float32)
    assert correlation(image, image) == pytest.approx(1, abs=1e-6)
    assert correlation(image, 1 - image) == pytest.approx(-1, abs=1e-6)
    assert correlation(image, np.ones_like(image)) == 0
