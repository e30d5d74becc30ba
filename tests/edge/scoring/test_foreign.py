"""Out of domain: how often normals are called so, and that ill ones and wrong images are told apart."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.extremes import chance_beyond, widening
from sranogan_edge.scoring.fingerprint import SIGNS
from sranogan_edge.scoring.foreign import ALLOWANCES, DomainRule, foreign_of, own_rule
from sranogan_edge.scoring.statistics import correlation, input_statistics
from tests.support.calibrated_sites import small_bundle

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


def test_the_rate_is_shared_by_all_signs() -> None:
    """1 % of 2,000 normals and seven sides: each takes the 1,999th for its quantile, not the 1,981st.

    The limits are the allowances' multiples of its distance of 998.5 from the median.
    """
    rng = np.random.default_rng(0)
    signs = {name: rng.permutation(np.arange(1.0, 2001.0)) for name in SIGNS}
    found = {sign: limit for sign, (_, limit) in DomainRule.of_signs(signs, 0.01).limits.items()}
    assert found == pytest.approx(
        {
            ("likeness", -1): 1000.5 - 1.25 * 998.5,
            ("brightness", -1): 1000.5 - 1.5 * 998.5,
            ("brightness", 1): 1000.5 + 1.5 * 998.5,
            ("contrast", -1): 1000.5 - 2 * 998.5,
            ("contrast", 1): 1000.5 + 2 * 998.5,
            ("sharpness", -1): 1000.5 - 2 * 998.5,
            ("sharpness", 1): 1000.5 + 2 * 998.5,
        }
    )


@pytest.mark.parametrize(
    ("asked", "count", "rate"),
    [
        ((1.5, 1.5, 2.0, 2.0), 20, 0.001),
        ((1.5, 1.5, 2.0, 2.0), 300, 0.001),
        ((1.01, 1.02, 1.03, 1.04), 800, 0.02),
    ],
)
def test_allowances_are_widened_for_all_sides_together(
    asked: tuple[float, ...], count: int, rate: float
) -> None:
    """The chances of the sides, of exponential tails, add up to three quarters of the rate."""
    factor, rank = widening(asked, count, rate), min(count, math.ceil((count + 1) * (1 - rate / 4)))
    total = sum(chance_beyond(factor * one, count, rank) for one in asked)
    assert factor > 1
    assert total == pytest.approx(0.75 * rate, rel=1e-6)


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


def test_the_end_of_an_allowance_is_inside() -> None:
    """Exactly there the reach is 1, and beyond it the answer names value, side, limit and what is usual."""
    rule = DomainRule({("brightness", -1): (0.5, 0.25), ("contrast", 1): (0.25, 0.75)}, 0.01, 100, 1.0)
    edge = rule.judge({"brightness": 0.25, "contrast": 0.25})
    assert (edge.inside, edge.reach, edge.reasons) == (True, 1.0, ())
    beyond = rule.judge({"brightness": 0.0, "contrast": 1.0})
    assert (beyond.inside, beyond.reach) == (False, 2.0)
    assert beyond.reasons == (
        "mean brightness 0, below 0.25 (usual 0.5)",
        "contrast 1, above 0.75 (usual 0.25)",
    )
    assert rule.judge({"brightness": 0.75, "contrast": 0.0}).reach == -0.5  # the nearer of -1 and -0.5


def test_twenty_normals_are_enough() -> None:
    """And their number is the one that counts, not that of other statistics."""
    rule = DomainRule.of(site(20))
    assert (rule.normals, rule.rate) == (20, 0.01)
    assert rule.widened > 1


@pytest.mark.parametrize(("normals", "counted"), [(None, 250), (50, 50), (400, 250), (5, 20)])
def test_how_many_normals_count(normals: int | None, counted: int) -> None:
    """So many as are independent, no more than there are, and never fewer than the fewest."""
    signs = {name: np.random.default_rng(0).normal(size=250) for name in SIGNS}
    assert DomainRule.of_signs(signs, normals=normals).normals == counted


def test_a_bundle_counts_its_normals_and_not_their_copies() -> None:
    """Fifty scores of a calibration and 250 rows of signs are fifty normals."""
    bundle = small_bundle(scores=tuple(np.linspace(-1, 1, 50)))
    assert (own_rule(bundle), foreign_of(bundle), foreign_of(bundle, None)) == (None, None, None)
    signs = {name: np.random.default_rng(0).normal(size=250) for name in SIGNS}
    budgets = {steps: replace(budget, signs=signs) for steps, budget in bundle.budgets.items()}
    rule = own_rule(replace(bundle, budgets=budgets))
    assert rule is not None
    assert rule == DomainRule.of_signs(signs, 0.01, normals=50)
    assert foreign_of(replace(bundle, budgets=budgets), None) is None
    assert foreign_of(replace(bundle, budgets=budgets)) is not None


@pytest.mark.parametrize("sign", SIGNS)
def test_signs_that_mirror_each_other_have_limits_that_do(sign: str) -> None:
    """The limit below of some values is the one above of their negatives: 21 of them, 0 to 20 squared."""
    values = np.arange(21.0) ** 2
    below = DomainRule.of_signs({sign: -values}).limits[sign, -1]
    assert below[0] == -100.0
    factor = widening([allowed for (name, _), allowed in ALLOWANCES.items() if name == sign], 21, 0.01)
    assert below[1] == pytest.approx(-100 - factor * ALLOWANCES[sign, -1] * (400 - 100))
    if (sign, 1) in ALLOWANCES:
        above = DomainRule.of_signs({sign: values}).limits[sign, 1]
        assert above == pytest.approx((-below[0], -below[1]))
