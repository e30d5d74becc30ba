"""A site's normals in a bundle's densities: rates and order of new images, anomalies among the normals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.scoring.adapt import COUNTS, adapt, moved, reach_of
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density, Gaussian
from sranogan_edge.scoring.heat import HEAT_SHAPE

Array = NDArray[np.float32]
SIZES = {"residual": 40, "head": 24, "map": 1}
RNG = np.random.default_rng(0)
MIXING = {name: np.linalg.qr(RNG.normal(size=(size, size)))[0] for name, size in SIZES.items()}
HELD = 400  # normals of the bundle


def rows(rng: np.random.Generator, count: int, site: float = 0.0, ill: float = 0.0) -> dict[str, Array]:
    """Images: a ``site`` moves a fifth of the directions and widens another fifth.

    Illness moves a third of them, of each image its own way; the single number of the map it raises.
    """
    made = {}
    for name, size in SIZES.items():
        white = rng.standard_t(8, (count, size)) * 0.87
        fifth = max(1, size // 5)
        white[:, :fifth] += 0.9 * site
        if size > 1:
            white[:, fifth : 2 * fifth] *= 1 + 1.5 * site
        third = max(1, size // 3)
        white[:, -third:] += ill * (rng.choice([-1, 1], (count, third)) if size > 1 else 1)
        made[name] = (white @ MIXING[name] * 3 + 1).astype(np.float32)
    return made


def bundle_density(rng: np.random.Generator) -> tuple[Density, NDArray[np.float64]]:
    """The densities of a bundle, each known well, and the scores of its normals."""
    held, parts = rows(rng, HELD), {}
    for name, size in SIZES.items():
        plain = Gaussian(np.ones(size, np.float32), (MIXING[name].T / 3).astype(np.float32))
        distances = [plain.distance(row) for row in held[name]]
        parts[name] = replace(plain, usual=float(np.mean(distances)), spread=float(np.std(distances)))
    heat = np.zeros(HEAT_SHAPE, np.float32)
    raw = Density(parts, heat, heat + 1, 1.0)
    scores = scores_of(raw, held)
    density = replace(raw, unit=(float(scores.mean()), float(scores.std())))
    return density, scores_of(density, held)


def scores_of(density: Density, measured: Mapping[str, Array]) -> NDArray[np.float64]:
    """What a detector would score."""
    count = len(next(iter(measured.values())))
    return np.array([density.score({name: one[n] for name, one in measured.items()}) for n in range(count)])


def auroc(normal: NDArray[np.float64], ill: NDArray[np.float64]) -> float:
    """Share of pairs in which the ill one scores higher."""
    return float((ill[:, None] > normal[None]).mean())


def taken(*parts: Mapping[str, Array]) -> dict[str, Array]:
    """Images one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in SIZES}


def adapted(density: Density, held: NDArray[np.float64], local: Mapping[str, Array]) -> tuple[Density, float]:
    """The adapted density, and its threshold at 5 %."""
    found = adapt(density.parts, local, reach_of(held))
    scores = tuple(sorted(found.scores[found.kept].tolist()))
    return replace(density, parts=found.parts, unit=found.unit), Calibration(scores, 0.05).threshold


def test_a_foreign_site_has_its_rate_and_order_back() -> None:
    """More than 5 % are flagged by the bundle, after 20 normals about as many as asked for; AUROC rises."""
    rng = np.random.default_rng(1)
    density, held = bundle_density(rng)
    normal, ill = rows(rng, 300, site=0.5), rows(rng, 300, site=0.5, ill=0.8)
    limit = Calibration(tuple(sorted(held.tolist())), 0.05).threshold
    before = scores_of(density, normal), scores_of(density, ill)
    assert 0.2 < (before[0] > limit).mean() < 0.5
    flagged: dict[int, list[float]] = {20: [], 100: []}
    order: dict[int, list[float]] = {20: [], 100: []}
    for count in flagged:
        for _ in range(8):
            new, own = adapted(density, held, rows(rng, count, site=0.5))
            after = scores_of(new, normal), scores_of(new, ill)
            flagged[count].append(float((after[0] > own).mean()))
            order[count].append(auroc(*after))
    assert np.mean(flagged[20]) <= 0.08
    assert 0.03 <= np.mean(flagged[100]) <= 0.07
    assert auroc(*before) < np.mean(order[20]) < np.mean(order[100])
    assert np.mean(order[100]) > auroc(*before) + 0.02


