"""From measurements to a score, a p-value and a threshold; and what cannot be a density."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes
from sranogan_edge.scoring.density import (
    PARTS,
    TILE_PARTS,
    WHOLE_PARTS,
    Density,
    Gaussian,
    mean_of_highest,
)
from sranogan_edge.scoring.heat import HEAT_SHAPE

Array = NDArray[np.float32]
WIDTHS = {"residual": 5, "head": 3, "map": 1, "peak": 1}


def whitened(
    center: NDArray[Any], covariance: NDArray[np.float64], usual: float = 0.0, spread: float = 1.0
) -> Gaussian:
    """The density of a known Gaussian."""
    values, vectors = np.linalg.eigh(covariance)
    whitening = (vectors / np.sqrt(values)).astype(np.float32)
    return Gaussian(center.astype(np.float32), whitening, usual, spread)


def known_density(*names: str) -> Density:
    """A density of the parts ``names`` (all of them where none is named), each of its own unit."""
    parts = {
        name: whitened(np.full(WIDTHS[name], number), np.eye(WIDTHS[name]), 0.5 * number, number)
        for number, name in enumerate(PARTS, start=1)
        if name in (names or PARTS)
    }
    heat_center, heat_scale = np.full(HEAT_SHAPE, 2.0, np.float32), np.full(HEAT_SHAPE, 0.5, np.float32)
    return Density(parts, heat_center, heat_scale, heat_limit=3.0, unit=(1.5, 0.5))


def some_measurements(seed: int = 0) -> dict[str, Array]:
    """Something measured in each part."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=width).astype(np.float32) * 3 for name, width in WIDTHS.items()}


def test_distance_is_mahalanobis() -> None:
    """The distance equals sqrt((v - m)' C^-1 (v - m) / D) of a known Gaussian, computed independently."""
    rng = np.random.default_rng(3)
    mix = rng.normal(size=(12, 12))
    covariance = mix @ mix.T + np.eye(12)
    center, vector = rng.normal(size=12), rng.normal(size=12) * 3
    expected = math.sqrt((vector - center) @ np.linalg.inv(covariance) @ (vector - center) / 12)
    found = whitened(center, covariance).distance(vector.astype(np.float32))
    assert found == pytest.approx(expected, rel=1e-4)


def test_distance_of_normals_is_about_one() -> None:
    """Draws from the density itself are at distance 1 on average; its center is at distance 0."""
    rng = np.random.default_rng(4)
    gaussian = whitened(np.ones(50), np.diag(np.linspace(0.5, 2, 50)))
    draws = 1 + rng.normal(size=(200, 50)) * np.sqrt(np.linspace(0.5, 2, 50))
    distances = [gaussian.distance(row.astype(np.float32)) for row in draws]
    assert np.mean(distances) == pytest.approx(1, abs=0.03)
    assert gaussian.distance(gaussian.center) == 0


def test_a_single_number_keeps_its_sign() -> None:
    """Of one number, only a high one is far from the normals: three deviations below count as minus 3."""
    gaussian = whitened(np.ones(1), np.full((1, 1), 4.0))
    for off in (-3.0, 0.0, 3.0):
        assert gaussian.distance(np.array([1 + 2 * off], np.float32)) == pytest.approx(off)


def test_standard_distance_has_the_held_out_normals_unit() -> None:
    """The usual distance is 0, and one spread above it is 1."""
    gaussian = whitened(np.zeros(4), np.eye(4), usual=2.0, spread=0.5)
    for distance, expected in ((2.0, 0.0), (2.5, 1.0), (1.0, -2.0)):
        assert gaussian.standard(np.full(4, distance, np.float32)) == pytest.approx(expected)


@pytest.mark.parametrize("names", [PARTS, TILE_PARTS, ("residual",), ("map",), ("head", "residual")])
def test_score_is_of_the_parts(names: tuple[str, ...]) -> None:
    """It is made of the parts in use, each in its own unit; it does not feel the others."""
    density, measured = known_density(*names), some_measurements()
    standard = density.standard(measured)
    assert list(standard) == [name for name in PARTS if name in names]
    for name, found in standard.items():
        assert found == density.parts[name].standard(measured[name])
    mean = np.mean(list(standard.values()))
    assert density.score(measured) == pytest.approx((mean - 1.5) / 0.5)
    assert replace(density, unit=(0.0, 1.0)).score(measured) == pytest.approx(mean)
    for other in set(PARTS) - set(names):
        assert density.score(measured | {other: measured[other] + 9}) == density.score(measured)


