"""AUPRO where pixels are tied: by a count over all thresholds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from keras_sranogan.evaluation import metrics


def overlap_by_definition(heat: np.ndarray, masks: np.ndarray) -> float:
    """AUPRO as the paper has it: for each rate the most that regions overlap at no more false positives."""
    regions = []
    for number, mask in enumerate(masks):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [(number, labels == region) for region in range(1, count + 1)]
    curve = []
    for rate in np.linspace(0, 0.3, 301):
        best = 0.0
        for threshold in [-np.inf, *np.unique(heat)]:
            if (heat[~masks] > threshold).mean() <= rate + 1e-12:
                best = max(best, np.mean([(heat[n][where] > threshold).mean() for n, where in regions]))
        curve.append(best)
    return float(sum(a + b for a, b in itertools.pairwise(curve)) / 2 / 300)


@pytest.mark.parametrize("seed", range(4))
def test_aupro_with_ties_is_the_definition(seed: int) -> None:
    """Heat of six values, so that nearly all pixels are tied: equal to a count over all thresholds."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, 16, 16), np.bool_)
    masks[0, 2:9, 3:8], masks[0, 11:13, 11:14], masks[1, 5:7, 5:7] = True, True, True
    heat = np.clip(rng.integers(0, 5, masks.shape) + masks * rng.integers(0, 3, masks.shape), 0, 5)
    heat = heat.astype(np.float32)
    assert metrics.pixel_aupro(heat, masks) == pytest.approx(overlap_by_definition(heat, masks), abs=1e-6)


def test_aupro_of_heat_that_is_all_the_same_is_nothing() -> None:
    """Where all pixels are tied none is above another, and no region is found."""
    masks = np.zeros((1, 16, 16), np.bool_)
    masks[0, 4:8, 4:8] = True
    assert metrics.pixel_aupro(np.ones((1, 16, 16), np.float32), masks) == 0
