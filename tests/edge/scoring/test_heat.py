"""The heat map's numbers, each against one worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sranogan_edge.scoring.heat import enlarged, heat_planes, standard_heat


@pytest.mark.parametrize(("plane", "heat"), [(0, 1.5), (1, 0.7), (2, 1.0)])
def test_what_each_plane_counts(plane: int, heat: float) -> None:
    """One deviation of the difference is 1.5 of heat, of the brightness 0.7, of the head's map 1."""
    center, scale = np.full((3, 32, 32), 2.0, np.float32), np.full((3, 32, 32), 0.5, np.float32)
    off = center.copy()
    off[plane] += 0.5
    np.testing.assert_allclose(standard_heat(off, center, scale), heat, rtol=1e-5)


def test_heat_that_is_enlarged_is_never_negative() -> None:
    """Beside a steep edge a bicubic curve swings below zero; a heat map does not, and keeps its heights."""
    hot = np.zeros((32, 32), np.float32)
    hot[:, 16:] = 8.0
    assert cv2.resize(hot, (64, 64), interpolation=cv2.INTER_CUBIC).min() < -0.5
    shown = enlarged(hot, 64)
    assert shown.min() == 0
    np.testing.assert_allclose(shown[:, 40:], 8.0, rtol=1e-5)


def test_brightness_is_of_the_image_that_is_given() -> None:
    """The plane of brightness is (x - mean) / (spread + 0.03), of which each cell has the mean."""
    plain = np.random.default_rng(0).random((64, 64, 1)).astype(np.float32)
    cells = ((plain - plain.mean()) / (plain.std() + 0.03))[..., 0].reshape(32, 2, 32, 2).mean(axis=(1, 3))
    found = heat_planes(np.zeros((32, 32), np.float32), plain, np.zeros((8, 8), np.float32))
    np.testing.assert_allclose(found[1], cells, atol=1e-5)


def test_which_deviations_count_downwards() -> None:
    """Brightness does, to both sides; a difference or a map below the normals' takes from the others."""
    center, scale = np.zeros((3, 32, 32), np.float32), np.ones((3, 32, 32), np.float32)

    def heat(difference: float, brightness: float, head: float) -> float:
        off = np.stack([np.full((32, 32), one, np.float32) for one in (difference, brightness, head)])
        found = standard_heat(off, center, scale)
        assert (center == 0).all()
        return float(found[16, 16])

    assert heat(0, -1, 0) == pytest.approx(0.7)
    assert heat(-1, 0, 2) == pytest.approx(2 - 1.5)
    assert heat(1, 0, -1) == pytest.approx(1.5 - 1)
    assert heat(-1, -1, -1) == 0  # 0.7 - 1.5 - 1: less than nothing is nothing


def test_heat_spreads_by_a_cell() -> None:
    """A cell of one is spread by a Gaussian of one cell: as high there as its middle weight, squared."""
    center, scale = np.zeros((3, 32, 32), np.float32), np.ones((3, 32, 32), np.float32)
    off = center.copy()
    off[2, 16, 16] = 1
    weights = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    weights /= weights.sum()
    found = standard_heat(off, center, scale)
    assert found[16, 16] == pytest.approx(weights[4] ** 2, rel=1e-3)
    assert found[16, 17] == pytest.approx(weights[4] * weights[5], rel=1e-3)


def test_the_head_s_map_is_laid_over_the_grid_smoothly() -> None:
    """Between two of its cells it goes in a line: 8 to 32 cells, each step a quarter."""
    ramp = np.tile(np.arange(8, dtype=np.float32), (8, 1))
    found = heat_planes(np.full((32, 32), 5, np.float32), np.zeros((64, 64, 1), np.float32), ramp)
    np.testing.assert_allclose(found[2][10, 2:30], np.arange(28) / 4 + 0.125, rtol=1e-5)
    np.testing.assert_array_equal(found[0], 5)


def test_heat_is_enlarged_along_a_bicubic_curve() -> None:
    """Beside a step the curve goes above it; straight lines would not."""
    hot = np.zeros((32, 32), np.float32)
    hot[:, 16:] = 8.0
    shown = enlarged(hot, 64)
    np.testing.assert_allclose(shown, np.maximum(cv2.resize(hot, (64, 64), interpolation=cv2.INTER_CUBIC), 0))
    assert shown.max() > 8.5