def test_the_bundles_own_site_loses_nothing() -> None:
    """Normals like those of the training leave the order of images as it was."""
    rng = np.random.default_rng(2)
    density, held = bundle_density(rng)
    normal, ill = rows(rng, 300), rows(rng, 300, ill=0.8)
    before = auroc(scores_of(density, normal), scores_of(density, ill))
    for count in (20, 100):
        after = []
        for _ in range(5):
            new, _ = adapted(density, held, rows(rng, count))
            after.append(auroc(scores_of(new, normal), scores_of(new, ill)))
        assert np.mean(after) > before - 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("count", "low", "high"), [(20, 0.03, 0.06), (50, 0.03, 0.06), (100, 0.03, 0.06)])
def test_the_threshold_holds_for_further_normals(count: int, low: float, high: float) -> None:
    """Over a thousand sites, on average about 5 % of further normals are above the threshold, as asked."""
    rng = np.random.default_rng(count)
    own = {"head": Gaussian(np.zeros(6, np.float32), np.eye(6, dtype=np.float32))}
    flagged = []
    for _ in range(1000):
        wide = np.exp(rng.normal(0, 0.3, 6))
        local, new = (
            {"head": (rng.normal(0.5, 1, (number, 6)) * wide).astype(np.float32)} for number in (count, 20)
        )
        found = adapt(own, local, reach=6.0)
        limit = Calibration(tuple(sorted(found.scores[found.kept].tolist())), 0.05).threshold
        part = found.parts["head"]
        scores = np.array([(part.standard(row) - found.unit[0]) / found.unit[1] for row in new["head"]])
        flagged.append((scores > limit).mean())
    assert low <= np.mean(flagged) <= high


@pytest.mark.parametrize("ill", [0.6, 0.8, 2.0])
def test_a_tenth_of_anomalies_costs_little(ill: float) -> None:
    """Ten ill ones among a hundred cost at most 0.01 AUROC, whether they are plain or hardly to be told."""
    rng = np.random.default_rng(3)
    density, held = bundle_density(rng)
    normal, others = rows(rng, 300, site=0.5), rows(rng, 300, site=0.5, ill=ill)
    lost = []
    for _ in range(5):
        local, few = rows(rng, 100, site=0.5), rows(rng, 10, site=0.5, ill=ill)
        mixed = {name: np.concatenate([found[:90], few[name]]) for name, found in local.items()}
        clean, dirty = (adapted(density, held, one)[0] for one in (local, mixed))
        lost.append(
            auroc(scores_of(clean, normal), scores_of(clean, others))
            - auroc(scores_of(dirty, normal), scores_of(dirty, others))
        )
    assert np.mean(lost) <= 0.01


def test_the_plain_ones_are_left_out_and_no_others() -> None:
    """Gross anomalies count for no density and no threshold; clean normals are hardly ever left out."""
    rng = np.random.default_rng(4)
    density, held = bundle_density(rng)
    local = taken(rows(rng, 92, site=0.5), rows(rng, 8, site=0.5, ill=5.0))
    found = adapt(density.parts, local, reach_of(held))
    assert not found.kept[92:].any()
    assert not found.fitted[92:].any()
    assert found.kept[:92].sum() >= 90
    out = [
        int((~adapt(density.parts, rows(rng, 50, site=0.5), reach_of(held)).kept).sum()) for _ in range(10)
    ]
    assert np.mean(out) < 0.5


@pytest.mark.parametrize("highest", [0, 1, 2])
def test_scores_are_of_as_many_parts_as_the_bundles(highest: int) -> None:
    """The mean of all, or of the highest of each image; what is far off by these is left out."""
    rng = np.random.default_rng(7)
    density, held = bundle_density(rng)
    local = rows(rng, 40, site=0.5)
    local["map"][3] += 1000  # one part alone
    found = adapt(density.parts, local, reach_of(held), highest=highest)
    standard = np.sort(np.stack(list(found.standard.values())), axis=0)
    expected = standard[-highest:].mean(axis=0) if highest else standard.mean(axis=0)
    np.testing.assert_allclose(found.scores, (expected - found.unit[0]) / found.unit[1])
    assert not found.fitted[3]


