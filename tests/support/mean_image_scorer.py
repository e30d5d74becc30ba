"""A scorer that is real arithmetic without a network."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import DataSource
from keras_sranogan.data.load import load_images
from keras_sranogan.evaluation.scored import Scored
from keras_sranogan.evaluation.scorers import Facts, PlainAnogan
from sranogan_edge.image.align import Aligner
from sranogan_edge.image.preprocess import PreprocessSpec, downscale
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.residual import raw_distance

Images = NDArray[np.float32]


class MeanImageScorer:
    """Reconstructs everything as the mean normal image, and scores the brightest smoothed difference."""

    def __init__(self, source: DataSource, spec: PreprocessSpec | None = None) -> None:
        self.facts = Facts(kind="mean image", settings={"size": 32}, provenance={"data": source.name})
        self.aligner: Aligner | None = None
        self.preprocess = spec or PreprocessSpec(size=32)
        x = load_images(source, source.items("train"), self.preprocess).x
        self.mean, self.spread = x.mean(axis=0), x.std(axis=0) + 0.05
        heat = self._heat(x)
        self.calibration = Calibration(tuple(sorted(heat.max(axis=(1, 2)).tolist())), 0.05)
        self.heat_limit = float(np.quantile(heat.max(axis=(1, 2)), 0.95))

    def _heat(self, x: Images) -> Images:
        apart = np.maximum(x - self.mean, 0)[..., 0] / self.spread[..., 0]
        return np.stack([cv2.GaussianBlur(image, (0, 0), 1.5) for image in apart])

    def score(self, x: Images, advance: Callable[[int], None]) -> Scored:
        heat, low = self._heat(x), downscale(self.mean, 16)
        distance = np.array([raw_distance(downscale(image, 16), low) for image in x])
        advance(len(x))
        lows, highs = np.repeat(low[None], len(x), 0), np.repeat(self.mean[None], len(x), 0)
        score = heat.max(axis=(1, 2)).astype(np.float64)
        return Scored(score, {"residual": score}, x, heat, lows, lows, highs, distance)

    def plain_anogan(
        self, x: Images, scored: Scored, seed: int, advance: Callable[[int], None]
    ) -> PlainAnogan:
        advance(len(x))
        return PlainAnogan(scored.search_distance, "distance to the mean image")
