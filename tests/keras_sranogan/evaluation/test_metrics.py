"""Figures of merit against hand-made cases and slow definitions."""

from __future__ import annotations

import math

import cv2
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
    """A mask is stretched, padded or cropped like its image; the empty and the full mask are no exception."""
    mask = np.zeros((40, 80), np.bool_)
    mask[:, 40:] = True
    stretched = metrics.fit_mask(mask, PreprocessSpec(size=32))
    assert stretched[:, 16:].all()
    assert not stretched[:, :16].any()
    padded = metrics.fit_mask(mask, PreprocessSpec(size=32, fit="pad"))
    assert padded[8:24, 16:].all()
    assert padded.sum() == 16 * 16
    cropped = metrics.fit_mask(mask, PreprocessSpec(size=32, fit="crop"))
    assert cropped[:, 16:].all()
    assert not cropped[:, :16].any()
    mask[:, :50] = False  # of the square in the middle, columns 20 to 60, the last quarter is left
    cropped = metrics.fit_mask(mask, PreprocessSpec(size=32, fit="crop"))
    assert cropped[:, 24:].all()
    assert not cropped[:, :24].any()
    assert not metrics.fit_mask(np.zeros((40, 80), np.bool_), PreprocessSpec(size=32)).any()
    assert metrics.fit_mask(np.ones((40, 80), np.bool_), PreprocessSpec(size=32)).all()


def test_a_cell_that_is_half_covered_is_not_marked() -> None:
    """A cell counts as abnormal where more than half of its pixels are: 2 of 4 do not do, 3 do."""
    mask = np.zeros((64, 64), np.bool_)
    mask[10, 20:22] = True  # half of cell (5, 10)
    mask[30, 40:42] = mask[31, 40] = True  # three quarters of cell (15, 20)
    fitted = metrics.fit_mask(mask, PreprocessSpec(size=32))
    assert np.argwhere(fitted).tolist() == [[15, 20]]


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


def test_average_precision_by_hand() -> None:
    """Of four images in order A N A N, precision is 1 at half of the recall and 2/3 at all of it."""
    scores, abnormal = np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False])
    assert metrics.auprc(scores, abnormal) == pytest.approx((1 + 2 / 3) / 2)


def test_threshold_figures_of_one_class() -> None:
    """What needs the class that is not there is None, the rest is counted."""
    scores = np.array([0.0, 2.0, 3.0])
    normals = metrics.at_threshold(scores, np.zeros(3, np.bool_), 1.0)
    assert normals == {"sensitivity": None, "specificity": 1 - 2 / 3, "f1": None, "accuracy": 1 / 3}
    ill = metrics.at_threshold(scores, np.ones(3, np.bool_), 1.0)
    assert ill == {"sensitivity": 2 / 3, "specificity": None, "f1": 0.8, "accuracy": 2 / 3}


@pytest.mark.parametrize(
    ("normal", "ill", "threshold", "accuracy"),
    [
        ([0.0], [2.0, 3.0], 1.0, 1.0),  # halfway between the two that it parts
        ([0.0, 1.0], [2.0, 3.0, 4.0], 1.5, 1.0),
        ([5.0], [0.0, 0.0, 0.0], math.nextafter(0.0, -1.0), 0.75),  # all are flagged
        ([3.0, 4.0, 5.0], [0.0], 5.0, 0.75),  # none is
    ],
)
def test_best_threshold_by_hand(
    normal: list[float], ill: list[float], threshold: float, accuracy: float
) -> None:
    """The threshold that is best on the labels is where it can be seen to be, and is told."""
    found = metrics.best_accuracy(np.array(normal + ill), np.arange(len(normal + ill)) >= len(normal))
    assert found is not None
    assert (found["threshold"], found["accuracy"]) == (threshold, accuracy)


