"""Pixel figures from what is kept of each image: against their definitions, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_sranogan.data.marks import Region
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.pixels import ImagePixels, pixel_figures


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_figures_are_those_of_all_pixels_at_once(seed: int, decimals: int) -> None:
    """AUROC and AUPRO of several maps, with ties and heat below 0, are those that need all maps in memory."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((5, 40, 40), np.bool_)
    masks[1, 3:9, 4:12] = masks[1, 20:22, 30:33] = masks[3, 10:30, 8:30] = True
    heat = np.round(rng.normal(size=masks.shape) + 1.2 * masks, decimals).astype(np.float32)
    kept = [ImagePixels.of(one, mask if mask.any() else None) for one, mask in zip(heat, masks, strict=True)]
    found = pixel_figures(kept)
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), heat.ravel()), abs=1e-4)
    assert found["pixel_aupro"] == pytest.approx(metrics.pixel_aupro(heat, masks), abs=1e-3)
    assert found["pixel_auspro"] is None


def test_figures_by_hand() -> None:
    """Ten clean pixels, one as hot as a marked one: 1 false positive in 10 for half of the region."""
    heat = np.array([[9, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1]], np.float32)
    mask = np.zeros(heat.shape, np.bool_)
    mask[0, :2] = True
    found = pixel_figures([ImagePixels.of(heat, mask)])
    # the marked 9 beats all ten, the marked 5 beats nine and ties with one
    assert found["pixel_auroc"] == pytest.approx((10 + 9.5) / 20)
    # none above up to 1 of 10: half of the region; from there on 5 is above 1: all of it
    assert found["pixel_aupro"] == pytest.approx((0.1 * 0.5 + 0.2 * 1) / 0.3, abs=2e-3)


def test_a_region_that_saturates_is_found_with_enough_of_it() -> None:
    """Of a region of four pixels two are hot: half of it, and all where two are enough, up to 5 %."""
    heat = np.zeros((10, 10), np.float32)
    mask = np.zeros((10, 10), np.bool_)
    mask[0, :4] = True
    heat[0, :2] = 3
    for enough, share in ((4.0, 0.5), (2.0, 1.0), (1.0, 1.0), (3.0, 2 / 3)):
        found = pixel_figures([ImagePixels.of(heat, mask, [Region(mask, enough)])])
        assert found["pixel_auspro"] == pytest.approx(share)
        assert found["pixel_aupro"] == pytest.approx(0.5)


def test_regions_count_alike_and_overlapping_ones_each() -> None:
    """A region is what the data name, not what is connected: two parts are one; pixels may be shared."""
    heat = np.zeros((10, 10), np.float32)
    heat[0, :4] = 3
    first, second = np.zeros((2, 10, 10), np.bool_)
    first[0, :4] = first[9, :4] = True  # half of it is hot
    second[0, :2] = True  # all of it is
    found = pixel_figures([ImagePixels.of(heat, first | second, [Region(first, 8.0), Region(second, 2.0)])])
    assert found["pixel_auspro"] == pytest.approx((0.5 + 1) / 2)


def test_a_mask_of_another_size_marks_the_same_places() -> None:
    """A mask of half and one of twice the size give the figures of the one that fits, saturated or not."""
    rng = np.random.default_rng(4)
    mask = np.zeros((40, 60), np.bool_)
    mask[10:20, 20:40] = True
    heat = (rng.normal(size=mask.shape) + mask).astype(np.float32)
    fits = pixel_figures([ImagePixels.of(heat, mask, [Region(mask, 50.0)])])
    half, double = mask[::2, ::2], mask.repeat(2, axis=0).repeat(2, axis=1)
    for drawn, enough in ((half, 12.5), (double, 200.0)):
        assert pixel_figures([ImagePixels.of(heat, drawn, [Region(drawn, enough)])]) == pytest.approx(fits)


def test_a_defect_of_one_pixel_does_not_vanish_in_a_smaller_image() -> None:
    """A mask that is larger than its heat map keeps a mark that lies between what is taken."""
    for place in ((0, 0), (1, 1), (2, 3), (7, 5)):
        mask = np.zeros((8, 8), np.bool_)
        mask[place] = True
        heat = np.zeros((4, 4), np.float32)
        heat[place[0] // 2, place[1] // 2] = 1
        assert pixel_figures([ImagePixels.of(heat, mask)])["pixel_auroc"] == 1


def test_what_cannot_be_judged_has_no_figures() -> None:
    """Without a mark, or with nothing else than marks, there is nothing to tell apart."""
    heat = np.ones((4, 4), np.float32)
    nothing = {"pixel_auroc": None, "pixel_aupro": None, "pixel_auspro": None}
    assert pixel_figures([]) == nothing
    assert pixel_figures([ImagePixels.of(heat)]) == nothing
    assert pixel_figures([ImagePixels.of(heat, np.ones((4, 4), np.bool_))]) == nothing
    with_clean = [ImagePixels.of(heat, np.ones((4, 4), np.bool_)), ImagePixels.of(heat)]
    assert pixel_figures(with_clean) == {"pixel_auroc": 0.5, "pixel_aupro": 0.0, "pixel_auspro": None}


def test_images_may_be_of_any_sizes() -> None:
    """Pixels of a small and a large image count alike: 100 clean ones are colder, 600 tie."""
    small, large = np.zeros((10, 10), np.float32), np.ones((20, 35), np.float32)
    mask = np.zeros((20, 35), np.bool_)
    mask[:, :5] = True  # 100 marked, 600 clean, all equal
    found = pixel_figures([ImagePixels.of(small), ImagePixels.of(large, mask)])
    assert found["pixel_auroc"] == pytest.approx((100 + 600 / 2) / 700)
