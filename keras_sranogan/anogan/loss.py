"""The losses of stage 1: adversarial (logistic, with R1), the paper's search loss, and the encoder's."""

from __future__ import annotations

import keras
from keras import ops

from keras_sranogan.backend.graph import slope
from keras_sranogan.backend.random import Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Logistic loss of D (Goodfellow et al. 2014, equation 1); scalar."""
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Non-saturating loss of G, -log D(G(z)); scalar."""
    return ops.mean(ops.softplus(-fake_logits))


def gradient_penalty(discriminator: keras.Model, real: Tensor) -> Tensor:
    """R1: mean squared norm of D's gradient at images ``(B, S, S, 1)`` (Mescheder et al. 2018); scalar."""
    gradient = slope(lambda images: ops.sum(discriminator(images, training=True)), real)
    return ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3)))


def search_loss(
    x: Tensor, generated: Tensor, f_x: Tensor, f_generated: Tensor, feature_weight: float
) -> Tensor:
    """Return ``(B,)``: (1-lambda) * sum|x - G(z)| + lambda * sum|f(x) - f(G(z))| (AnoGAN, equation 4).

    Args:
        x: ``(B, S, S, 1)`` in [0, 1], the image searched for.
        generated: G(z), the same shape.
        f_x: discriminator features of ``x``, ``(B, h, w, C)``.
        f_generated: discriminator features of ``generated``.
        feature_weight: lambda, in [0, 1]; 0.1 in the paper.
    """
    residual = ops.sum(ops.abs(x - generated), axis=(1, 2, 3))
    feature = ops.sum(ops.abs(f_x - f_generated), axis=(1, 2, 3))
    return (1.0 - feature_weight) * residual + feature_weight * feature


def encoder_loss(
    x: Tensor, generated: Tensor, f_x: Tensor, f_generated: Tensor, feature_weight: float
) -> Tensor:
    """Scalar izi_f loss: MSE of images + kappa * MSE of features (f-AnoGAN, equation 3)."""
    return ops.mean(ops.square(x - generated)) + feature_weight * ops.mean(ops.square(f_x - f_generated))