def test_at_most_a_tenth_is_left_out() -> None:
    """Where a fifth is of another kind, a tenth is left out, and how many lie too far off is told."""
    rng = np.random.default_rng(5)
    density, held = bundle_density(rng)
    found = adapt(density.parts, taken(rows(rng, 48), rows(rng, 12, ill=4.0)), reach_of(held))
    assert (~found.fitted).sum() <= 6
    assert found.beyond == 12


def test_the_new_density_lies_between_the_two() -> None:
    """In whitened numbers: the mean goes nearly all the way, the covariance mixes identity and scatter."""
    rng = np.random.default_rng(6)
    mixing = rng.normal(size=(5, 5))
    own = Gaussian(np.full(5, 2, np.float32), np.linalg.inv(mixing).T.astype(np.float32))
    local = (rng.normal(1, [3, 1, 1, 1, 1], (200, 5)) @ mixing.T + 2).astype(np.float32)
    found = moved(own, local)
    mean = local.mean(axis=0, dtype=np.float64)
    white = (local - mean) @ own.whitening.astype(np.float64)
    scatter = white.T @ white / 200
    by_chance = np.trace(scatter) / 199 / np.square((mean - 2) @ own.whitening).sum()
    assert 0 < by_chance < 0.05
    np.testing.assert_allclose(found.center, mean - by_chance * (mean - 2), rtol=1e-4)
    inner = np.linalg.inv(np.linalg.lstsq(own.whitening, found.whitening, rcond=None)[0]).T
    covariance = inner @ inner.T
    weight = (covariance[0, 0] - 1) / (scatter[0, 0] - 1)
    assert 0.5 < weight <= 200 / (200 + COUNTS) + 1e-6
    np.testing.assert_allclose(covariance, (1 - weight) * np.eye(5) + weight * scatter, atol=1e-3)


def test_few_normals_of_many_features_hardly_change_the_covariance() -> None:
    """Of 20 like the bundle's nothing is learned: the whitening stays nearly what it was."""
    rng = np.random.default_rng(7)
    own = Gaussian(np.zeros(200, np.float32), np.eye(200, dtype=np.float32))
    found = moved(own, rng.normal(size=(20, 200)).astype(np.float32))
    new = rng.normal(size=(200, 200)).astype(np.float32)
    ratio = [found.distance(row) / own.distance(row) for row in new]
    assert 0.95 < np.mean(ratio) < 1.1
    assert np.std(ratio) < 0.05


def test_a_single_number_keeps_its_sign() -> None:
    """A part of one number is anomalous where it is high, after adapting too."""
    own = {"map": Gaussian(np.zeros(1, np.float32), np.ones((1, 1), np.float32))}
    local = np.random.default_rng(8).normal(3, 2, (40, 1)).astype(np.float32)
    part = adapt(own, {"map": local}, 6.0).parts["map"]
    assert part.standard(np.array([9], np.float32)) > 2
    assert part.standard(np.array([-3], np.float32)) < -2


def test_a_density_of_fewer_numbers_takes_the_first() -> None:
    """An earlier version's density is adapted by the first of the numbers that are measured today."""
    rng = np.random.default_rng(9)
    own = {"residual": Gaussian(np.zeros(4, np.float32), np.eye(4, dtype=np.float32))}
    local = rng.normal(size=(30, 9)).astype(np.float32)
    found = adapt(own, {"residual": local}, 6.0)
    np.testing.assert_array_equal(found.scores, adapt(own, {"residual": local[:, :4]}, 6.0).scores)
    assert found.parts["residual"].whitening.shape == (4, 4)


def _equal(rng: np.random.Generator) -> Array:
    return np.ones((25, 3), np.float32)


def _one_constant(rng: np.random.Generator) -> Array:
    return (rng.normal(size=(25, 3)) * [1, 1, 0]).astype(np.float32)


def _one_huge(rng: np.random.Generator) -> Array:
    return (rng.normal(size=(25, 3)) * [1, 1, 1e6]).astype(np.float32)


@pytest.mark.parametrize("made", [_equal, _one_constant, _one_huge])
def test_odd_measurements_make_a_density_all_the_same(made: Callable[[np.random.Generator], Array]) -> None:
    """Numbers that never vary here, or a million times as much as there, end in finite densities."""
    own = {"head": Gaussian(np.zeros(3, np.float32), np.eye(3, dtype=np.float32))}
    found = adapt(own, {"head": made(np.random.default_rng(10))}, 6.0)
    found.parts["head"].check()
    assert np.isfinite(found.scores).all()
