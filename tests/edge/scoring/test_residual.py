"""The detector's measurements: residual features of an image and its reconstruction, and heat."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sranogan_edge.scoring.heat import HEAT_SHAPE, heat_planes, standard_heat
from sranogan_edge.scoring.residual import (
    BAND_SIGMAS_SHARE,
    FEATURES,
    FEATURES_WITH_IMAGE,
    HEAT_GRID,
    frequency_bands,
    gradient_magnitude,
    log_energy,
    on_grid,
    pool,
    raw_distance,
    residual,
    standardise,
)

Array = NDArray[np.float32]


def textured(size: int = 64, seed: int = 0) -> Array:
    """``(size, size)`` float32 in 0.2..0.8, with contrast at every scale."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size] / size
    waves = 0.15 * np.sin(9 * rows) * np.cos(7 * columns) + 0.05 * rng.normal(size=(size, size))
    return np.clip(0.5 + waves, 0.2, 0.8).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(gain=st.floats(0.6, 1.6), offset=st.floats(-0.2, 0.2), seed=st.integers(0, 99))
def test_standardise_ignores_exposure(gain: float, offset: float, seed: int) -> None:
    """Another gain and offset of the same image hardly change it: only the noise floor is not scaled."""
    image = textured(seed=seed)
    plain = standardise(image)
    exposed = standardise((image * np.float32(gain) + np.float32(offset)).astype(np.float32))
    assert np.abs(exposed - plain).mean() < 0.25 * np.abs(plain).mean()
    assert np.corrcoef(exposed.ravel(), plain.ravel())[0, 1] > 0.999


def test_frequency_bands_add_up() -> None:
    """The bands sum to the image less its coarsest blur, and doubling the image doubles each."""
    image = textured()
    bands = frequency_bands(image)
    coarsest = cv2.GaussianBlur(image, (0, 0), BAND_SIGMAS_SHARE[-1] * 64)
    np.testing.assert_allclose(bands.sum(axis=0), image - coarsest, atol=1e-5)
    np.testing.assert_allclose(frequency_bands(2 * image), 2 * bands, atol=1e-5)


def test_log_energy_of_a_silent_band_is_zero() -> None:
    """Silence is 0 and not minus infinity, and ten times the amplitude is a hundred times the energy."""
    silent = np.zeros((4, 64, 64), np.float32)
    assert not log_energy(silent).any()
    loud = log_energy(silent + 10) - log_energy(silent + 1)
    np.testing.assert_allclose(loud, math.log(100), rtol=1e-4)


def test_floors_by_hand() -> None:
    """A band's energy of 1e-5, and features 1e-6 apart on average, are log 2; contrast's floor is 0.03."""
    quiet = np.full((4, 64, 64), 1e-5**0.5, np.float32)
    np.testing.assert_allclose(log_energy(quiet), math.log(2), rtol=1e-4)
    x, f = textured()[..., None], np.zeros((16, 16, 6), np.float32)
    apart = residual(x, x, f, f + np.float32(1e-3)).features[:FEATURES]
    assert apart[np.flatnonzero(apart)] == pytest.approx([math.log(2)], rel=1e-4)
    steps = np.tile(np.array([0.47, 0.53], np.float32), (64, 32))  # spread 0.03
    np.testing.assert_allclose(np.abs(standardise(steps)), 0.5, rtol=1e-4)


def test_standardise_does_not_amplify_noise() -> None:
    """A nearly flat image stays nearly flat, instead of becoming noise of unit contrast."""
    noise = np.random.default_rng(0).normal(0.5, 0.001, (64, 64)).astype(np.float32)
    assert np.abs(standardise(noise)).max() < 0.2
    assert not standardise(np.full((64, 64), 0.5, np.float32)).any()


def test_pool_is_the_mean_of_each_cell() -> None:
    """Grey and many-channel arrays are averaged cell by cell."""
    grey = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(pool(grey, 2), [[2.5, 4.5], [10.5, 12.5]])
    stack = np.stack([grey, -grey, grey + 1], axis=-1)
    np.testing.assert_array_equal(
        pool(stack, 2), np.stack([pool(stack[..., k], 2) for k in range(3)], axis=-1)
    )