@pytest.mark.parametrize("highest", [1, 2, 3, 4, 9])
def test_score_is_of_the_highest_parts(highest: int) -> None:
    """Those that say least are left out, where the density says of how many it is; of 0, none is."""
    density, measured = replace(known_density(), highest=highest), some_measurements()
    told = sorted(density.standard(measured).values(), reverse=True)[:highest]
    assert density.score(measured) == pytest.approx((sum(told) / len(told) - 1.5) / 0.5)
    assert Density.from_bytes(density.to_bytes()).highest == highest
    assert Density.from_bytes(known_density().to_bytes()).highest == 0
    assert (
        "highest" not in np.load(io.BytesIO(known_density().to_bytes())).files
    )  # as earlier versions wrote it


def test_mean_of_the_highest_by_hand() -> None:
    """Of each column by itself."""
    parts = np.array([[1.0, 9.0], [5.0, -2.0], [3.0, 4.0]])
    expected = {0: [3.0, 11 / 3], 1: [5.0, 9.0], 2: [4.0, 6.5], 3: [3.0, 11 / 3]}
    for highest, found in expected.items():
        np.testing.assert_allclose(mean_of_highest(parts, highest), found)


@pytest.mark.parametrize("stored", [np.array(0), np.array(-1), np.array([2]), np.array(2.0), np.array(True)])
def test_a_score_of_no_number_of_parts_is_refused(stored: NDArray[Any]) -> None:
    """A whole number from 1 on."""
    arrays = dict(np.load(io.BytesIO(known_density().to_bytes())))
    with pytest.raises(ValueError, match="a score of the highest"):
        Density.from_bytes(arrays_to_bytes({**arrays, "highest": stored}))


def test_order_of_the_parts_leaves_no_trace() -> None:
    """Parts given in another order make the same bytes and the same score to the bit."""
    density = known_density()
    other = replace(density, parts=dict(reversed(list(density.parts.items()))))
    assert other.to_bytes() == density.to_bytes()
    assert other.score(some_measurements()) == density.score(some_measurements())


def test_heat_map_of_average_heat_is_zero() -> None:
    """Heat as normals have it on average shows nothing."""
    density = known_density()
    assert not density.heat_map(density.heat_center, 64).any()


def test_heat_map_counts_standard_deviations() -> None:
    """The head's map two deviations up reads 2 all over, at the size of the image."""
    density = known_density()
    heat = density.heat_center.copy()
    heat[-1] += 2 * density.heat_scale[-1]
    found = density.heat_map(heat, 64)
    assert found.shape == (64, 64)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 2, rtol=1e-5)


@pytest.mark.parametrize("names", [PARTS, TILE_PARTS, ("residual", "head"), ("residual", "map"), ("head",)])
def test_density_round_trip(names: tuple[str, ...]) -> None:
    """A density survives its bytes to the bit, whichever parts are switched off."""
    density = known_density(*names)
    read = Density.from_bytes(density.to_bytes())
    assert set(read.parts) == set(names)
    for name in names:
        one, other = read.parts[name], density.parts[name]
        np.testing.assert_array_equal(one.center, other.center)
        np.testing.assert_array_equal(one.whitening, other.whitening)
        assert one.center.dtype == one.whitening.dtype == np.float32
        assert (one.usual, one.spread) == (other.usual, other.spread)
    np.testing.assert_array_equal(read.heat_center, density.heat_center)
    np.testing.assert_array_equal(read.heat_scale, density.heat_scale)
    assert (read.heat_limit, read.to_bytes()) == (density.heat_limit, density.to_bytes())
    assert read.unit == density.unit


@pytest.mark.parametrize(
    ("names", "written"),
    [(WHOLE_PARTS, [1, 1, 1]), (("head",), [0, 1, 0]), (TILE_PARTS, [1, 1, 0, 1]), (("peak",), [0, 0, 0, 1])],
)
def test_without_a_peak_bytes_are_those_of_earlier_versions(
    names: tuple[str, ...], written: list[int]
) -> None:
    """Which read three parts; with it there are four, and they say that they do not know it."""
    parts = arrays_from_bytes(known_density(*names).to_bytes(), ["parts"])["parts"]
    assert parts.dtype == np.bool_
    assert parts.tolist() == [bool(one) for one in written]


def test_density_of_the_first_bundles() -> None:
    """Without a unit the score is the mean of the parts; of a longer residual the first numbers count."""
    names = [f"{name}_{what}" for name in WHOLE_PARTS for what in ("center", "whitening", "distance")]
    density = known_density(*WHOLE_PARTS)
    arrays = arrays_from_bytes(
        density.to_bytes(), ["parts", *names, "heat_center", "heat_scale", "heat_limit"]
    )
    read = Density.from_bytes(arrays_to_bytes(arrays))
    assert read.unit == (0.0, 1.0)
    measured = some_measurements()
    assert read.score(measured) == pytest.approx(np.mean(list(read.standard(measured).values())))
    longer = measured | {
        "residual": np.append(measured["residual"], np.float32(99))
    }  # as it is measured today
    assert read.score(longer) == read.score(measured)


