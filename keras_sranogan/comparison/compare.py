"""Models side by side: figures with intervals, differences on the same images, and where they disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from keras_sranogan.comparison.judged import Judged
from keras_sranogan.evaluation.intervals import auroc_interval
from keras_sranogan.evaluation.metrics import at_threshold, auprc, auroc
from sranogan_edge.errors import DataError

__all__ = ["MOST_SHOWN", "compare"]

SCHEMA_VERSION = 1
MOST_SHOWN = 20
RESAMPLES = 1000
Values = NDArray[np.float64]
Truth = NDArray[np.bool_]


def compare(models: Sequence[Judged], seed: int = 0) -> dict[str, Any]:
    """Return the figures of all ``models`` on the images that all of them judged, ready for JSON.

    Raises:
        DataError: they have no image in common, or one is normal to one of them and abnormal to another.
    """
    first = models[0]
    keys = _common(models)
    places = [one.of(keys) for one in models]
    scores = np.stack([one.score[place] for one, place in zip(models, places, strict=True)])
    abnormal, groups = first.abnormal[places[0]], first.groups[places[0]]
    for one, place in zip(models, places, strict=True):
        if (one.abnormal[place] != abnormal).any():
            other = keys[int(np.flatnonzero(one.abnormal[place] != abnormal)[0])]
            raise DataError(
                f"{other} is normal to {first.model if not abnormal[keys.index(other)] else one.model}, and "
                "abnormal to the other. Evaluate both on the same data: --data DIR."
            )
    labels = [first.labels[number] for number in places[0]]
    return {
        "schema_version": SCHEMA_VERSION,
        "data": first.data,
        "split": first.split,
        "n_normal": int((~abnormal).sum()),
        "n_abnormal": int(abnormal.sum()),
        "left_out": {one.model: len(one.keys) - len(keys) for one in models},
        "models": [_figures(one, row, abnormal, groups) for one, row in zip(models, scores, strict=True)],
        "differences": [
            {"model": one.model, "to": first.model, **_difference(row, scores[0], abnormal, groups, seed)}
            for one, row in zip(models[1:], scores[1:], strict=True)
        ],
        "disagreements": _disagreements(models, scores, keys, labels),
        "seed": seed,
    }


def _common(models: Sequence[Judged]) -> tuple[str, ...]:
    shared = set(models[0].keys).intersection(*(one.keys for one in models[1:]))
    keys = tuple(key for key in models[0].keys if key in shared)
    if not keys:
        of = "; ".join(f"{one.model}: {one.data}, split {one.split} ({one.source})" for one in models)
        raise DataError(f"no image was judged by all models ({of}). Score them on the same data: --data DIR.")
    return keys


def _figures(one: Judged, scores: Values, abnormal: Truth, groups: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "model": one.model,
        "kind": one.kind,
        "source": one.source,
        "auroc": auroc(scores, abnormal),
        "auroc_ci": auroc_interval(scores, abnormal, groups),
        "auprc": auprc(scores, abnormal),
        "threshold": one.threshold if math.isfinite(one.threshold) else None,
        **{
            name: at_threshold(scores, abnormal, one.threshold)[name]
            for name in ("sensitivity", "specificity")
        },
    }


def _difference(
    scores: Values, to: Values, abnormal: Truth, groups: NDArray[np.int64], seed: int
) -> dict[str, Any]:
    """By how much the AUROC is higher, with the 2.5 and 97.5 percentiles over draws of whole patients."""
    here, there = auroc(scores, abnormal), auroc(to, abnormal)
    if here is None or there is None:
        return {"auroc": None, "auroc_ci": None}
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    found = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([members[n] for n in rng.integers(0, len(members), len(members))])
        truth = abnormal[drawn]
        if truth.any() and not truth.all():
            found.append(_ranked(scores[drawn], truth) - _ranked(to[drawn], truth))
    bounds = [round(float(one), 6) for one in np.quantile(found, (0.025, 0.975))] if found else None
    return {"auroc": here - there, "auroc_ci": bounds}


def _ranked(scores: Values, abnormal: Truth) -> float:
    """The AUROC by ranks, ties half."""
    ill, well = int(abnormal.sum()), int((~abnormal).sum())
    return float((rankdata(scores)[abnormal].sum() - ill * (ill + 1) / 2) / (ill * well))


def _disagreements(
    models: Sequence[Judged], scores: Values, keys: tuple[str, ...], labels: Sequence[str]
) -> list[dict[str, Any]]:
    """The images whose ranks among all of them are farthest apart, as shares from 0 (most normal) to 1."""
    if len(models) < 2 or len(keys) < 2:
        return []
    ranks = np.stack([(rankdata(row) - 1) / (len(keys) - 1) for row in scores])
    apart = np.ptp(ranks, axis=0)
    most = [number for number in np.argsort(-apart, kind="stable")[:MOST_SHOWN] if apart[number] > 0]
    return [
        {
            "key": keys[number],
            "label": labels[number],
            "apart": round(float(apart[number]), 4),
            "models": [
                {
                    "model": one.model,
                    "score": float(row[number]),
                    "rank": round(float(rank[number]), 4),
                    "flagged": bool(row[number] > one.threshold),
                }
                for one, row, rank in zip(models, scores, ranks, strict=True)
            ],
        }
        for number in most
    ]