def test_gradient_magnitude_of_a_ramp() -> None:
    """A ramp of one hundredth per pixel has the Sobel magnitude 0.08 in any direction."""
    rows, columns = np.mgrid[0:16, 0:16].astype(np.float32) / 100
    for ramp in (rows, columns, (rows + columns) / np.float32(math.sqrt(2))):
        np.testing.assert_allclose(gradient_magnitude(ramp)[2:-2, 2:-2], 0.08, rtol=1e-4)


def test_residual_of_identical_images_is_zero() -> None:
    """Where the reconstruction equals the image, features and heat are zero but for those of the image."""
    x, f = textured()[..., None], np.random.default_rng(1).normal(size=(16, 16, 6)).astype(np.float32)
    found = residual(x, x, f, f)
    assert found.features.shape == (FEATURES_WITH_IMAGE,)
    assert not found.features[:FEATURES].any()
    assert found.features[FEATURES:].all()
    assert not found.difference.any()


@pytest.mark.parametrize("sign", [1, -1])
def test_residual_says_where_an_image_is_brighter_or_darker(sign: int) -> None:
    """The last 128 numbers of it are means of the signed and of the absolute difference in cells of 8x8."""
    rng = np.random.default_rng(5)
    made = rng.uniform(0.4, 0.6, (64, 64, 1)).astype(np.float32)
    image = made.copy()
    image[8:16, 40:48] += np.float32(0.2 * sign)  # row 1, column 5 of the cells
    found = residual(image, made, *[np.zeros((2, 2, 3), np.float32)] * 2).features
    signed, absolute = found[FEATURES - 128 : FEATURES].reshape(2, 8, 8)
    assert np.argmax(sign * signed) == 8 + 5
    assert np.argmax(absolute) == 8 + 5
    assert absolute[1, 5] == pytest.approx(sign * signed[1, 5], rel=1e-5)
    plain, other = (one[..., 0] for one in (image, made))
    cell = np.s_[8:16, 40:48]
    expected = (
        (plain - plain.mean()) / (plain.std() + 0.03) - (other - other.mean()) / (other.std() + 0.03)
    )[cell]
    assert signed[1, 5] == pytest.approx(expected.mean(), rel=1e-4)


def test_the_image_itself_is_measured_whatever_its_reconstruction() -> None:
    """Behind the residual: energies by band in 4x4 cells, means and absolute means in 8x8, of the image."""
    plain, nothing = textured(), np.zeros((2, 2, 3), np.float32)
    ways = [
        residual(plain[..., None], made[..., None], nothing, nothing) for made in (plain, textured(seed=5))
    ]
    own, other = (found.features[257:] for found in ways)
    assert len(own) == 64 + 64 + 64
    np.testing.assert_array_equal(own, other)
    standard = (plain - plain.mean()) / (plain.std() + 0.03)
    for first, of in ((64, standard), (128, np.abs(standard))):
        expected = of.reshape(8, 8, 8, 8).mean(axis=(1, 3))
        np.testing.assert_allclose(own[first : first + 64].reshape(8, 8), expected, atol=1e-5)
    blurred = cv2.GaussianBlur(standard, (0, 0), 0.5)  # a hundred and twenty-eighth of the side
    finest = np.square(standard - blurred).reshape(4, 16, 4, 16).mean(axis=(1, 3))
    np.testing.assert_allclose(own[:16].reshape(4, 4), np.log1p(finest / 1e-5), rtol=1e-3)


