"""The head rebuilt from plain operators says what Keras says, at each size of its input."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sranogan.head.network import build_head
from keras_sranogan.settings import HeadSettings
from sranogan_edge.scoring.head import CHANNELS, OUTPUTS
from sranogan_export.rebuild.taps import Plain
from sranogan_export.rebuild.unrolled_stages import Stages, UnrolledHead


@pytest.mark.parametrize("side", [16, 64, 128])
def test_equals_keras(side: int) -> None:
    """Its outputs are those of the network that it was made from, its normalisation folded in."""
    keras.utils.set_random_seed(0)
    head = build_head(side, HeadSettings(width=8))
    images = np.random.default_rng(0).normal(size=(4, side, side, CHANNELS)).astype(np.float32)
    for _ in range(20):
        head(images, training=True)  # so that the normalisation has something to fold
    said = head(images, training=False)
    found = Stages(None, None, None, UnrolledHead(head)).see(tf.constant(images), Plain())  # type: ignore[arg-type]  # the head alone is asked
    assert set(found) == set(OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], said[name], atol=1e-4, err_msg=name)
