"""What is watched of an image, each number against one worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.heat import HEAT_SHAPE
from sranogan_edge.scoring.measurement import Measurement, Reconstruction, Tiles
from sranogan_edge.scoring.statistics import (
    apart,
    column,
    correlation,
    grid_of,
    input_statistics,
    signs_of,
    statistics_of,
    successive,
)

Array = NDArray[np.float32]
SPEC = PreprocessSpec(size=32, contrast="none")
RAMP = np.tile(np.arange(32, dtype=np.float32), (32, 1))


def density(mean_normal: Array) -> Density:
    """One whose normals look like this at 32 x 32."""
    center = np.zeros(HEAT_SHAPE, np.float32)
    center[1] = mean_normal
    return Density({}, center, np.ones(HEAT_SHAPE, np.float32), 1.0)


def measured(grid: Array, plain: Array | None, tiles: Tiles | None = None) -> Measurement:
    """An image of this grid."""
    heat = np.full(HEAT_SHAPE, 7.0, np.float32)
    heat[1] = grid
    x = np.zeros((32, 32, 1), np.float32)
    made = Reconstruction(x, x, x, x, {}, heat, 0.0, {}, plain)
    return Measurement(2.5, {"residual": 1.5, "head": 0.5, "map": 9.0}, x[..., 0], made, {}, tiles)


def test_brightness_contrast_and_sharpness() -> None:
    """Columns of 0 and 1: a mean of 1/2, a spread of 1/2, steps of 0 and 1 over a variance of 1/4: log 4."""
    x = np.zeros((4, 4, 3), np.float32)
    x[:, ::2, 0] = 1
    x[..., 1:] = 0.7  # the opponents have no part in it
    assert input_statistics(x) == pytest.approx(
        {"brightness": 0.5, "contrast": 0.5, "sharpness": math.log(4)}, rel=1e-6
    )
    steps = np.array([[0, 0.5], [0.25, 0.75]], np.float32)[..., None]  # down 1/4, across 1/2; variance 5/64
    assert input_statistics(steps)["sharpness"] == pytest.approx(math.log((1 / 16 + 1 / 4) / (5 / 64)))
    flat = input_statistics(np.full((4, 4, 1), 0.25, np.float32))
    assert (flat["brightness"], flat["contrast"], flat["sharpness"]) == (0.25, 0.0, 0.0)


def test_correlation_by_hand() -> None:
    """Of 0, 0, 1 and 0, 1, 1 it is 1/2; a constant has none."""
    one, other = np.array([0, 0, 1], np.float32), np.array([0, 1, 1], np.float32)
    assert correlation(one, other) == pytest.approx(0.5)
    assert correlation(-3 * one + 5, other) == pytest.approx(-0.5)
    assert correlation(one, np.full(3, 2, np.float32)) == 0


def test_likeness_is_to_the_mean_normal() -> None:
    """The same picture 1, its negative -1; the image's other numbers are beside it."""
    plain = np.full((8, 8, 1), 0.25, np.float32)
    found = signs_of(plain, RAMP, density(-2 * RAMP + 1))
    assert found == {"brightness": 0.25, "contrast": 0.0, "sharpness": 0.0, "likeness": pytest.approx(-1)}
    assert signs_of(plain, RAMP, density(RAMP))["likeness"] == pytest.approx(1)


def test_the_statistics_of_a_scored_image() -> None:
    """Of what was judged, or of the frame where nobody kept that; of parts only residual and head."""
    frame = Frame(
        np.repeat([[0, 255]], 32, axis=0).repeat(16, axis=1).astype(np.uint8), 8, Photometric.MONOCHROME2
    )
    kept = statistics_of(frame, measured(RAMP, np.full((8, 8, 1), 0.25, np.float32)), density(RAMP), SPEC)
    assert (kept["brightness"], kept["contrast"]) == (0.25, 0.0)
    assert kept["likeness"] == pytest.approx(1)
    assert (kept["residual"], kept["head"], kept["score"]) == (1.5, 0.5, 2.5)
    assert set(kept) == {"brightness", "contrast", "sharpness", "likeness", "residual", "head", "score"}
    seen = statistics_of(frame, measured(RAMP, None), density(RAMP), SPEC)
    assert [seen["brightness"], seen["contrast"]] == pytest.approx([0.5, 0.5])
    without = statistics_of(frame, replace(measured(RAMP, None), parts={}), density(RAMP), SPEC)
    assert not {"residual", "head"} & set(without)


def test_of_tiles_the_signs_are_theirs() -> None:
    """They are means over the tiles already; the grid is that of the whole image."""
    signs = {"brightness": 0.1, "contrast": 0.2, "sharpness": 0.3, "likeness": 0.4}
    x = np.zeros((32, 32, 1), np.float32)
    made = measured(RAMP, x, Tiles(4, 0, [0, 0, 8, 8], 1.0, x, -RAMP, signs))
    frame = Frame(np.zeros((32, 32), np.uint8), 8, Photometric.MONOCHROME2)
    found = statistics_of(frame, made, density(RAMP), SPEC)
    assert found == {**signs, "residual": 1.5, "head": 0.5, "score": 2.5}
    np.testing.assert_array_equal(grid_of(made), -RAMP)
    np.testing.assert_array_equal(grid_of(measured(RAMP, x)), RAMP)


def test_how_alike_images_are_that_follow_each_other_and_that_do_not() -> None:
    """Pair by pair, the last of an odd number left out; and of those half of all apart the mean."""
    wave = np.sin(RAMP)
    assert successive([RAMP, RAMP, wave, -wave, RAMP]) == pytest.approx((1, -1))
    assert successive([RAMP]) == ()
    assert apart([RAMP, wave, RAMP, -wave]) == pytest.approx(0)
    assert apart([RAMP, wave, RAMP, wave, -wave]) == pytest.approx(1)
    assert apart([RAMP, -RAMP]) == pytest.approx(-1)
    assert apart([RAMP]) == 0


def test_a_column_is_one_statistic_of_all() -> None:
    """In their order."""
    assert column([{"score": 3.0, "head": 0.0}, {"score": 1.0, "head": 9.0}], "score") == (3.0, 1.0)
