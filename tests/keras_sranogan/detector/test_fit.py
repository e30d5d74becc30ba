"""Densities of normals, and scores of normals that those densities have not seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.detector import fit
from keras_sranogan.detector.fit import fit_detector, fit_gaussian
from keras_sranogan.settings import DetectorSettings
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import WHOLE_PARTS, Density, Gaussian
from sranogan_edge.scoring.heat import HEAT_SHAPE

Array = NDArray[np.float32]
WIDTHS = {"residual": 8, "head": 12, "map": 1}
RNG = np.random.default_rng(0)
MIXES = {  # correlated, and of very different scales
    name: (np.eye(width) + 0.2 * RNG.normal(size=(width, width))) * np.geomspace(0.01, 10, width)
    for name, width in WIDTHS.items()
}


def normals(count: int, seed: int) -> dict[str, Array]:
    """What ``count`` normals measure, each part from one Gaussian."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(size=(count, len(mix))) @ mix + 3).astype(np.float32) for name, mix in MIXES.items()
    }


def heat(count: int) -> Array:
    """Some heat for each."""
    return np.random.default_rng(9).random((count, *HEAT_SHAPE), np.float32)


def fitted(
    count: int, seed: int, settings: DetectorSettings | None = None, folds_seed: int = 0
) -> tuple[Density, Calibration]:
    """A detector of ``count`` normals, one image of each person."""
    rows, every = normals(count, seed), np.ones(count, np.bool_)
    return fit_detector(
        rows, heat(count), np.arange(count), every, settings or DetectorSettings(), folds_seed
    )


def scores_of(density: Density, rows: dict[str, Array]) -> NDArray[np.float64]:
    """The score of each image."""
    count = len(next(iter(rows.values())))
    return np.array([density.score({name: rows[name][i] for name in rows}) for i in range(count)])


@pytest.mark.parametrize("name", WHOLE_PARTS)
def test_whitening_gives_unit_covariance(name: str) -> None:
    """Whitened normals have mean zero and the identity as covariance, whatever their scales."""
    features = normals(4000, 1)[name]
    gaussian = fit_gaussian(features)
    white = (features - gaussian.center) @ gaussian.whitening
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(
        np.atleast_2d(np.cov(white.T)), np.eye(WIDTHS[name]), atol=0.1
    )  # shrunk a little


@pytest.mark.parametrize("highest", [1, 2])
def test_normals_are_calibrated_by_as_many_parts_as_are_scored(highest: int) -> None:
    """Scores out of fold are of the highest parts, too: new normals are flagged as often as is asked for."""
    settings = DetectorSettings(highest=highest)
    density, calibration = fitted(400, 11, settings)
    assert density.highest == highest
    new = scores_of(density, normals(2000, 12))
    assert np.mean(new) == pytest.approx(0, abs=0.25)
    assert 0.02 < np.mean(new > calibration.threshold) < 0.09


@pytest.mark.parametrize(("with_image", "features"), [(False, 257), (True, 449)])
def test_the_residual_is_judged_with_the_image_where_that_is_asked_for(
    with_image: bool, features: int
) -> None:
    """Its density is of the first numbers, or of all, and so is each score that calibrates."""
    rows = {"residual": np.random.default_rng(3).normal(size=(60, 449)).astype(np.float32)}
    settings = DetectorSettings(parts=("residual",), folds=3, with_image=with_image)
    every = np.ones(60, np.bool_)
    density, calibration = fit_detector(rows, heat(60), np.arange(60), every, settings, 0)
    assert density.parts["residual"].center.shape == (features,)
    cut = {"residual": rows["residual"][:, :features]}
    of_these, scores = fit_detector(cut, heat(60), np.arange(60), every, settings, 0)
    assert scores == calibration
    assert density.score({"residual": rows["residual"][0]}) == of_these.score(
        {"residual": cut["residual"][0]}
    )


