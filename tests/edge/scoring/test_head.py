"""What the head sees of an image, and what is measured of its answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sranogan_edge.scoring.head import (
    CHANNELS,
    head_input,
    head_measurements,
    neighbourhood,
    peak,
    pooled,
    total_evidence,
)

Array = NDArray[np.float32]


def textured(size: int = 64, seed: int = 0) -> Array:
    """``(size, size, 1)`` float32 in 0.2..0.8, with contrast at every scale."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size] / size
    waves = 0.15 * np.sin(9 * rows) * np.cos(7 * columns) + 0.05 * rng.normal(size=(size, size))
    return np.clip(0.5 + waves, 0.2, 0.8).astype(np.float32)[..., None]


@pytest.mark.parametrize(("side", "window"), [(16, 5), (32, 9), (64, 17), (128, 33)])
def test_neighbourhood_has_a_middle(side: int, window: int) -> None:
    """The window of local contrast is odd and about a quarter of the side."""
    assert neighbourhood(side) == window


@pytest.mark.parametrize("side", [16, 32])
def test_head_input_is_two_standardised_images(side: int) -> None:
    """The channels are (x - mean) / (spread + floor), of the whole image and of each neighbourhood."""
    x, reach = textured(side), neighbourhood(side) // 2
    plain = x[..., 0].astype(np.float64)
    mirrored = np.pad(plain, reach, mode="symmetric")
    around = np.lib.stride_tricks.sliding_window_view(mirrored, (2 * reach + 1, 2 * reach + 1))
    whole = (plain - plain.mean()) / (plain.std() + 0.03)
    local = (plain - around.mean(axis=(2, 3))) / (around.std(axis=(2, 3)) + 0.03)
    found = head_input(x, side)
    assert found.shape == (side, side, CHANNELS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack([whole, local], axis=-1), atol=1e-4)


def test_head_input_shrinks_by_area() -> None:
    """A larger image is seen as the mean of its blocks is."""
    x = textured(128)
    blocks = x.reshape(64, 2, 64, 2, 1).mean(axis=(1, 3), dtype=np.float32)
    np.testing.assert_allclose(head_input(x, 64), head_input(blocks, 64), atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(gain=st.floats(0.6, 1.6), offset=st.floats(-0.2, 0.2), seed=st.integers(0, 99))
def test_exposure_hardly_changes_what_the_head_sees(gain: float, offset: float, seed: int) -> None:
    """Another gain and offset of the same image leave both channels as they are, but for the noise floor."""
    x = textured(seed=seed)
    plain, exposed = head_input(x, 64), head_input(x * np.float32(gain) + np.float32(offset), 64)
    for channel in range(CHANNELS):
        one, other = plain[..., channel], exposed[..., channel]
        assert np.abs(other - one).mean() < 0.3 * np.abs(one).mean()
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.995


@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_constant_image_is_nothing_to_see(brightness: float) -> None:
    """A constant image gives zeros, not the noise of a division by nothing."""
    found = head_input(np.full((64, 64, 1), brightness, np.float32), 64)
    np.testing.assert_allclose(found, 0, atol=0.02)


def test_head_input_keeps_to_its_limits() -> None:
    """One white pixel on black, the strongest contrast there is, is clipped where int8 ends."""
    spot = np.zeros((64, 64, 1), np.float32)
    spot[30, 30] = 1.0
    found = head_input(spot, 64)
    assert found.max() == 4
    assert found.min() >= -4
    assert np.isfinite(found).all()


def test_pooled_is_the_mean_of_four_quarters() -> None:
    """Each channel is averaged over the quarters, row by row, channels last."""
    features = np.random.default_rng(0).normal(size=(8, 8, 3)).astype(np.float32)
    found = pooled(features)
    quarters = [features[:4, :4], features[:4, 4:], features[4:, :4], features[4:, 4:]]
    expected = np.concatenate([quarter.mean(axis=(0, 1)) for quarter in quarters])
    assert found.shape == (12,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_judged_of_the_head_s_answer() -> None:
    """Its features over the quarters, and the evidence of its map as a vector of one number."""
    features = np.random.default_rng(0).normal(size=(4, 4, 2)).astype(np.float32)
    logits = np.random.default_rng(1).normal(size=(6, 6, 1)).astype(np.float32)
    found = head_measurements({"features": features, "map": logits, "early": features})
    assert {name: one.shape for name, one in found.items()} == {"head": (8,), "map": (1,), "peak": (1,)}
    assert {one.dtype for one in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["head"], pooled(features))
    assert found["map"][0] == pytest.approx(total_evidence(logits[..., 0]))
    assert found["peak"][0] == pytest.approx(logits.max())


@pytest.mark.parametrize(
    ("side", "highest", "expected"),
    [(32, [9, 7, 5, 3, 2], 6.0), (16, [9, 7], 9.0), (8, [9, 7], 9.0), (64, [16.0] * 16, 16.0)],
)
def test_the_peak_is_the_mean_of_the_highest_256th(side: int, highest: list[float], expected: float) -> None:
    """Wherever these lie: 4 places of 32 x 32, and one where there are fewer than 256."""
    logits = np.full(side * side, -1, np.float32)
    logits[np.random.default_rng(0).choice(side * side, len(highest), replace=False)] = highest
    assert peak(logits.reshape(side, side)) == pytest.approx(expected)
    assert peak(logits.reshape(side, side) - 3) == pytest.approx(expected - 3)


def test_total_evidence_is_the_log_of_the_mean_softplus() -> None:
    """It equals its definition, and rises with each place's logit."""
    logits = np.array([[-2.0, 0.0], [1.0, 3.0]], np.float32)
    mean = sum(math.log1p(math.exp(logit)) for logit in logits.ravel().tolist()) / 4
    assert total_evidence(logits) == pytest.approx(math.log(mean + 0.001), rel=1e-5)
    assert total_evidence(logits) < total_evidence(logits + np.eye(2, dtype=np.float32)[1])


def test_evidence_of_a_silent_map_ends_at_the_floor() -> None:
    """A head that finds nothing anywhere says log 0.001, however sure it is of it."""
    assert total_evidence(np.full((16, 16), -50.0, np.float32)) == pytest.approx(math.log(1e-3), rel=1e-6)


@pytest.mark.parametrize("logit", [-1e4, -50.0, 50.0, 1e4])
def test_total_evidence_of_extremes_is_finite(logit: float) -> None:
    """A head that is as sure as numbers allow gives a number, not an overflow."""
    assert math.isfinite(total_evidence(np.full((16, 16), logit, np.float32)))
