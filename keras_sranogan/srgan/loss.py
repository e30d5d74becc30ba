"""Stage 3's losses: content, adversarial, and discriminator-feature matching."""

from __future__ import annotations

from keras import ops

from keras_sranogan.backend.random import Tensor


def content_loss(target: Tensor, made: Tensor) -> Tensor:
    """Mean absolute error of ``(B, S, S, 1)`` images in [0, 1]; scalar."""
    return ops.mean(ops.abs(target - made))


def adversarial_loss(made_logits: Tensor) -> Tensor:
    """Non-saturating loss of the generator, -log D (SRGAN, equation 6); scalar."""
    return ops.mean(ops.softplus(-made_logits))


def discriminator_loss(real_logits: Tensor, made_logits: Tensor) -> Tensor:
    """Logistic loss of D (SRGAN, equation 2); scalar."""
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(made_logits))


def feature_loss(real: Tensor, made: Tensor) -> Tensor:
    """Mean absolute difference of two feature maps of D, of any shape and precision; float32 scalar.

    Taken in float32: in bfloat16 a difference keeps two digits of what is left, and the other losses are
    float32.
    """
    return ops.mean(ops.abs(ops.cast(real, "float32") - ops.cast(made, "float32")))
