from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keras_sranogan.detector.jitter import jitter_frame
from sranogan_edge.frame import Frame, Photometric, Window
from sranogan_edge.preprocess import PreprocessSpec, preprocess


def frame(bits: int, *shape: int) -> Frame:
    """A smooth picture with some texture, dark at its left."""
    dtype = np.uint8 if bits <= 8 else np.uint16
    ramp = np.linspace(0.1, 0.8, shape[1])[None, :] * np.ones((shape[0], 1))
    picture = ramp + np.random.default_rng(0).uniform(0, 0.1, shape[:2])
    pixels = np.rint(picture * (2**bits - 1)).astype(dtype)
    if len(shape) == 3:
        return Frame(np.repeat(pixels[..., None], 3, axis=2), bits, Photometric.RGB)
    return Frame(pixels, bits, Photometric.MONOCHROME2)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40, 3)])
@pytest.mark.parametrize("bits", [8, 12])
def test_keeps_the_form(bits: int, shape: tuple[int, ...]) -> None:
    """Shape and photometric stay, pixels come in full 16 bits, and the picture never becomes constant."""
    plain = frame(bits, *shape)
    for seed in range(10):
        found = jitter_frame(plain, np.random.default_rng(seed))
        assert (found.pixels.shape, found.pixels.dtype.name, found.bit_depth) == (shape, "uint16", 16)
        assert found.photometric is plain.photometric
        assert float(found.pixels.max()) - float(found.pixels.min()) > 0.2 * 65535


def test_is_a_function_of_the_generator() -> None:
    """The same generator gives the same copy, another one another, and both differ from the image."""
    plain = frame(8, 48, 48)
    first, again, other = (jitter_frame(plain, np.random.default_rng(seed)).pixels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).max() > 1000
    assert np.abs(first / 65535 - plain.pixels / 255).max() > 0.02


def test_a_window_still_shows_the_same() -> None:
    """A window is carried over to the new scale of values: what was black or white still is."""
    plain = frame(12, 48, 48)
    windowed = replace(plain, window=Window(center=2048, width=1024))
    spec = PreprocessSpec(size=48, contrast="none")
    for seed in range(5):
        found = jitter_frame(windowed, np.random.default_rng(seed))
        free = jitter_frame(plain, np.random.default_rng(seed)).pixels / 65535
        low, high = 2048 - 0.5 - 511.5, 2048 - 0.5 + 511.5
        expected = np.clip((free * 4095 - low) / (high - low), 0, 1)
        np.testing.assert_allclose(preprocess(found, spec)[..., 0], expected, atol=1e-3)
