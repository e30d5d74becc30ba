"""Figures of merit against hand-made cases and slow definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.intervals import auroc_interval
from sranogan_edge.errors import DegenerateImageError
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.conformal import Calibration

RNG = np.random.default_rng(3)
ABNORMAL = np.arange(60) >= 25
SCORES = RNG.normal(size=60) + ABNORMAL


def grey(pixels: np.ndarray) -> Frame:
    """An 8-bit film of these pixels."""
    return Frame(pixels.astype(np.uint8), 8, Photometric.MONOCHROME2)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    """AUROC equals the definition by pairs, ties counted half."""
    scores = np.round(SCORES, 1)
    pairs = scores[ABNORMAL][:, None] - scores[~ABNORMAL][None]
    assert metrics.auroc(scores, ABNORMAL) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


@pytest.mark.parametrize("abnormal", [np.zeros(60, np.bool_), np.ones(60, np.bool_)])
def test_one_class_gives_none(abnormal: np.ndarray) -> None:
    """Ranking figures of one class are None, never a guess."""
    assert metrics.auroc(SCORES, abnormal) is None
    assert metrics.auprc(SCORES, abnormal) is None
    assert auroc_interval(SCORES, abnormal) is None
    assert metrics.best_accuracy(SCORES, abnormal) is None


def test_threshold_figures_by_hand() -> None:
    """A score equal to the threshold passes; sensitivity, specificity, F1 and accuracy are as counted."""
    scores = np.array([0.0, 1.0, 2.0, 1.0, 3.0, 4.0])
    abnormal = np.array([False, False, False, True, True, True])
    found = metrics.at_threshold(scores, abnormal, 1.0)
    assert found == pytest.approx(
        {"sensitivity": 2 / 3, "specificity": 2 / 3, "f1": 2 / 3, "accuracy": 2 / 3}
    )


def test_best_accuracy_is_the_best_of_all_thresholds() -> None:
    """The label-chosen threshold is no worse than any other, and says that it used labels."""
    scores = np.round(SCORES, 1)
    best = metrics.best_accuracy(scores, ABNORMAL)
    assert best is not None
    tried = [metrics.at_threshold(scores, ABNORMAL, t)["accuracy"] or 0 for t in np.linspace(-4, 5, 500)]
    assert best["accuracy"] >= max(tried)
    assert "labels" in best["note"]


def test_best_accuracy_may_flag_everything_or_nothing() -> None:
    """With scores the wrong way round, the best threshold flags all or none."""
    best = metrics.best_accuracy(-SCORES * 1e3 - 1e4 * ABNORMAL, ABNORMAL)
    assert best is not None
    assert best["accuracy"] == pytest.approx(35 / 60)


def test_ordering_compares_each_abnormal_class_with_the_normals() -> None:
    """Each abnormal class is held against the mean of the normals."""
    labels = ["N", "N", "high", "low"]
    abnormal = np.array([False, False, True, True])
    assert metrics.ordering(labels, abnormal, np.array([1.0, 2.0, 3.0, 1.0])) == {"high": True, "low": False}


def test_per_class_gives_count_mean_and_quartiles() -> None:
    """The figures of a class come from its own scores alone."""
    found = metrics.per_class(["a", "a", "a", "b"], {"m": np.array([0.0, 1.0, 5.0, 9.0])})
    assert found["a"] == {"n": 3, "m": {"mean": 2.0, "q25": 0.5, "median": 1.0, "q75": 3.0}}
    assert found["b"]["m"]["mean"] == 9.0


def test_calibrated_normals_have_uniform_p_values() -> None:
    """Normals like the held-out ones are flagged about as often as set."""
    calibration = Calibration(tuple(sorted(RNG.normal(size=2000).tolist())), 0.05)
    found = metrics.calibration_check(RNG.normal(size=2000), calibration)
    assert found["share_flagged"] == pytest.approx(0.05, abs=0.02)
    for level, share in found["share_with_p_at_most"].items():
        assert share == pytest.approx(float(level), abs=0.05)


def test_directions_are_not_folded() -> None:
    """A statistic that separates the wrong way round shows an AUROC below 0.5."""
    values = ABNORMAL.astype(float)
    found = metrics.baseline_aurocs({"intensity_mean": -values, "laplacian_32": -values}, ABNORMAL)
    assert found == {"intensity_mean": 0.0, "laplacian_32": 1.0}


def test_statistics_see_what_their_names_say() -> None:
    """Noise has more Laplacian energy than a ramp; mean and deviation are of brightness in 0..1."""
    ramp = np.tile(np.linspace(0, 255, 64), (64, 1))
    noise = RNG.integers(0, 256, (64, 64))
    smooth, rough = metrics.image_statistics(grey(ramp)), metrics.image_statistics(grey(noise))
    assert smooth["laplacian_32"] < rough["laplacian_32"]
    assert smooth["laplacian_16"] < rough["laplacian_16"]
    assert smooth["intensity_mean"] == pytest.approx(0.5, abs=0.01)
    assert smooth["intensity_std"] == pytest.approx(1 / math.sqrt(12), abs=0.02)
    with pytest.raises(DegenerateImageError):
        metrics.image_statistics(grey(np.zeros((64, 64))))


def test_masks_follow_their_image() -> None:
    """A mask is stretched or padded like its image; the empty and the full mask are no exception."""
    mask = np.zeros((40, 80), np.bool_)
    mask[:, 40:] = True
    stretched = metrics.fit_mask(mask, PreprocessSpec(size=32))
    assert stretched[:, 16:].all()
    assert not stretched[:, :16].any()
    padded = metrics.fit_mask(mask, PreprocessSpec(size=32, fit="pad"))
    assert padded[8:24, 16:].all()
    assert padded.sum() == 16 * 16
    assert not metrics.fit_mask(np.zeros((40, 80), np.bool_), PreprocessSpec(size=32)).any()
    assert metrics.fit_mask(np.ones((40, 80), np.bool_), PreprocessSpec(size=32)).all()


def test_pixel_auroc_of_a_perfect_heat_map_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heat that equals the mask scores 1, also when only a sample of the pixels is used."""
    masks = np.zeros((4, 16, 16), np.bool_)
    masks[1, 3:9, 4:12] = True
    heat = masks.astype(np.float32)
    assert metrics.pixel_auroc(heat, masks) == 1.0
    monkeypatch.setattr(metrics, "MAX_PIXELS", 200)
    assert metrics.pixel_auroc(heat, masks) == 1.0


def test_aupro_counts_regions_alike() -> None:
    """Perfect heat scores 1; heat on the large region of two alone scores a half, however large it is."""
    masks = np.zeros((2, 32, 32), np.bool_)
    masks[0, 2:20, 2:20] = True
    masks[1, 25:28, 25:28] = True
    heat = masks.astype(np.float32)
    assert metrics.pixel_aupro(heat, masks) == pytest.approx(1)
    heat[1] = 0
    rising = metrics.pixel_aupro(heat + np.linspace(0.5, 0, 32, dtype=np.float32)[:, None], masks)
    assert rising == pytest.approx(0.5, abs=0.01)
    assert metrics.pixel_aupro(heat, np.zeros_like(masks)) is None
    assert metrics.pixel_aupro(heat, np.ones_like(masks)) is None
