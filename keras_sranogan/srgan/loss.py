"""Stage 3's losses: content, adversarial, and discriminator-feature matching."""

from __future__ import annotations

import tensorflow as tf


def content_loss(target: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
    """Mean absolute error of ``(B, S, S, 1)`` images in [0, 1]; scalar."""
    return tf.reduce_mean(tf.abs(target - made))


def adversarial_loss(made_logits: tf.Tensor) -> tf.Tensor:
    """Non-saturating loss of the generator, -log D (SRGAN, equation 6); scalar."""
    return tf.reduce_mean(tf.nn.softplus(-made_logits))


def discriminator_loss(real_logits: tf.Tensor, made_logits: tf.Tensor) -> tf.Tensor:
    """Logistic loss of D (SRGAN, equation 2); scalar."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(made_logits))


def feature_loss(real: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference of two feature maps of D, of any shape and precision; float32 scalar.

    Taken in float32: in bfloat16 a difference keeps two digits of what is left, and the other losses are
    float32.
    """
    return tf.reduce_mean(tf.abs(tf.cast(real, tf.float32) - tf.cast(made, tf.float32)))