def test_a_cell_of_the_difference_is_the_mean_of_its_pixels() -> None:
    """Of 128 x 128 pixels each of 32 x 32 cells has sixteen."""
    image = np.random.default_rng(0).random((128, 128)).astype(np.float32)
    expected = image.reshape(32, 4, 32, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(on_grid(image), expected, atol=1e-6)


def test_residual_is_hottest_where_the_images_differ() -> None:
    """A spot in the image alone makes the heat peak there."""
    normal, f = textured(), np.zeros((16, 16, 6), np.float32)
    spotted = normal.copy()
    spotted[40:48, 8:16] = 1.0
    total = residual(spotted[..., None], normal[..., None], f, f).difference
    row, column = np.unravel_index(total.argmax(), total.shape)
    assert 20 <= row < 24
    assert 4 <= column < 8


@pytest.mark.parametrize("part", ["x", "features"])
def test_residual_feels_pixels_and_features(part: str) -> None:
    """A difference in pixels, or in discriminator features, moves the features; heat is of pixels."""
    x, f = textured()[..., None], np.random.default_rng(1).normal(size=(16, 16, 6)).astype(np.float32)
    other_x, other_f = (textured(seed=5)[..., None], f) if part == "x" else (x, f + 1)
    found = residual(x, other_x, f, other_f)
    assert np.abs(found.features).max() > 0.1
    assert (found.difference.max() > 0.1) == (part == "x")


def test_gradient_magnitude_is_the_same_wherever_arrays_lie() -> None:
    """Results at other addresses have the very same bits (OpenCV's own have not), so no score varies."""
    image = textured()
    expected = gradient_magnitude(image)
    kept = []
    for places in range(40):  # what is kept moves the arrays of the next call
        kept += [np.empty(64 * 64 + 4 * (places % 3), np.float32), gradient_magnitude(image)]
        np.testing.assert_array_equal(kept[-1], expected)


def test_heat_planes() -> None:
    """Difference as it came; brightness without exposure; the head's map of any size enlarged in place."""
    difference = np.random.default_rng(2).random((HEAT_GRID, HEAT_GRID), np.float32)
    plain, logits = textured()[..., None], np.full((8, 8), -3.0, np.float32)
    plain[:16, 48:] = 1.0
    logits[6, 1] = 5.0
    heat = heat_planes(difference, plain, logits)
    assert heat.shape == HEAT_SHAPE
    assert heat.dtype == np.float32
    np.testing.assert_array_equal(heat[0], difference)
    assert heat[1][:8, 24:].mean() > heat[1][8:].mean() + 1
    darker = heat_planes(difference, plain * np.float32(0.5), logits)[1]
    np.testing.assert_allclose(darker, heat[1], rtol=0.2)
    row, column = np.unravel_index(heat[2].argmax(), heat[2].shape)
    assert (row // 4, column // 4) == (6, 1)
    assert heat[2].min() == -3


@pytest.mark.parametrize("sign", [1, -1])
def test_standard_heat_counts_deviations(sign: int) -> None:
    """Brightness counts whichever way it is off; the other planes add, or take away, down to nothing."""
    center, scale = np.full(HEAT_SHAPE, 2.0, np.float32), np.full(HEAT_SHAPE, 0.5, np.float32)
    for number, weight in enumerate((1.5, 0.7, 1.0)):
        heat = center.copy()
        heat[number] += sign * 2 * scale[number]
        expected = 2 * weight if sign > 0 or number == 1 else 0
        found = standard_heat(heat, center, scale)
        assert found.shape == (HEAT_GRID, HEAT_GRID)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not standard_heat(center, center, scale).any()


def test_raw_distance() -> None:
    """Plain AnoGAN's score is the sum of absolute differences on the 0-255 scale."""
    x = np.zeros((4, 4, 1), np.float32)
    assert raw_distance(x, x + np.float32(0.5)) == 16 * 127.5


def test_detail_that_a_reconstruction_lacks_counts_up() -> None:
    """The first 64 features are energies of x less those of its reconstruction, by band, finest first."""
    rng = np.random.default_rng(3)
    smooth = textured()
    rough = np.clip(smooth + rng.normal(0, 0.1, smooth.shape), 0, 1).astype(np.float32)
    f = np.zeros((8, 8, 4), np.float32)
    more = residual(rough[..., None], smooth[..., None], f, f).features[:64].reshape(4, 16)
    less = residual(smooth[..., None], rough[..., None], f, f).features[:64].reshape(4, 16)
    np.testing.assert_allclose(less, -more, atol=1e-5)
    assert more[0].min() > 0.2
    assert more[0].mean() > more[3].mean()
