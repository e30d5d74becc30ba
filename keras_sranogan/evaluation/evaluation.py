"""What an evaluation measured, for figures and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.load import LoadedImages
from keras_sranogan.evaluation.scored import Scored
from keras_sranogan.evaluation.scorers import PlainAnogan


@dataclass(frozen=True, eq=False)
class Reading:
    """Images of a split, and the trivial statistics of each.

    Attributes:
        images: preprocessed.
        statistics: per name of :data:`keras_sranogan.evaluation.metrics.BASELINES`, ``(N,)``.
        shapes: height and width of each image, as it was read.
    """

    images: LoadedImages
    statistics: Mapping[str, NDArray[np.float64]]
    shapes: tuple[tuple[int, int], ...] = ()

    @property
    def abnormal(self) -> NDArray[np.bool_]:
        """``(N,)``, by the labels."""
        return np.array([not item.is_normal for item in self.images.items])

    @property
    def groups(self) -> NDArray[np.int64]:
        """``(N,)`` whose image each is, from 0."""
        return np.unique([item.group for item in self.images.items], return_inverse=True)[1].astype(np.int64)

    @property
    def labels(self) -> list[str]:
        """Name of the class of each image."""
        return [item.label for item in self.images.items]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that was measured.

    Attributes:
        figures: ready for JSON.
        reading: the images.
        scored: what the model says of them.
        anogan: what plain AnoGAN says of them.
        masks: ``(N, S, S)`` where they are abnormal, at the size of heat maps; None where nobody marked it.
        threshold: in force; may be infinite.
        heat_limit: of the heat maps' display.
    """

    figures: dict[str, Any]
    reading: Reading
    scored: Scored
    anogan: PlainAnogan
    masks: NDArray[np.bool_] | None
    threshold: float
    heat_limit: float
