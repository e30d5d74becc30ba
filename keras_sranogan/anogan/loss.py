"""The losses of stage 1: adversarial (logistic, with R1), the paper's search loss, and the encoder's."""

from __future__ import annotations

import keras
import tensorflow as tf


def discriminator_loss(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Logistic loss of D (Goodfellow et al. 2014, equation 1); scalar."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """Non-saturating loss of G, -log D(G(z)); scalar."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def gradient_penalty(discriminator: keras.Model, real: tf.Tensor) -> tf.Tensor:
    """R1: mean squared norm of D's gradient at images ``(B, S, S, 1)`` (Mescheder et al. 2018); scalar."""
    with tf.GradientTape() as tape:
        tape.watch(real)
        total = tf.reduce_sum(discriminator(real, training=True))
    return tf.reduce_mean(tf.reduce_sum(tf.square(tape.gradient(total, real)), axis=(1, 2, 3)))


def search_loss(
    x: tf.Tensor, generated: tf.Tensor, f_x: tf.Tensor, f_generated: tf.Tensor, feature_weight: float
) -> tf.Tensor:
    """Return ``(B,)``: (1-lambda) * sum|x - G(z)| + lambda * sum|f(x) - f(G(z))| (AnoGAN, equation 4).

    Args:
        x: ``(B, S, S, 1)`` in [0, 1], the image searched for.
        generated: G(z), the same shape.
        f_x: discriminator features of ``x``, ``(B, h, w, C)``.
        f_generated: discriminator features of ``generated``.
        feature_weight: lambda, in [0, 1]; 0.1 in the paper.
    """
    residual = tf.reduce_sum(tf.abs(x - generated), axis=(1, 2, 3))
    feature = tf.reduce_sum(tf.abs(f_x - f_generated), axis=(1, 2, 3))
    return (1.0 - feature_weight) * residual + feature_weight * feature


def encoder_loss(
    x: tf.Tensor, generated: tf.Tensor, f_x: tf.Tensor, f_generated: tf.Tensor, feature_weight: float
) -> tf.Tensor:
    """Scalar izi_f loss: MSE of images + kappa * MSE of features (f-AnoGAN, equation 3)."""
    return tf.reduce_mean(tf.square(x - generated)) + feature_weight * tf.reduce_mean(
        tf.square(f_x - f_generated)
    )
