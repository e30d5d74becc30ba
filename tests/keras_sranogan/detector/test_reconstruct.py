"""What training measures of an image is what the device measures: of the plain one, not the enhanced."""

from __future__ import annotations

import numpy as np

from keras_sranogan.detector.reconstruct import Reconstructor
from keras_sranogan.run import Run
from sranogan_edge.image.preprocess import enhance


def test_heat_is_of_the_plain_image(tiny_run: Run) -> None:
    """Brightness is (x - mean) / (spread + 0.03) of the image before its contrast is enhanced."""
    spec, rng = tiny_run.settings.preprocess, np.random.default_rng(0)
    ramp = np.linspace(0.1, 0.9, 32, dtype=np.float32)[None, None, :, None] ** 3
    plain = (ramp + 0.05 * rng.random((2, 32, 32, 1))).astype(np.float32)
    made = Reconstructor(tiny_run.networks(), tiny_run.settings.search, spec)(plain)
    for image, x, heat in zip(plain, made.x, made.heat, strict=True):
        np.testing.assert_array_equal(x, enhance(image, spec))
        brightness = ((image - image.mean()) / (image.std() + 0.03))[..., 0]  # a cell is a pixel here
        np.testing.assert_allclose(heat[1], brightness, atol=1e-4)
        assert np.abs(((x - x.mean()) / (x.std() + 0.03))[..., 0] - brightness).max() > 0.1
