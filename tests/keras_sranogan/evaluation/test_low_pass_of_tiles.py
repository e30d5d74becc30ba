"""The low-pass control of a model that judges tiles takes the detail of a tile, not that of the image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.load import LoadedImages
from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_scorer
from keras_sranogan.evaluation.scored import OnHeat, Scored, nothing_with_heat
from keras_sranogan.progress import Silent
from sranogan_edge.image.preprocess import PreprocessSpec, low_pass
from tests.support.mean_image_scorer import MeanImageScorer


class Recording(MeanImageScorer):
    """Scores wholes, said to be tiles, and keeps what it was given to cut tiles from."""

    given: list[NDArray[np.uint8 | np.uint16]]

    def score_tiles(
        self, images: LoadedImages, advance: Callable[[int], None], on_heat: OnHeat = nothing_with_heat
    ) -> Scored:
        """Like :meth:`score`."""
        assert images.frame is not None
        self.given += [images.frame(number).pixels for number in range(len(images.items))]
        return self.score(images.x, advance)


def test_each_tile_keeps_64_pixels() -> None:
    """Of 192 px in tiles of 96 there are 128 left in the control, and 64 would be left of a whole image."""
    source = open_source("phantom?train=30&val=12&test=4&size=192")
    scorer = Recording(source, PreprocessSpec(size=32, fit="tile", tile_px=96))
    scorer.given = []
    found = evaluate_scorer(scorer, source, EvaluationOptions(), Silent()).figures
    items = source.items("test")
    plain, control = scorer.given[: len(items)], scorer.given[len(items) :]
    for item, as_it_is, lowered in zip(items, plain, control, strict=True):
        frame = source.frame(item)
        assert np.array_equal(as_it_is, frame.pixels)
        assert np.array_equal(lowered, low_pass(frame, size=128).pixels)
        assert not np.array_equal(lowered, low_pass(frame).pixels)
    assert found["auroc_low_pass"] is not None
