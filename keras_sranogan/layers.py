"""The two rearranging layers that every network here resamples with; convolutions with their norm folded in.

Pixel shuffle instead of strided or transposed convolution, on purpose: both are single TFLite
builtins that stay inside one int8 partition, and each is the other's gradient, so the backward pass
of the latent search needs no operator that a device does not have.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_sranogan.backend.random import Tensor


@keras.saving.register_keras_serializable(package="keras_sranogan")
class DepthToSpace(keras.layers.Layer):
    """``(B, H, W, 4C)`` to ``(B, 2H, 2W, C)`` (Shi et al. 2016, sub-pixel convolution)."""

    def call(self, x: Tensor) -> Tensor:
        """Rearrange channels into 2x2 blocks of pixels."""
        return ops.depth_to_space(x, 2, data_format="channels_last")

    def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Shape of :meth:`call`'s result."""
        return (shape[0], shape[1] * 2, shape[2] * 2, shape[3] // 4)


@keras.saving.register_keras_serializable(package="keras_sranogan")
class SpaceToDepth(keras.layers.Layer):
    """``(B, 2H, 2W, C)`` to ``(B, H, W, 4C)``: downsampling that loses nothing."""

    def call(self, x: Tensor) -> Tensor:
        """Rearrange 2x2 blocks of pixels into channels."""
        return ops.space_to_depth(x, 2, data_format="channels_last")

    def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Shape of :meth:`call`'s result."""
        return (shape[0], shape[1] // 2, shape[2] // 2, shape[3] * 4)


def folded(model: keras.Model, name: str, norm: str | None = None) -> list[NDArray[np.float32]]:
    """Return kernel ``(k, k, in, out)`` and bias ``(out,)`` of a convolution of ``model``.

    The batch normalisation after it, the layer ``norm`` (if any), is folded in, as inference has it.
    """
    layer = model.get_layer(name)
    layer = getattr(layer, "layer", layer)  # inside SpectralNormalization, whose kernel is kept normalised
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    if norm is not None:
        batch_norm = model.get_layer(norm)
        gain = batch_norm.gamma.numpy() / np.sqrt(batch_norm.moving_variance.numpy() + batch_norm.epsilon)
        kernel = kernel * gain
        bias = (bias - batch_norm.moving_mean.numpy()) * gain + batch_norm.beta.numpy()
    return [kernel, bias]
