"""Out of domain: how often normals are called so, and that ill ones and wrong images are told apart."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.extremes import chance_beyond
from sranogan_edge.scoring.fingerprint import SIGNS
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


Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]
TAILS: dict[str, Draw] = {
    "bounded": lambda rng, size: rng.beta(8, 2, size),
    "normal": lambda rng, size: rng.normal(size=size),
    "exponential": lambda rng, size: rng.laplace(size=size),
    "heavier": lambda rng, size: rng.standard_t(5, size),
}


def called_foreign(tails: str, count: int, copies: int = 1) -> float:
    """Share of new normals that are out of domain by ``count`` others, over 1,000 draws of these."""
    rng, new = np.random.default_rng(count), 100
    outside = []
    for _ in range(1000):
        normals = np.repeat(TAILS[tails](rng, (len(SIGNS), count)), copies, axis=1)
        rule = DomainRule.of_signs(dict(zip(SIGNS, normals, strict=True)), 0.01, normals=count)
        found = dict(zip(SIGNS, TAILS[tails](rng, (len(SIGNS), new)), strict=True))
        off = [side * (found[name] - limit) > 0 for (name, side), (_, limit) in rule.limits.items()]
        outside.append(np.any(off, axis=0).mean())
    return float(np.mean(outside))


@pytest.mark.parametrize("count", [20, 30, 50, 100])
@pytest.mark.parametrize("tails", TAILS)
def test_few_normals_are_called_so(tails: str, count: int) -> None:
    """At most 1 % of new normals are out of domain by however few; 5 to 9 % of these were by 20."""
    assert called_foreign(tails, count) <= 0.01


@pytest.mark.parametrize("count", [20, 30, 50, 100])
def test_what_is_not_promised(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tails as heavy as Student's t with 3 degrees: more than 1 % of normals, and not 2 %."""
    monkeypatch.setitem(TAILS, "heavy", lambda rng, size: rng.standard_t(3, size))
    assert 0.01 < called_foreign("heavy", count) < 0.02


def test_copies_do_not_count() -> None:
    """Fifty normals in five copies each are fifty: they keep the rate, with the allowances of fifty."""
    assert called_foreign("exponential", 50, copies=5) <= 0.01
    signs = {name: np.random.default_rng(0).normal(size=250) for name in SIGNS}
    assert DomainRule.of_signs(signs, normals=50).widened > 1.3
    assert DomainRule.of_signs(signs).widened == 1


@pytest.mark.parametrize(("times", "count", "rank"), [(1.0, 20, 20), (2.5, 20, 20), (1.5, 61, 60)])
def test_chance_beyond(times: float, count: int, rank: int) -> None:
    """It is exact for exponential tails: 200,000 draws agree."""
    draws = np.random.default_rng(count).exponential(size=(200_000, count + 1))
    ordered, middle = np.sort(draws[:, :count], axis=1), count // 2
    limit = ordered[:, middle] + times * (ordered[:, rank - 1] - ordered[:, middle])
    found = float((draws[:, count] > limit).mean())
    expected = chance_beyond(times, count, rank)
    assert found == pytest.approx(expected, abs=5 * (expected / 200_000) ** 0.5)


def test_few_normals_are_told_of() -> None:
    """What few normals cost is said, with the number that would do; with that many nothing is."""
    note = DomainRule.of(site(20)).note
    assert note.startswith('20 normals are few to call an image "not like the training data"')
    needed = int(re.search(r"as with (\d+) of them", note)[1])  # type: ignore[index]  # it is there
    assert DomainRule.of(site(needed - 1)).note
    assert DomainRule.of(site(needed)).note == ""
    assert DomainRule.of(site(needed)).widened == 1


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01, 0.001, 1e-5])
def test_a_smaller_rate_takes_more(rate: float) -> None:
    """Fewer normals or a smaller rate never narrow an allowance."""
    factors = [DomainRule.of(site(count), rate).widened for count in (20, 50, 200, 1000)]
    assert factors == sorted(factors, reverse=True)
    assert factors[0] >= DomainRule.of(site(20), min(0.9, 2 * rate)).widened >= 1


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