def test_distance_grows_outside() -> None:
    """The farther from the normals, the larger the distance; of one number, the higher."""
    features = normals(2000, 2)
    far = MIXES["residual"][0].astype(np.float32)
    gaussian, line = fit_gaussian(features["residual"]), fit_gaussian(features["map"])
    away = [gaussian.distance(gaussian.center + reach * far) for reach in (0.0, 5.0, 10.0)]
    assert away[0] < away[1] < away[2]
    along = [line.distance(line.center + np.float32(reach)) for reach in (-2, 0, 2)]
    assert along[0] < along[1] < along[2]


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-4])
def test_a_feature_that_never_varies(noise: float) -> None:
    """A feature that hardly varied in the fit may do so elsewhere: a change is measured by the others'."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(500, 10)).astype(np.float32)
    features[:, 2] = 1.5 + noise * features[:, 2]
    gaussian = fit_gaussian(features)
    gaussian.check()
    new = rng.normal(size=(1000, 10)).astype(np.float32)
    new[:, 2] = 1.5 + 0.01 * new[:, 2]
    distances = [gaussian.distance(row) for row in new]
    assert np.mean(distances) == pytest.approx(1, abs=0.05)
    changed = gaussian.center.copy()
    changed[2] += 0.01
    assert gaussian.distance(changed) < 0.5  # it was 1,618
    changed[2] += 1
    assert gaussian.distance(changed) > 20


def test_features_that_are_all_constant() -> None:
    """Nothing varies, so nothing says by how much: still a density, and another image is far."""
    gaussian = fit_gaussian(np.full((30, 4), 0.7, np.float32))
    gaussian.check()
    assert gaussian.distance(gaussian.center) == 0
    assert gaussian.distance(gaussian.center + np.float32(0.1)) > 100


def test_small_features_count_in_full() -> None:
    """A hundredth of what the others vary by is a feature like any other."""
    features = np.random.default_rng(4).normal(size=(4000, 9)).astype(np.float32)
    features[:, 0] *= 0.02
    gaussian = fit_gaussian(features)
    changed = gaussian.center.copy()
    changed[0] += 0.02 * 9
    assert gaussian.distance(changed) == pytest.approx(9 / 3, rel=0.05)


def test_scores_of_normals_are_about_zero() -> None:
    """Held-out normals, and new ones, score 0 on average, each part with a spread of 1."""
    density, calibration = fitted(600, 4)
    assert np.mean(calibration.scores) == pytest.approx(0, abs=1e-6)
    rows = normals(1000, 5)
    assert scores_of(density, rows).mean() == pytest.approx(0, abs=0.12)
    for name in WHOLE_PARTS:
        standard = [density.parts[name].standard(row) for row in rows[name]]
        assert np.mean(standard) == pytest.approx(0, abs=0.2), name
        assert np.std(standard) == pytest.approx(1, abs=0.15), name


SMALL = {"residual": 60, "head": 40, "map": 1}  # features beside 40 to 120 normals: as many, or more


def drawn(rng: np.random.Generator, count: int, copies: int) -> dict[str, Array]:
    """What ``count`` normals measure, and ``copies`` of each, that lie farther off."""
    rows = {}
    for name, width in SMALL.items():
        plain = rng.normal(size=(count, width)) * np.geomspace(1, 0.1, width)
        taken = [plain + 0.4 * rng.normal(size=plain.shape) * plain.std(axis=0) for _ in range(copies)]
        rows[name] = np.concatenate([plain, *taken]).astype(np.float32)
    return rows


@pytest.mark.parametrize("count", [40, 120])
def test_the_unit_is_that_of_normals_as_they_came(count: int) -> None:
    """Over 4,000 new normals score and parts are 0 give or take 1, and false alarms about 5 %."""
    rng, copies, new = np.random.default_rng(count), 2, 200
    rows = count * (copies + 1)
    scores, parts, flagged = [], [], []
    for _ in range(20):
        fitted_rows, owner = drawn(rng, count, copies), np.arange(rows) % count
        every = (fitted_rows, np.ones((rows, *HEAT_SHAPE), np.float32), owner, np.arange(rows) < count)
        density, calibration = fit_detector(*every, DetectorSettings(), 0)
        normals_seen = drawn(rng, new, 0)
        found = scores_of(density, normals_seen)
        scores.append(found)
        flagged.append(found > calibration.threshold)
        parts.append([[density.parts[name].standard(row) for row in normals_seen[name]] for name in SMALL])
    assert np.mean(scores) == pytest.approx(0, abs=0.2)  # it was -0.6
    assert np.std(scores) == pytest.approx(1, abs=0.15)
    np.testing.assert_allclose(np.mean(parts, axis=(0, 2)), 0, atol=0.25)  # they were down to -0.9
    np.testing.assert_allclose(np.std(parts, axis=(0, 2)), 1, atol=0.2)
    assert 0.02 <= np.mean(flagged) <= 0.065  # it was 0.01


def test_p_values_of_new_normals_are_uniform() -> None:
    """Of new normals from the same Gaussians any share gets a p-value of at most that share."""
    density, calibration = fitted(500, 6)
    found = np.array([calibration.p_value(score) for score in scores_of(density, normals(3000, 7))])
    for share in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.mean(found <= share) == pytest.approx(share, abs=0.05)


def test_stated_false_alarm_rate_is_kept() -> None:
    """Of new normals from the same Gaussians about the stated share is flagged."""
    density, calibration = fitted(500, 8, DetectorSettings(false_alarm_rate=0.1))
    flagged = scores_of(density, normals(3000, 9)) > calibration.threshold
    assert np.mean(flagged) == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize("names", [("residual",), ("map", "head")])
def test_parts_left_out_are_switched_off(names: tuple[str, ...]) -> None:
    """Only the parts in the settings are fitted, and the calibration is of just these."""
    density, calibration = fitted(200, 10, DetectorSettings(parts=names))
    assert set(density.parts) == set(names)
    rows = {name: part for name, part in normals(500, 11).items() if name in names}
    found = [calibration.p_value(score) for score in scores_of(density, rows)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_training_normals_widen_a_density_and_are_not_scored() -> None:
    """Normals of the training move and widen the density of their part alone, and add no score."""
    rows, every = normals(60, 12), np.ones(60, np.bool_)
    more = {"head": normals(400, 13)["head"]}
    arguments = (rows, heat(60), np.arange(60), every, DetectorSettings(folds=5), 0)
    alone, few = fit_detector(*arguments)
    wide, many = fit_detector(*arguments, trained_on=more)
    assert len(few.scores) == len(many.scores) == 60
    np.testing.assert_array_equal(alone.parts["residual"].center, wide.parts["residual"].center)
    truth = np.full(WIDTHS["head"], 3)
    off = [np.abs(density.parts["head"].center - truth).mean() for density in (alone, wide)]
    assert off[1] < off[0]
    assert wide.parts["head"].usual < alone.parts["head"].usual  # normals are nearer to a better density


def test_contamination_leaves_suspects_out() -> None:
    """Abnormal images among the normals are left out of densities and scores, when asked for."""
    rows, every = normals(300, 14), np.ones(300, np.bool_)
    for name, part in rows.items():
        part[:15] += 12 * MIXES[name].std(axis=0).astype(np.float32)
    results = [
        fit_detector(rows, heat(300), np.arange(300), every, DetectorSettings(contamination=share), seed=0)
        for share in (0.0, 0.05)
    ]
    (_, trusting), (density, wary) = results
    assert (len(trusting.scores), len(wary.scores)) == (300, 285)
    suspects = scores_of(density, {name: part[:15] for name, part in rows.items()})
    assert (suspects > wary.threshold).all()
    assert wary.scores[-1] < suspects.min()


def test_heat_statistics() -> None:
    """Only brightness has a mean for each place, scales are for all."""
    values = heat(400)
    rows, every = normals(400, 15), np.ones(400, np.bool_)
    density, _ = fit_detector(rows, values, np.arange(400), every, DetectorSettings(), 0)
    np.testing.assert_allclose(density.heat_center[1], values[:, 1].mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(density.heat_scale[1], np.sqrt(values[:, 1].var(axis=0).mean()), rtol=1e-4)
    for number in (0, 2):
        np.testing.assert_allclose(density.heat_center[number], values[:, number].mean(), rtol=1e-4)
        np.testing.assert_allclose(density.heat_scale[number], values[:, number].std(), rtol=1e-4)


def test_heat_that_never_varies() -> None:
    """Normals that are all alike still give a scale above 0: heat as theirs shows nothing, another shows."""
    rows, every = normals(60, 18), np.ones(60, np.bool_)
    alike = np.full((60, *HEAT_SHAPE), 2.0, np.float32)
    density, _ = fit_detector(rows, alike, np.arange(60), every, DetectorSettings(folds=2), 0)
    assert density.heat_scale.min() == pytest.approx(1e-6, rel=0.01)
    assert not density.heat_map(alike[0], 64).any()
    assert np.isfinite(density.heat_map(alike[0] + 1, 64)).all()
    Density.from_bytes(density.to_bytes())  # which takes no scale of 0


@pytest.mark.parametrize("count", [20, 100])
def test_one_normal_in_four_exceeds_the_limit_of_the_heat_map(count: int) -> None:
    """Of 1,000 new normals at most a quarter has a spot above the limit; copies with more heat count not."""
    rng = np.random.default_rng(count)
    exceeding = []
    for _ in range(20):
        values = rng.normal(size=(3 * count, *HEAT_SHAPE)).astype(np.float32)
        values[count:] *= 1.3
        rows = {"map": rng.normal(size=(3 * count, 1)).astype(np.float32)}
        owner, original = np.arange(3 * count) % count, np.arange(3 * count) < count
        density, _ = fit_detector(rows, values, owner, original, DetectorSettings(parts=("map",), folds=2), 0)
        new = rng.normal(size=(50, *HEAT_SHAPE)).astype(np.float32)
        exceeding += [density.heat_map(one, 128).max() > density.heat_limit for one in new]
    assert 0.17 <= np.mean(exceeding) <= 0.27  # none did


def test_a_patient_stays_in_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """No density that scores a patient was fitted on a copy or another image of the same one."""
    patients, rows = np.repeat(np.arange(11), 4), normals(44, 16)
    for part in rows.values():
        part[:, 0] = patients
    seen = []

    def spy(features: Array) -> Gaussian:
        seen.append(np.bincount(features[:, 0].astype(int), minlength=11))
        return fit_gaussian(features)

    monkeypatch.setattr(fit, "fit_gaussian", spy)
    original = np.tile([True, False, False, False], 11)
    _, calibration = fit_detector(rows, heat(44), patients, original, DetectorSettings(folds=4), seed=0)
    assert len(seen) == len(WHOLE_PARTS) * 5
    for first in range(0, len(seen), 5):
        *folds, final = seen[first : first + 5]
        assert (final == 4).all()
        for counts in folds:
            assert set(counts) == {0, 4}
        assert (np.sum([counts == 0 for counts in folds], axis=0) == 1).all()  # each is scored once
    assert len(calibration.scores) == 11  # jittered copies are not scored


def test_seed_decides_the_folds() -> None:
    """The same seed gives the same calibration, another one another."""
    first, again, other = (fitted(60, 17, folds_seed=seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert first != other