def test_classes_by_hand() -> None:
    """Classes are held against the normals' mean; a score at the threshold is not flagged."""
    labels, scores = ["N", "N", "far", "near", "same"], np.array([0.0, 2.0, 10.0, 1.5, 1.0])
    abnormal = np.array([False, False, True, True, True])
    found = metrics.by_class(labels, abnormal, {"m": scores})
    assert found["ordering"] == {"m": {"far": True, "near": True, "same": False}}
    assert found["per_class"] == metrics.per_class(labels, {"m": scores})
    assert metrics.flagged_by_class(labels, scores, 1.5) == {"N": 0.5, "far": 1.0, "near": 0.0, "same": 0.0}


def test_calibration_by_hand() -> None:
    """A normal at the threshold is not flagged, a p-value at a level counts; of none there is no share."""
    calibration = Calibration((1.0, 2.0, 3.0), 0.5)  # threshold 2; p-values are quarters
    stated = {"false_alarm_rate_set": 0.5, "held_out_normals": 3}
    assert metrics.calibration_check(np.array([0.0, 2.0, 2.5, 3.5]), calibration) == stated | {
        "normals": 4,
        "normals_flagged": 2,
        "share_flagged": 0.5,
        "share_with_p_at_most": {"0.01": 0.0, "0.05": 0.0, "0.1": 0.0, "0.25": 0.25, "0.5": 0.5},
    }
    nothing = {"normals": 0, "normals_flagged": 0, "share_flagged": None, "share_with_p_at_most": None}
    assert metrics.calibration_check(np.zeros(0), calibration) == stated | nothing


def test_headline_figures_are_those_of_their_functions() -> None:
    """Each figure stands under its name, by the threshold of the normals; an infinite one is None."""
    calibration = Calibration(tuple(np.linspace(-2, 2, 41).tolist()), 0.1)
    groups = np.arange(60) // 2
    found = metrics.detection(SCORES, ABNORMAL, calibration, groups)
    assert found == {
        "auroc": metrics.auroc(SCORES, ABNORMAL),
        "auroc_ci": auroc_interval(SCORES, ABNORMAL, groups),
        "auprc": metrics.auprc(SCORES, ABNORMAL),
        "threshold": calibration.threshold,
        **metrics.at_threshold(SCORES, ABNORMAL, calibration.threshold),
        "best_accuracy_protocol": metrics.best_accuracy(SCORES, ABNORMAL),
        "calibration": metrics.calibration_check(SCORES[:25], calibration),
        "n_normal": 25,
        "n_abnormal": 35,
    }
    assert found["auroc_ci"] != auroc_interval(SCORES, ABNORMAL)
    assert metrics.detection(SCORES, ABNORMAL, Calibration((0.0,), 0.1))["threshold"] is None


def test_what_cannot_be_said_is_told() -> None:
    """One class alone, and a threshold that is infinite, have their sentence each."""
    assert metrics.notes(ABNORMAL, 1.0) == []
    (normals,) = metrics.notes(np.zeros(3, np.bool_), 1.0)
    assert normals.startswith("This split holds normal images only, so there is no AUROC")
    ill, infinite = metrics.notes(np.ones(3, np.bool_), math.inf)
    assert ill.startswith("This split holds abnormal images only")
    assert infinite.startswith("Too few normals were held out")
    assert infinite.endswith("nothing is flagged. Train on more normals, or allow a higher rate.")


def test_trivial_statistics_stand_side_by_side() -> None:
    """Each has its meaning, its direction and both figures; None where one was not taken."""
    found = metrics.merge_baselines({"laplacian_32": 0.9, "file_bytes": None}, {"laplacian_32": 0.6})
    assert found == {
        "laplacian_32": {
            "meaning": "mean log Laplacian energy at 32x32 px",
            "direction": "low = anomalous",
            "auroc": 0.9,
            "auroc_low_pass": 0.6,
        },
        "file_bytes": {
            "meaning": "size of the file in bytes",
            "direction": "high = anomalous",
            "auroc": None,
            "auroc_low_pass": None,
        },
    }


