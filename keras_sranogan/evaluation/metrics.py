"""Figures of merit: ranking, thresholds, classes, pixels, and the trivial statistics to beat.

High scores mean anomalous throughout. A figure that the labels at hand cannot give (one class only) is
None, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from keras_sranogan.evaluation.intervals import auroc_interval
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, fitted, middle, preprocess
from sranogan_edge.scoring.conformal import RANK_ROUNDING, Calibration

Scores = NDArray[np.floating[Any]]
Truth = NDArray[np.bool_]

AUPRO_LIMIT = 0.3  # of false positives
AUPRO_STEPS = 300
MAX_PIXELS = 4_000_000  # pixel AUROC takes an even sample of more
LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5)
LAPLACIAN_SIDES_PX = (32, 16)
LAPLACIAN_FLOOR = (1 / 255) ** 2  # energy of one 8-bit step
BEST_ACCURACY_NOTE = (
    "The threshold was chosen on the labels of these very images (the protocol of SQUID and others), so "
    "these figures are optimistic. They are here only to compare with papers that report them."
)


@dataclass(frozen=True)
class Baseline:
    """A statistic that needs no model.

    Attributes:
        meaning: in words.
        low_is_anomalous: its direction, fixed beforehand and never by the labels.
    """

    meaning: str
    low_is_anomalous: bool = False

    def score(self, values: Scores) -> Scores:
        """Turn values so that high means anomalous."""
        return -values if self.low_is_anomalous else values

    @property
    def direction(self) -> str:
        """The direction, in words."""
        return "low = anomalous" if self.low_is_anomalous else "high = anomalous"


BASELINES = {
    **{
        f"laplacian_{side}": Baseline(f"mean log Laplacian energy at {side}x{side} px", True)
        for side in LAPLACIAN_SIDES_PX
    },
    "intensity_mean": Baseline("mean brightness"),
    "intensity_std": Baseline("standard deviation of brightness"),
    "file_bytes": Baseline("size of the file in bytes"),
}


def image_statistics(frame: Frame) -> dict[str, float]:
    """Return the statistics of :data:`BASELINES` that pixels give; raises ImageError like preprocessing."""
    found = {}
    for side in LAPLACIAN_SIDES_PX:
        small = preprocess(frame, PreprocessSpec(size=side, contrast="none"))[..., 0]
        energy = np.square(cv2.Laplacian(small, cv2.CV_32F))
        found[f"laplacian_{side}"] = float(np.log(energy + LAPLACIAN_FLOOR).mean())
        if side == max(LAPLACIAN_SIDES_PX):
            found |= {"intensity_mean": float(small.mean()), "intensity_std": float(small.std())}
    return found


def detection(
    scores: Scores, abnormal: Truth, calibration: Calibration, groups: NDArray[np.integer[Any]] | None = None
) -> dict[str, Any]:
    """The headline figures: AUROC with its interval, AUPRC, and what the normals-only threshold gives.

    ``groups`` ``(N,)`` says whose image each is: images of one patient are not taken for independent ones.
    """
    threshold = calibration.threshold
    return {
        "auroc": auroc(scores, abnormal),
        "auroc_ci": auroc_interval(scores, abnormal, groups),
        "auprc": auprc(scores, abnormal),
        "threshold": threshold if math.isfinite(threshold) else None,
        **at_threshold(scores, abnormal, threshold),
        "best_accuracy_protocol": best_accuracy(scores, abnormal),
        "calibration": calibration_check(scores[~abnormal], calibration),
        "n_normal": int((~abnormal).sum()),
        "n_abnormal": int(abnormal.sum()),
    }


def notes(abnormal: Truth, threshold: float) -> list[str]:
    """Say what cannot be said, and why."""
    found = []
    if not both_classes(abnormal):
        kind = "abnormal" if abnormal.all() else "normal"
        found.append(f"This split holds {kind} images only, so there is no AUROC: nothing to tell them from.")
    if not math.isfinite(threshold):
        found.append(
            "Too few normals were held out for the false-alarm rate asked for: the threshold is infinite and "
            "nothing is flagged. Train on more normals, or allow a higher rate."
        )
    return found


def baseline_aurocs(statistics: Mapping[str, Scores], abnormal: Truth) -> dict[str, float | None]:
    """AUROC of trivial statistics in their fixed direction; below 0.5 one separates the other way."""
    return {name: auroc(BASELINES[name].score(values), abnormal) for name, values in statistics.items()}


def merge_baselines(
    plain: Mapping[str, float | None], low_pass: Mapping[str, float | None]
) -> dict[str, dict[str, Any]]:
    """Set AUROCs of trivial statistics on images as they are and without fine detail side by side."""
    return {
        name: {
            "meaning": BASELINES[name].meaning,
            "direction": BASELINES[name].direction,
            "auroc": value,
            "auroc_low_pass": low_pass.get(name),
        }
        for name, value in plain.items()
    }


def auroc(scores: Scores, abnormal: Truth) -> float | None:
    """Area under the ROC curve; None when there is one class only."""
    return float(roc_auc_score(abnormal, scores)) if both_classes(abnormal) else None


def auprc(scores: Scores, abnormal: Truth) -> float | None:
    """Average precision; None when there is one class only."""
    return float(average_precision_score(abnormal, scores)) if both_classes(abnormal) else None


def at_threshold(scores: Scores, abnormal: Truth, threshold: float) -> dict[str, float | None]:
    """Sensitivity, specificity, F1 and accuracy when scores above ``threshold`` are flagged."""
    flagged = scores > threshold
    hits, alarms = int((flagged & abnormal).sum()), int((flagged & ~abnormal).sum())
    n_abnormal, n_normal = int(abnormal.sum()), int((~abnormal).sum())
    return {
        "sensitivity": hits / n_abnormal if n_abnormal else None,
        "specificity": 1 - alarms / n_normal if n_normal else None,
        "f1": 2 * hits / (hits + alarms + n_abnormal) if n_abnormal else None,
        "accuracy": (hits + n_normal - alarms) / len(scores),
    }


def flagged_by_class(labels: Sequence[str], scores: Scores, threshold: float) -> dict[str, float]:
    """Return the share of each class whose scores are above ``threshold``, 0 to 1."""
    kind = np.array(labels)
    return {label: float((scores[kind == label] > threshold).mean()) for label in sorted(set(labels))}


def best_accuracy(scores: Scores, abnormal: Truth) -> dict[str, Any] | None:
    """The SQUID protocol (Xiang et al. 2023): figures at the threshold that is best on these labels."""
    if not both_classes(abnormal):
        return None
    values, place = np.unique(scores, return_inverse=True)
    normals = np.bincount(place[~abnormal], minlength=len(values))
    abnormals = np.bincount(place[abnormal], minlength=len(values))
    # Flag all, or what is above values[k]: right are the normals up to k and the abnormals after it.
    right = abnormals.sum() + np.concatenate([[0], np.cumsum(normals - abnormals)])
    between = (values[:-1] + values[1:]) / 2
    thresholds = np.concatenate([[np.nextafter(values[0], -np.inf)], between, values[-1:]])
    threshold = float(thresholds[right.argmax()])
    return {"threshold": threshold, **at_threshold(scores, abnormal, threshold), "note": BEST_ACCURACY_NOTE}


def by_class(labels: Sequence[str], abnormal: Truth, named: Mapping[str, Scores]) -> dict[str, Any]:
    """Scores of each class by method, and whether each method puts the normals lowest."""
    return {
        "per_class": per_class(labels, named),
        "ordering": {name: ordering(labels, abnormal, scores) for name, scores in named.items()},
    }


def per_class(labels: Sequence[str], named: Mapping[str, Scores]) -> dict[str, dict[str, Any]]:
    """``n``, and per method the mean and quartiles of its scores, for each class label."""
    kind = np.array(labels)
    return {
        label: {
            "n": int((kind == label).sum()),
            **{name: _summary(scores[kind == label]) for name, scores in named.items()},
        }
        for label in sorted(set(labels))
    }


def _summary(scores: Scores) -> dict[str, float]:
    low, middle, high = np.quantile(scores, (0.25, 0.5, 0.75))
    return {"mean": float(scores.mean()), "q25": float(low), "median": float(middle), "q75": float(high)}


def ordering(labels: Sequence[str], abnormal: Truth, scores: Scores) -> dict[str, bool]:
    """Per abnormal class: is the mean score of the normals below the mean score of the class?"""
    kind = np.array(labels)
    if abnormal.all():
        return {}
    normal = scores[~abnormal].mean()
    classes = sorted(set(kind[abnormal].tolist()))
    return {label: bool(normal < scores[kind == label].mean()) for label in classes}


def calibration_check(normal_scores: Scores, calibration: Calibration) -> dict[str, Any]:
    """How many of these normals are flagged, and how often p-values fall below some levels.

    With normals like the held-out ones, a share of about ``level`` has a p-value of at most ``level``;
    a larger share says that these normals differ from those of the training.
    """
    p = np.array([calibration.p_value(score) for score in normal_scores])
    flagged = int((normal_scores > calibration.threshold).sum())
    return {
        "false_alarm_rate_set": calibration.false_alarm_rate,
        "held_out_normals": len(calibration.scores),
        "normals": len(normal_scores),
        "normals_flagged": flagged,
        "share_flagged": flagged / len(normal_scores) if len(normal_scores) else None,
        "share_with_p_at_most": {str(level): float((p <= level).mean()) for level in LEVELS}
        if len(p)
        else None,
    }


def fit_mask(mask: Truth, spec: PreprocessSpec) -> Truth:
    """Bring a mask ``(H, W)`` to ``(S, S)`` the way its image came: true where more than half is marked."""
    if not mask.any():
        return np.zeros((spec.size, spec.size), np.bool_)
    shown = middle(mask) if spec.fit == "crop" else mask
    rows, columns = fitted(mask.shape[0], mask.shape[1], spec)
    marked = cv2.resize(shown.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA) > 0.5
    top, left = (spec.size - rows) // 2, (spec.size - columns) // 2
    return np.pad(marked, ((top, spec.size - rows - top), (left, spec.size - columns - left)))


def pixel_auroc(heat: NDArray[np.float32], masks: Truth) -> float | None:
    """AUROC of all pixels of all images at once; ``heat`` and ``masks`` are ``(N, S, S)``."""
    step = math.ceil(masks.size / MAX_PIXELS) | 1  # odd, so that all columns are visited
    return auroc(heat.reshape(-1)[::step], masks.reshape(-1)[::step])


def pixel_aupro(heat: NDArray[np.float32], masks: Truth) -> float | None:
    """Area under the per-region overlap curve up to 30 % false positives, 0..1 (Bergmann et al. 2021).

    ``heat`` and ``masks`` are ``(N, S, S)``; a region is a connected part of a mask. Small regions count as
    much as large ones. None where nothing, or everything, is marked.
    """
    if not both_classes(masks):
        return None
    clean = np.sort(heat[~masks])[::-1]
    rates = np.linspace(0, AUPRO_LIMIT, AUPRO_STEPS + 1)
    places = (rates * len(clean) + RANK_ROUNDING).astype(np.int64)
    thresholds = clean[places]  # at most this share of the clean pixels is above
    overlaps = []
    for one, mask in zip(heat, masks, strict=True):
        count, regions = cv2.connectedComponents(mask.astype(np.uint8))
        for region in range(1, count):
            inside = np.sort(one[regions == region])
            overlaps.append(1 - np.searchsorted(inside, thresholds, side="right") / len(inside))
    return float(np.trapezoid(np.mean(overlaps, axis=0), rates) / AUPRO_LIMIT)


def both_classes(abnormal: Truth) -> bool:
    """Whether there is something to tell apart."""
    return bool(abnormal.any()) and not bool(abnormal.all())
