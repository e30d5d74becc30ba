"""The latent search as one graph of fixed length: encoder, then K unrolled steps of one of three kinds.

- ``encoder`` takes no step.
- ``learned`` adds R(x, G(z)) to z in each step: forward operators alone, int8 from end to end.
- ``gradient`` follows the gradient of the paper's loss. TensorFlow's own gradients do not convert (ReluGrad
  and others are not TFLite builtins), so the backward pass is written out here in forward operators:

  - the gradient of a stride-1 convolution is a convolution with the kernel turned by 180 degrees and
    its channels swapped;
  - depth-to-space and space-to-depth are each other's gradient;
  - the gradient of ReLU is a product with its mask, of L1 it is a sign: on integers both are products and
    differences that saturate, so they need no SIGN, which has no integer kernel.

  All of that is int8. z and the optimiser's state stay float32, one island of elementwise operators a step:
  they are 128 numbers, and rounding them would stop the search.

All compute the same numbers as ``keras_sranogan.anogan.latent_search``, which a test holds them to.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_sranogan.anogan.latent_search import ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON, MOMENTUM, trained
from keras_sranogan.networks import Networks
from keras_sranogan.settings import SearchSettings
from sranogan_edge.errors import SettingsError
from sranogan_export.rebuild.taps import IMAGE_RANGE, FakeQuantised, Plain, Tap, around_zero, opened
from sranogan_export.rebuild.unrolled import (
    LEVELS,
    UnrolledCorrector,
    UnrolledEncoder,
    UnrolledFeatures,
    UnrolledGenerator,
)

MAX_STEPS = 64
SIGNS = (-1.0, 1.0)


def check_search(search: SearchSettings) -> None:
    """Raise SettingsError unless ``search`` can be a fixed graph: from the encoder's start, not too long."""
    if search.start != "encoder":
        raise SettingsError(
            f"a device searches from the encoder's start; this run has start={search.start}, which gives "
            "another answer each time, and cannot be exported. Train with --preset standard."
        )
    if not 0 <= search.steps <= MAX_STEPS:
        raise SettingsError(
            f"a device searches in 0 to {MAX_STEPS} steps; received {search.steps}. Name fewer with --steps."
        )


class SearchGraph:
    """x ``(B, S, S, 1)`` to g(x), the same shape, in exactly ``search.steps`` steps."""

    def __init__(self, networks: Networks, search: SearchSettings) -> None:
        """Read the networks' weights.

        Raises:
            SettingsError: the search cannot be a fixed graph (random start, or too many steps).
            RunError: a learned search of a run that has no corrector.
        """
        check_search(search)
        self.search = search
        self.encoder = UnrolledEncoder(networks.encoder)
        self.generator = UnrolledGenerator(networks.generator)
        gradient, learned = search.kind == "gradient", search.kind == "learned"
        self.features = UnrolledFeatures(networks.features) if gradient else None
        self.corrector = UnrolledCorrector(trained(networks.corrector)) if learned else None
        self.size = int(networks.encoder.input_shape[1])

    def __call__(self, x: tf.Tensor, tap: Tap | None = None) -> dict[str, tf.Tensor]:
        """Search; ``tap`` decides what is int8."""
        tap = tap or Plain()
        x = tap.activation("x", x, IMAGE_RANGE)
        z = self.encoder.forward(x, tap)
        if self.search.steps:
            z = self._descended(x, z, tap) if self.corrector is None else self._corrected(x, z, tap)
        return {"generated": self.generator.forward(z, tap, "end")[-1]}

    def _corrected(self, x: tf.Tensor, z: tf.Tensor, tap: Tap) -> tf.Tensor:
        corrector = self.corrector
        assert corrector is not None
        t_x = corrector.look(x, tap, "target")
        for step in range(1, self.search.steps + 1):
            at = f"step_{step}"
            t_image = corrector.look(self.generator.forward(z, tap, at)[-1], tap, at)
            z = tap.activation(f"{at}/corrected", z + corrector.step(t_x, t_image, tap, at))
        return z

    def _descended(self, x: tf.Tensor, z: tf.Tensor, tap: Tap) -> tf.Tensor:
        f_x = None
        if self.features is not None and self.search.feature_weight > 0:
            f_x = self.features.forward(x, tap, "target")[-1]
        mean = square = tf.zeros_like(z)
        for step in range(1, self.search.steps + 1):
            gradient = self.gradient(x, f_x, z, tap, f"step_{step}")
            z, mean, square = self._update(z, mean, square, gradient, step)
        return z

    def gradient(self, x: tf.Tensor, f_x: tf.Tensor | None, z: tf.Tensor, tap: Tap, at: str) -> tf.Tensor:
        """Return the gradient of the paper's loss with respect to z; ``at`` names the step in the taps."""
        weight = self.search.feature_weight
        activations = self.generator.forward(z, tap, at)
        image = activations[-1]
        slope = (1.0 - weight) * sign(image - x, "x", tap, f"{at}/sign")
        slope = tap.activation(f"{at}/residual", slope)
        if f_x is not None and self.features is not None:
            f_image = self.features.forward(image, tap, at)
            apart = sign(f_image[-1] - f_x, f"{at}/{self.features.downs[-1].name}/leaky", tap, f"{at}/f_sign")
            towards = tap.activation(f"{at}/f_slope", weight * apart)
            feature = self.features.backward(f_image, towards, tap, at)
            slope = tap.activation(f"{at}/both", slope + feature)
        return self.generator.backward(activations, slope, tap, at)

    def _update(
        self, z: tf.Tensor, mean: tf.Tensor, square: tf.Tensor, gradient: tf.Tensor, step: int
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        rate = self.search.learning_rate
        if self.search.optimiser == "momentum":
            rms = tf.sqrt(tf.reduce_mean(tf.square(gradient), axis=1, keepdims=True)) + ADAM_EPSILON
            mean = MOMENTUM * mean - rate * gradient / rms
            return z + mean, mean, square
        mean = ADAM_BETA_1 * mean + (1.0 - ADAM_BETA_1) * gradient
        square = ADAM_BETA_2 * square + (1.0 - ADAM_BETA_2) * tf.square(gradient)
        correction = float(np.sqrt(1.0 - ADAM_BETA_2**step))
        rate_now = rate * correction / (1.0 - ADAM_BETA_1**step)
        return z - rate_now * mean / (tf.sqrt(square) + ADAM_EPSILON * correction), mean, square


def sign(difference: tf.Tensor, name: str, tap: Tap, at: str) -> tf.Tensor:
    """Return -1, 0 or 1.

    On integers that is a subtraction that saturates at one level of its terms, in the range that the tap
    ``name`` has, and a product: neither leaves the integers, while SIGN has no integer kernel.
    """
    if not isinstance(tap, FakeQuantised):
        return tap.activation(at, tf.sign(difference), SIGNS)
    low, high = opened(tap.ranges[name])
    level = (high - low) / LEVELS
    ends = around_zero((-level, level)) if tap.symmetric else (-level, level)
    least = tf.quantization.fake_quant_with_min_max_args(difference, *ends, 8)
    return tap.activation(at, least / level, SIGNS)


__all__ = ["MAX_STEPS", "SearchGraph", "check_search"]
