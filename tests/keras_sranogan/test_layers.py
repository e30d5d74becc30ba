from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.layers import DepthToSpace, SpaceToDepth


def test_each_undoes_the_other() -> None:
    """Depth-to-space after space-to-depth gives every pixel back in its place."""
    x = np.random.default_rng(0).random((2, 8, 6, 3), np.float32)
    apart = SpaceToDepth()(x)
    assert apart.shape == (2, 4, 3, 12)
    np.testing.assert_array_equal(DepthToSpace()(apart), x)


@pytest.mark.parametrize(("layer", "shape"), [(DepthToSpace(), (1, 4, 6, 8)), (SpaceToDepth(), (1, 4, 6, 2))])
def test_stated_shape_is_the_real_one(layer: DepthToSpace | SpaceToDepth, shape: tuple[int, ...]) -> None:
    """The shape that a layer announces to Keras is the one that it returns."""
    assert layer.compute_output_shape(shape) == tuple(layer(np.zeros(shape, np.float32)).shape)