def test_density_without_its_spread_of_distances() -> None:
    """Bytes that lack one array of a part in use are refused by its name."""
    names = ["parts", "head_center", "head_whitening", "heat_center", "heat_scale", "heat_limit"]
    arrays = arrays_from_bytes(known_density("head").to_bytes(), names)
    with pytest.raises(ValueError, match=r"no array .*head_distance"):
        Density.from_bytes(arrays_to_bytes(arrays))


@pytest.mark.parametrize(
    "change",
    [
        {"parts": np.zeros(4, np.bool_)},
        {"parts": np.zeros(3, np.bool_)},
        {"parts": np.ones(2, np.bool_)},
        {"parts": np.ones(5, np.bool_)},
        {"parts": np.ones((4, 1), np.bool_)},
        {"parts": np.ones(4, np.uint8)},
        {"head_distance": np.ones(3)},
        {"unit": np.ones(3)},
        {"unit": np.array([0.0, 0.0])},
        {"unit": np.array([np.nan, 1.0])},
        {"unit": np.array([0.0, np.inf])},
    ],
)
def test_density_of_nonsense_arrays(change: dict[str, NDArray[Any]]) -> None:
    """No part in use, a wrong count of them, numbers for booleans or a third distance are refused."""
    fields = [f"{name}_{what}" for name in PARTS for what in ("center", "whitening", "distance")]
    names = ["parts", *fields, "heat_center", "heat_scale", "heat_limit"]
    arrays = arrays_from_bytes(known_density().to_bytes(), names)
    with pytest.raises(ValueError, match=r"not one boolean each|not a mean and a spread|with a spread of"):
        Density.from_bytes(arrays_to_bytes(arrays | change))


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda part: replace(part, center=part.center[:, None]), "with a whitening"),
        (lambda part: replace(part, whitening=part.whitening[:, 0]), "with a whitening"),
        (lambda part: replace(part, center=np.append(part.center, part.center)), "with a whitening"),
        (lambda part: replace(part, center=part.center * np.float32(np.nan)), "not finite"),
        (lambda part: replace(part, whitening=part.whitening + np.float32(np.inf)), "not finite"),
        (lambda part: replace(part, usual=math.nan), "usual distances"),
        (lambda part: replace(part, usual=math.inf), "usual distances"),
        (lambda part: replace(part, spread=0.0), "usual distances"),
        (lambda part: replace(part, spread=-1.0), "usual distances"),
        (lambda part: replace(part, spread=math.nan), "usual distances"),
        (lambda part: replace(part, spread=math.inf), "usual distances"),
    ],
)
def test_density_refuses_what_cannot_score(
    name: str, broken: Callable[[Gaussian], Gaussian], message: str
) -> None:
    """A part that would score NaN, or not at all, is refused when read, not first noticed as a score."""
    density = known_density()
    parts = {**density.parts, name: broken(density.parts[name])}
    with pytest.raises(ValueError, match=message):
        Density.from_bytes(replace(density, parts=parts).to_bytes())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"heat_center": np.zeros((3, 3), np.float32)}, r"^heat on \(3, 3\) and .*, not on \("),
        ({"heat_scale": np.ones(4, np.float32)}, r"^heat on .* and \(4,\), not on \("),
        ({"heat_center": np.full(HEAT_SHAPE, np.nan, np.float32)}, "^a heat that is not finite$"),
        ({"heat_scale": np.full(HEAT_SHAPE, np.inf, np.float32)}, "^a heat that is not finite$"),
        ({"heat_scale": np.zeros(HEAT_SHAPE, np.float32)}, "^a heat scale that is not positive$"),
        ({"heat_limit": 0.0}, "^a heat scale that is not positive$"),
        ({"heat_limit": math.inf}, "^a heat scale that is not positive$"),
        ({"unit": (3.0, 0.0)}, r"^scores of normals at 3\.0 with a spread of 0\.0$"),
    ],
)
def test_density_refuses_heat_that_cannot_be_shown(broken: dict[str, Any], message: str) -> None:
    """Each of the heat's numbers alone, where it is wrong, is refused when read, and named."""
    with pytest.raises(ValueError, match=message):
        Density.from_bytes(replace(known_density(), **broken).to_bytes())


def test_a_small_limit_of_heat_is_one() -> None:
    """Above 0 is enough."""
    assert Density.from_bytes(replace(known_density(), heat_limit=0.25).to_bytes()).heat_limit == 0.25
