"""Correlation inside classes, and ranking after a regression on shortcuts."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.audit.associations import associate, associations, remove

RNG = np.random.default_rng(11)
ABNORMAL = np.repeat([False, True], 300)
CLASSES = ["NORMAL"] * 300 + ["LESION"] * 300
SHARP = RNG.normal(size=600) - 2.0 * ABNORMAL
BYTES = np.exp(RNG.normal(size=600))
NOISE = RNG.normal(size=600)


def test_the_difference_of_classes_plays_no_part() -> None:
    """A score and a number that both differ between classes, but not inside them, are not associated."""
    score = (NOISE + 3 * ABNORMAL)[None]
    found = associations(score, CLASSES, {"sharpness": SHARP})
    assert set(found) == {"NORMAL", "LESION"}
    for of_class in found.values():
        assert abs(of_class["sharpness"].rho or 0) < 0.25


def test_a_score_that_follows_a_number_is_seen_in_each_class() -> None:
    """Correlation with its interval, of the right sign."""
    found = associations((-SHARP + 0.3 * NOISE)[None], CLASSES, {"sharpness": SHARP, "file_bytes": BYTES})
    for of_class in found.values():
        rho, bounds = of_class["sharpness"].rho, of_class["sharpness"].rho_ci
        assert rho is not None
        assert bounds is not None
        assert -1 < bounds[0] < rho < bounds[1] < -0.8


@pytest.mark.parametrize("values", [np.full(50, 224.0), np.arange(5.0)])
def test_constant_numbers_and_few_images_have_no_correlation(values: np.ndarray) -> None:
    """No correlation is invented where none can be computed."""
    assert associate(np.arange(len(values), dtype=np.float64)[None], values).rho is None


def test_regression_takes_out_what_a_shortcut_explains() -> None:
    """A score that is sharpness loses its AUROC; one that is not keeps it."""
    cheat, honest = (-SHARP + 0.3 * NOISE)[None], (NOISE + 2 * ABNORMAL)[None]
    statistics = {"sharpness": SHARP, "file_bytes": BYTES}
    found = remove(cheat, ABNORMAL, statistics, ("sharpness", "file_bytes"), 0)
    assert found is not None
    assert found.statistics == ["sharpness", "file_bytes"]
    assert found.explained > 0.8
    assert abs(found.left.left or 0) < 0.3
    kept = remove(honest, ABNORMAL, statistics, ("sharpness",), 0)
    assert kept is not None
    assert kept.left.left == pytest.approx(1, abs=0.15)
    assert kept.explained < 0.1


def test_regression_on_few_normals_does_not_flatter_them() -> None:
    """Noise explains nothing of noise: the normals are predicted without themselves."""
    abnormal = np.repeat([False, True], 16)
    rng = np.random.default_rng(0)
    scores, statistics = (
        rng.normal(size=(1, 32)),
        {name: rng.random(32) + 1 for name in ("aspect", "resolution")},
    )
    found = remove(scores, abnormal, statistics, ("aspect", "resolution"), 0)
    assert found is not None
    assert found.explained < 0.1


def test_multiples_of_each_other_do_no_harm() -> None:
    """Bytes and bytes per pixel of images of one size are one number twice."""
    statistics = {"file_bytes": BYTES, "bytes_per_pixel": BYTES / 100}
    both = remove(NOISE[None] + 2 * ABNORMAL, ABNORMAL, statistics, ("file_bytes", "bytes_per_pixel"), 0)
    one = remove(NOISE[None] + 2 * ABNORMAL, ABNORMAL, statistics, ("file_bytes",), 0)
    assert both is not None
    assert one is not None
    assert both.ranking.auroc == pytest.approx(one.ranking.auroc, abs=1e-3)


def test_too_few_normals_or_nothing_that_varies_give_no_regression() -> None:
    """A fit that cannot be made is None."""
    few = np.arange(600) >= 8
    assert remove(NOISE[None], few, {"sharpness": SHARP}, ("sharpness",), 0) is None
    assert remove(NOISE[None], ABNORMAL, {"aspect": np.ones(600)}, ("aspect",), 0) is None
    assert remove(NOISE[None], np.ones(600, np.bool_), {"sharpness": SHARP}, ("sharpness",), 0) is None