def test_statistics_are_of_the_film_shrunk_and_nothing_else() -> None:
    """Laplacian energy at 32 and 16 px, brightness and its deviation at 32, all without enhanced contrast."""
    noise = 16 * RNG.integers(0, 16, (64, 64))  # so that means are whole, too
    found = metrics.image_statistics(grey(noise))

    def shrunk(side: int) -> np.ndarray:
        cells = noise.reshape(side, 64 // side, side, 64 // side).mean(axis=(1, 3))
        return (cells / 255).astype(np.float32)

    assert found["intensity_mean"] == pytest.approx(shrunk(32).mean(), abs=1e-4)
    assert found["intensity_std"] == pytest.approx(shrunk(32).std(), abs=1e-4)
    for side in (32, 16):
        energy = np.square(cv2.Laplacian(shrunk(side), cv2.CV_32F))
        expected = np.log(energy + metrics.LAPLACIAN_FLOOR).mean()
        assert found[f"laplacian_{side}"] == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize("turn", [False, True])
def test_masks_have_the_shape_of_their_image(turn: bool) -> None:
    """Padded in the middle, however thin, wide or high; half of a pixel marked is not marked."""
    spec = PreprocessSpec(size=32, fit="pad")

    def fitted(mask: np.ndarray) -> np.ndarray:
        found = metrics.fit_mask(mask.T if turn else mask, spec)
        assert found.dtype == np.bool_
        assert found.shape == (32, 32)
        return found.T if turn else found

    wide = fitted(np.ones((40, 80), np.bool_))
    assert wide[8:24].all()
    assert wide.sum() == 16 * 32
    assert fitted(np.ones((1, 128), np.bool_)).sum() == 32
    assert not fitted(np.zeros((40, 80), np.bool_)).any()
    stripes = np.zeros((64, 64), np.bool_)
    stripes[::2] = True  # every pixel of the result is half marked
    stripes[:8, :32] = True  # and these wholly
    assert fitted(stripes).sum() == 4 * 16
    lines = np.zeros((96, 96), np.bool_)
    lines[1::3] = True  # the middle of every pixel, and a third of it
    assert not fitted(lines).any()


def test_pixel_auroc_takes_all_pixels_or_an_even_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the AUROC of all pixels; above the limit that of every so many, an odd number."""
    masks = RNG.random((2, 16, 16)) > 0.7
    heat = RNG.normal(size=masks.shape).astype(np.float32) + masks
    assert metrics.pixel_auroc(heat, masks) == metrics.auroc(heat.ravel(), masks.ravel())
    monkeypatch.setattr(metrics, "MAX_PIXELS", 128)
    assert metrics.pixel_auroc(heat, masks) == metrics.auroc(heat.ravel()[::5], masks.ravel()[::5])


@pytest.mark.parametrize("decimals", [1, 7])
def test_aupro_is_its_slow_definition(decimals: int) -> None:
    """At each rate of false positives the lowest threshold that keeps to it; the mean over regions."""
    masks = np.zeros((3, 48, 48), np.bool_)
    masks[0, 2:30, 2:30] = masks[1, 40:44, 40:44] = masks[1, 5:9, 5:15] = True
    noise = np.random.default_rng(7).normal(size=masks.shape)
    heat = np.round(noise + masks, decimals).astype(np.float32)
    regions = [(0, np.s_[2:30, 2:30]), (1, np.s_[40:44, 40:44]), (1, np.s_[5:9, 5:15])]
    rates = np.linspace(0, 0.3, 301)
    values = np.unique(heat)
    false = np.array([(heat[~masks] > value).mean() for value in values])
    overlap = np.array([np.mean([(heat[i][at] > value).mean() for i, at in regions]) for value in values])
    curve = [overlap[np.argmax(false <= rate)] for rate in rates]
    assert metrics.pixel_aupro(heat, masks) == pytest.approx(np.trapezoid(curve, rates) / 0.3, abs=2e-3)
