"""Where graphs are rounded: plain, calibrating and fake-quantised taps."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sranogan_export.rebuild.taps import IMAGE_RANGE, Calibrating, FakeQuantised, Plain, around_zero

X = tf.constant([[-0.5, 0.0, 0.3, 2.0]])


def test_plain_changes_nothing() -> None:
    """Without quantisation tensors and kernels pass untouched."""
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert Plain().activation("a", X, (0.0, 1.0)) is X
    np.testing.assert_array_equal(Plain().weights(kernel, per_channel=True), kernel)


def test_calibrating_notes_the_widest_range() -> None:
    """Ranges grow over images, hold zero, and give way to limits that are known beforehand."""
    seen = Calibrating()
    for x in (X, X - 1.0, X + 1.0):
        assert seen.activation("grows", x) is x
    seen.activation("positive", X + 5.0)
    seen.activation("negative", X - 5.0)
    seen.activation("known", X, IMAGE_RANGE)
    assert seen.ranges["grows"] == (-1.5, 3.0)
    assert seen.ranges["positive"] == (0.0, 7.0)
    assert seen.ranges["negative"] == (-5.5, 0.0)
    assert seen.ranges["known"] == IMAGE_RANGE


def test_symmetric_ranges_have_zero_in_the_middle() -> None:
    """Each range holds what was seen, and int8's step 0 means 0: 128 levels below it, 127 above."""
    seen = Calibrating(symmetric=True)
    for name, x in {"both": X, "positive": X + 5.0, "negative": X - 5.0, "dead": X * 0.0}.items():
        seen.activation(name, x)
    seen.activation("known", X, IMAGE_RANGE)
    for name, (low, high) in seen.ranges.items():
        assert low / high == pytest.approx(-128 / 127), name
    assert seen.ranges["both"][1] == 2.0
    assert seen.ranges["positive"][1] == 7.0
    assert seen.ranges["negative"][0] == pytest.approx(-5.5)
    assert seen.ranges["known"][1] == IMAGE_RANGE[1]
    assert around_zero((-1.0, 0.25))[0] == pytest.approx(-1.0)


def test_fake_quantised_has_256_levels() -> None:
    """Rounded values lie on at most 256 levels, err by half a step inside, and are held at the ends."""
    tap = FakeQuantised({"a": (-1.0, 1.0)})
    x = np.linspace(-2, 2, 10_001, dtype=np.float32)
    found = tap.activation("a", tf.constant(x)).numpy()
    inside = np.abs(x) < 0.99
    assert len(np.unique(found)) == 256
    assert np.abs(found - x)[inside].max() <= 1.001 / 255
    assert (found.min(), found.max()) == pytest.approx((-1, 1), abs=1.1 / 255)
    assert tap.activation("a", tf.constant([0.0])).numpy()[0] == 0


def test_never_active_tensor_can_be_quantised() -> None:
    """A tensor that was zero on every calibration image gets a range, instead of a division by zero."""
    tap = FakeQuantised({"dead": (0.0, 0.0)})
    np.testing.assert_array_equal(tap.activation("dead", tf.zeros(3)), [0, 0, 0])


def test_uncalibrated_tensor_is_an_error() -> None:
    """A tensor whose range was never seen is not given an invented one."""
    with pytest.raises(KeyError, match="unseen"):
        FakeQuantised({}).activation("unseen", X)


def test_weights_are_rounded_per_channel() -> None:
    """Channels of very different size each keep 127 levels a side; rounded as one, the small would vanish."""
    kernel = (np.random.default_rng(0).normal(size=(3, 3, 4, 2)) * [1, 1e-3]).astype(np.float32)
    each = FakeQuantised({}).weights(kernel, per_channel=True).numpy()
    whole = FakeQuantised({}).weights(kernel, per_channel=False).numpy()
    largest = np.abs(kernel).max(axis=(0, 1, 2))
    assert (np.abs(each - kernel).max(axis=(0, 1, 2)) <= 0.51 * largest / 127).all()
    assert np.abs(whole - kernel)[..., 1].max() > 0.1 * largest[1]


@pytest.mark.parametrize("per_channel", [True, False])
def test_kernel_of_zeros(per_channel: bool) -> None:
    """A pruned or dead channel stays zero, without NaN."""
    kernel = np.zeros((1, 1, 2, 3), np.float32)
    np.testing.assert_array_equal(FakeQuantised({}).weights(kernel, per_channel=per_channel), kernel)
