"""Heat maps at the size of their images: each way that images come, turned back."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.evaluation import own_size
from keras_sranogan.evaluation.metrics import fit_mask
from keras_sranogan.evaluation.own_size import at_own_size, judged_shape
from keras_sranogan.evaluation.scored_tiles import as_heat
from sranogan_edge.image.preprocess import PreprocessSpec


@pytest.mark.parametrize("shape", [(96, 160), (160, 96), (100, 100), (20, 24)])
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "pad", "crop"])
def test_what_is_hot_lies_where_the_image_has_it(fit: str, shape: tuple[int, int]) -> None:
    """A box in the middle of the image, seen at the size of heat maps, comes back to its place and size."""
    spec = PreprocessSpec(size=64, fit=fit)  # type: ignore[arg-type]
    height, width = shape
    box = np.zeros(shape, np.bool_)
    box[height * 3 // 8 : height * 5 // 8, width * 2 // 5 : width * 3 // 5] = True
    back = at_own_size(fit_mask(box, spec).astype(np.float32), spec, shape) > 0.5
    assert back.shape == shape
    assert (back & box).sum() / (back | box).sum() > 0.8


def test_beside_a_crop_nothing_was_judged() -> None:
    """The middle square is filled, left and right of it is 0."""
    whole = at_own_size(np.ones((32, 32), np.float32), PreprocessSpec(size=32, fit="crop"), (40, 100))
    assert whole[:, 30:70].min() == 1
    assert whole[:, :30].max() == whole[:, 70:].max() == 0


def test_the_border_of_a_letterbox_is_left_out() -> None:
    """Heat on the black bars is of no pixel of the image."""
    spec = PreprocessSpec(size=32, fit="letterbox")
    heat = np.full((32, 32), 9, np.float32)
    heat[8:24] = 1
    assert at_own_size(heat, spec, (50, 100)).max() == 1


def test_a_stitched_map_of_the_images_size_stays_itself() -> None:
    """Of tiles the map is not resampled where it has the image's size, and grows where it was smaller."""
    spec = PreprocessSpec(size=32, fit="tile", tile_px=32)
    heat = np.random.default_rng(0).random((70, 90), np.float32)
    same = at_own_size(heat, spec, (70, 90))
    assert np.shares_memory(same, heat)
    np.testing.assert_array_equal(same, heat)
    grown = at_own_size(heat, spec, (140, 180))
    assert grown.shape == (140, 180)
    assert grown.mean() == pytest.approx(heat.mean(), abs=0.01)


def test_a_huge_image_is_judged_at_a_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a number of pixels at its own size, above that at the same shape with about so many."""
    monkeypatch.setattr(own_size, "MOST_PIXELS", 10_000)
    assert judged_shape((100, 100)) == (100, 100)
    height, width = judged_shape((400, 100))
    assert (height, width) == (200, 50)
    assert judged_shape((1, 1_000_000)) == (1, 100_000)


def test_a_stitched_map_is_compared_with_the_whole_image_squeezed() -> None:
    """Twice the side that a tile is judged at, and all of the image: its region is cut off in the map."""
    region = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0))
    tiled = PreprocessSpec(size=64, fit="tile", tile_px=96, region=region, tile_whole=True)
    found = as_heat(tiled)
    assert (found.size, found.fit, found.region, found.tile_whole) == (128, "stretch", (), False)
    assert as_heat(PreprocessSpec(size=64, fit="crop")) == PreprocessSpec(size=64, fit="crop")
