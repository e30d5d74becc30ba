"""What one model says of a split: from the evaluation that was saved beside it, or by scoring it now."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import DataSource
from keras_sranogan.data.load import load_images
from keras_sranogan.evaluation.scorers import open_scorer, score_images
from keras_sranogan.run_record import RunRecord
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import DataError, RunError

if TYPE_CHECKING:
    from keras_sranogan.progress import Progress

__all__ = ["Judged", "judged_now", "saved_of"]

SAVED = "evaluation.json"  # in a run folder; NAME.evaluation.json, or this, beside a bundle


@dataclass(frozen=True, eq=False)
class Judged:
    """One model's scores of N images.

    Attributes:
        model: as it was named.
        kind: ``"run"`` or ``"bundle"``.
        source: ``"scored now"``, or the file that the scores were saved in.
        data, split: of the images.
        keys: ``(N,)`` names of the images, as the data source has them.
        labels: ``(N,)`` names of their classes.
        abnormal: ``(N,)``.
        groups: ``(N,)`` whose image each is.
        score: ``(N,)`` float64.
        threshold: in force; infinite where there is none.
    """

    model: str
    kind: str
    source: str
    data: str
    split: str
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    abnormal: NDArray[np.bool_]
    groups: NDArray[np.int64]
    score: NDArray[np.float64]
    threshold: float

    def of(self, keys: tuple[str, ...]) -> NDArray[np.intp]:
        """Where the images ``keys`` are in this one's order."""
        place = {key: number for number, key in enumerate(self.keys)}
        return np.array([place[key] for key in keys], np.intp)


def judged_now(
    model: Path, source: DataSource, split: str, max_bad_share: float, progress: Progress
) -> Judged:
    """Score a split with a run folder or a bundle.

    Raises:
        DataError: no such split, or too many unreadable images.
        RunError, BundleError, BackendError: the model cannot be used.
    """
    scorer = open_scorer(model, anogan_steps=1)  # plain AnoGAN is not searched here
    items = source.items(split)
    progress.start(f"reading images for {model}", len(items))
    images = load_images(
        source,
        items,
        scorer.preprocess,
        aligner=scorer.aligner,
        max_bad_share=max_bad_share,
        on_progress=progress.advance,
    )
    progress.start(f"scoring with {model}", len(images.x))
    scored = score_images(scorer, images, progress.advance)
    if not np.isfinite(scored.score).all():
        raise RunError(f"{model}: some scores are not finite. Train the model again.")
    kept = images.items
    return Judged(
        model=str(model),
        kind=scorer.facts.kind,
        source="scored now",
        data=source.name,
        split=split,
        keys=tuple(item.key for item in kept),
        labels=tuple(item.label for item in kept),
        abnormal=np.array([not item.is_normal for item in kept]),
        groups=np.unique([item.group for item in kept], return_inverse=True)[1].astype(np.int64),
        score=scored.score,
        threshold=scorer.calibration.threshold,
    )


def saved_of(model: Path, data: str | None, split: str) -> Judged | None:
    """Return what was saved beside ``model``, of this very model, split and (where it is named) data.

    Args:
        model: a run folder, whose ``evaluation.json`` is looked at; a bundle, ``NAME.evaluation.json`` or
            ``evaluation.json`` beside it.
        data: the name of the data source; None takes any.
        split: of it.

    Returns:
        None where there is none: not there, of another model, split or data, or without scores of images.

    Raises:
        DataError: a file is there, and is no evaluation.
        RunError, BundleError: the model cannot be used.
    """
    if model.is_dir():
        places, known = [model / SAVED], RunRecord(model).provenance
    else:
        places = [model.with_suffix(f".{SAVED}"), model.parent / SAVED]
        known = {"bundle_sha256": read_bundle(model).sha256}
    known = json.loads(json.dumps(known))
    for place in places:
        if place.is_file():
            figures = _read(place)
            mine = all(figures.get("provenance", {}).get(name) == value for name, value in known.items())
            here = figures.get("split") == split and data in (None, figures.get("data"))
            if mine and here and figures.get("images"):
                return _judged(model, place, figures)
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as an evaluation ({error}). Remove it, or write it anew with "
            "sranogan-evaluate --json."
        ) from error
    return found if isinstance(found, dict) else {}


def _judged(model: Path, path: Path, figures: Mapping[str, Any]) -> Judged:
    try:
        rows = figures["images"]
        threshold = figures["threshold"]
        return Judged(
            model=str(model),
            kind=str(figures["model_kind"]),
            source=str(path),
            data=str(figures["data"]),
            split=str(figures["split"]),
            keys=tuple(str(row["key"]) for row in rows),
            labels=tuple(str(row["label"]) for row in rows),
            abnormal=np.array([bool(row["abnormal"]) for row in rows]),
            groups=np.array([int(row["group"]) for row in rows], np.int64),
            score=np.array([float(row["score"]) for row in rows]),
            threshold=math.inf if threshold is None else float(threshold),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: holds no scores of images that can be used ({type(error).__name__}: {error}). Write it "
            "anew with sranogan-evaluate --json, or name --data."
        ) from error
