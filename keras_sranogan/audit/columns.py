"""One column of the audit: the images under one control, with every model's score and every statistic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.audit.controls import PLAIN, Control
from keras_sranogan.audit.statistics import STATISTICS, measure
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import LoadedImages, load_images
from keras_sranogan.data.near_training import NearTraining, near_training
from keras_sranogan.evaluation.scored import Advance
from keras_sranogan.evaluation.scorers import Scorer, score_images
from sranogan_edge.errors import DataError, RunError
from sranogan_edge.image.frame import Frame

if TYPE_CHECKING:
    from keras_sranogan.progress import Progress


@dataclass(frozen=True, eq=False)
class Column:
    """What was read and scored under one control.

    Attributes:
        control: what was done to the images.
        items: the N images.
        scores: ``(M, N)``, one row a model.
        statistics: of the changed images, per name of :data:`STATISTICS`, ``(N,)``.
        seen: ``(S, S)`` preprocessed, the images that were asked for, by key.
        skipped: how many images could not be used.
        problem: why there is no column; then N is 0.
        near: how many images are of the models' training; None where not known, or not looked at.
    """

    control: Control
    items: tuple[Item, ...]
    scores: NDArray[np.float64]
    statistics: Mapping[str, NDArray[np.float64]]
    seen: Mapping[str, NDArray[np.float32]]
    skipped: int = 0
    problem: str = ""
    near: NearTraining | None = None

    @property
    def abnormal(self) -> NDArray[np.bool_]:
        """``(N,)``, by the labels."""
        return np.array([not item.is_normal for item in self.items], np.bool_)


@dataclass(frozen=True)
class Reader:
    """Reads and scores columns.

    Attributes:
        scorers: the models, all with the same preprocessing.
        source: of the images.
        max_bad_share: the share of images that may be unusable.
        seed: of what the controls draw.
        progress: is told.
    """

    scorers: Sequence[Scorer]
    source: DataSource
    max_bad_share: float
    seed: int
    progress: Progress

    def plain(self, control: Control, items: Sequence[Item]) -> Column:
        """Read the images as they are; keeps the median normal and the median abnormal to be seen.

        Raises:
            DataError: no image, or too many that cannot be used.
            RunError: a score is not finite.
        """
        return self._read(control, items, None)

    def changed(self, control: Control, plain: Column) -> Column:
        """Read the images of ``plain`` under a control; one that spoils the images gives an empty column."""
        try:
            return self._read(control, plain.items, tuple(plain.seen))
        except DataError as error:
            nothing = np.empty((len(self.scorers), 0))
            return Column(control, (), nothing, {}, {}, len(plain.items), str(error))

    def _read(self, control: Control, items: Sequence[Item], shown: tuple[str, ...] | None) -> Column:
        self.progress.start(f"{control.title} images", len(items) * (1 + len(self.scorers)))
        found: dict[str, dict[str, float]] = {}

        def change(frame: Frame, item: Item) -> Frame:
            frame, file_bytes = control.apply(frame, item, self.seed)
            if file_bytes is None and item.path is not None and control.name == PLAIN:
                file_bytes = item.path.stat().st_size
            found[item.key] = measure(frame, file_bytes)
            return frame

        images = load_images(
            self.source,
            items,
            self.scorers[0].preprocess,
            aligner=self.scorers[0].aligner,
            transform=change,
            max_bad_share=self.max_bad_share,
            on_progress=self.progress.advance,
        )
        scores = self._score(images, len(items))
        rows = [found[item.key] for item in images.items]
        names = [name for name in STATISTICS if all(name in row for row in rows)]
        statistics = {name: np.array([row[name] for row in rows]) for name in names}
        keys = typical(images.items, scores) if shown is None else shown
        seen = {
            item.key: images.x[k, ..., 0].copy() for k, item in enumerate(images.items) if item.key in keys
        }
        near = None
        if control.name == PLAIN:
            near = near_training(images.x, images.items, [scorer.facts.prints for scorer in self.scorers])
        return Column(control, images.items, scores, statistics, seen, len(images.skipped), near=near)

    def _score(self, images: LoadedImages, read: int) -> NDArray[np.float64]:
        def shown_from(before: int) -> Advance:
            return lambda done: self.progress.advance(before + done)

        rows = [
            score_images(scorer, images, shown_from(read * number)).score
            for number, scorer in enumerate(self.scorers, start=1)
        ]
        self.progress.advance(read * (1 + len(self.scorers)))
        scores = np.stack(rows).astype(np.float64)
        bad = int((~np.isfinite(scores)).sum())
        if bad:
            raise RunError(f"{bad} of {scores.size} scores are not finite. Train the model again.")
        return scores


def typical(items: Sequence[Item], scores: NDArray[np.float64]) -> tuple[str, ...]:
    """Keys of the normal and of the abnormal image with the median score of their kind (first model)."""
    keys = []
    for kind in (True, False):
        of_kind = [k for k, item in enumerate(items) if item.is_normal is kind]
        ordered = sorted(of_kind, key=lambda k: scores[0, k])
        keys += [items[k].key for k in ordered[len(ordered) // 2 :][:1]]
    return tuple(keys)
