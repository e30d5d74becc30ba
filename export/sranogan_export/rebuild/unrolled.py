"""The networks of the search rebuilt from plain operators, forward and backward, folded."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.anogan.discriminator import LEAKY_SLOPE
from keras_sranogan.layers import folded
from sranogan_export.rebuild.taps import IMAGE_RANGE, FakeQuantised, Tap, opened

Weights = NDArray[np.float32]
LEVELS = 255
UNIT = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Convolution:
    """A stride-1, same-padded convolution and its transpose."""

    name: str
    kernel: Weights  # (k, k, in, out)
    bias: Weights  # (out,)

    def forward(self, x: tf.Tensor, tap: Tap) -> tf.Tensor:
        """Return the convolution of x (N, H, W, C), stride 1, same padding, with its bias."""
        kernel = tap.weights(self.kernel, per_channel=True)
        return tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), self.bias)

    def backward(self, gradient: tf.Tensor, tap: Tap, at: str) -> tf.Tensor:
        """Return the gradient with respect to the input."""
        flipped = np.ascontiguousarray(self.kernel[::-1, ::-1].transpose(0, 1, 3, 2))
        back = tf.nn.conv2d(gradient, tap.weights(flipped, per_channel=True), 1, "SAME")
        return tap.activation(f"{at}/{self.name}/gradient", back)


def convolution_of(model: keras.Model, name: str, norm: str | None = None) -> Convolution:
    """Read a convolution layer, with the batch normalisation after it (if any) folded in."""
    return Convolution(f"{model.name}/{name}", *folded(model, name, norm))


def _numbered(model: keras.Model, prefix: str) -> list[str]:
    names = [layer.name for layer in model.layers if layer.name.startswith(prefix)]
    return [name for name in names if not name.endswith("_norm")]


def positive(activation: tf.Tensor, name: str, tap: Tap, at: str) -> tf.Tensor:
    """Return 1 where ``activation`` is above zero, else 0.

    On integers that is one product that saturates: the smallest level above zero, in the range that the
    tap ``name`` has, becomes 1, and every higher one too. SIGN itself has no integer kernel.
    """
    if not isinstance(tap, FakeQuantised):
        return tap.activation(f"{at}/mask", tf.nn.relu(tf.sign(activation)), UNIT)
    low, high = opened(tap.ranges[name])
    steep = activation * (LEVELS / (high - low))
    return tap.activation(f"{at}/mask", tf.nn.relu(steep), UNIT)  # fused; a symmetric UNIT goes below zero


class UnrolledEncoder:
    """E."""

    def __init__(self, encoder: keras.Model) -> None:
        """Take over the weights of ``keras_sranogan.anogan.encoder``."""
        self.downs = [convolution_of(encoder, name, f"{name}_norm") for name in _numbered(encoder, "down_")]
        to_z = encoder.get_layer("z")
        self.matrix, self.bias = to_z.kernel.numpy(), to_z.bias.numpy()

    def forward(self, x: tf.Tensor, tap: Tap) -> tf.Tensor:
        """Return z ``(B, latent_dim)``."""
        for down in self.downs:
            x = tap.activation(down.name, tf.nn.relu(down.forward(tf.nn.space_to_depth(x, 2), tap)))
        flat = tf.reshape(x, (-1, self.matrix.shape[0]))
        z = tf.matmul(flat, tap.weights(self.matrix, per_channel=False)) + self.bias
        return tap.activation("encoder/z", z)


class UnrolledGenerator:
    """G with its backward pass."""

    def __init__(self, generator: keras.Model) -> None:
        """Take over the weights of ``keras_sranogan.anogan.generator``."""
        project = generator.get_layer("project")
        self.matrix, self.bias = project.kernel.numpy(), project.bias.numpy()
        self.transposed = np.ascontiguousarray(self.matrix.T)
        self.ups = [convolution_of(generator, name, f"{name}_norm") for name in _numbered(generator, "up_")]
        self.to_image = convolution_of(generator, "to_image")
        channels = self.ups[0].kernel.shape[2]
        side = int(np.sqrt(self.matrix.shape[1] // channels))
        self.start = (-1, side, side, channels)

    def forward(self, z: tf.Tensor, tap: Tap, at: str) -> list[tf.Tensor]:
        """Return every activation as it enters the next layer, the image last."""
        z = tap.activation(f"{at}/z", z)
        h = tf.nn.relu(tf.matmul(z, tap.weights(self.matrix, per_channel=False)) + self.bias)
        activations = [tf.reshape(tap.activation(f"{at}/project", h), self.start)]
        for up in self.ups:
            h = tap.activation(f"{at}/{up.name}", tf.nn.relu(up.forward(activations[-1], tap)))
            activations.append(tf.nn.depth_to_space(h, 2))
        logit = tap.activation(f"{at}/logit", self.to_image.forward(activations[-1], tap))
        activations.append(tap.activation(f"{at}/image", tf.sigmoid(logit), IMAGE_RANGE))
        return activations

    def backward(self, activations: list[tf.Tensor], gradient: tf.Tensor, tap: Tap, at: str) -> tf.Tensor:
        """Return d loss / d z ``(B, latent_dim)`` from d loss / d image."""
        image = activations[-1]
        dark = tap.activation(f"{at}/dark", 1.0 - image, UNIT)
        slope = tap.activation(f"{at}/slope", image * dark, (0.0, 0.25))
        gradient = tap.activation(f"{at}/logit/gradient", gradient * slope)
        gradient = self.to_image.backward(gradient, tap, at)
        for up, activation in zip(reversed(self.ups), reversed(activations[1:-1]), strict=True):
            gradient = self._masked(gradient, activation, tap, f"{at}/{up.name}")
            gradient = up.backward(tf.nn.space_to_depth(gradient, 2), tap, at)
        masked = self._masked(gradient, activations[0], tap, f"{at}/project")
        flat = tf.reshape(masked, (-1, self.matrix.shape[1]))
        to_z = tf.matmul(flat, tap.weights(self.transposed, per_channel=False))
        return tap.activation(f"{at}/z/gradient", to_z)

    @staticmethod
    def _masked(gradient: tf.Tensor, activation: tf.Tensor, tap: Tap, at: str) -> tf.Tensor:
        return tap.activation(f"{at}/masked", gradient * positive(activation, at, tap, at))


class UnrolledFeatures:
    """f, the discriminator up to its feature layer, with its backward pass."""

    def __init__(self, features: keras.Model) -> None:
        """Take over the weights of ``feature_extractor(discriminator, block)``."""
        self.downs = [convolution_of(features, name) for name in _numbered(features, "down_")]

    def forward(self, image: tf.Tensor, tap: Tap, at: str) -> list[tf.Tensor]:
        """Return every block's activation, f last."""
        activations = []
        for down in self.downs:
            linear = tap.activation(f"{at}/{down.name}", down.forward(tf.nn.space_to_depth(image, 2), tap))
            image = tap.activation(f"{at}/{down.name}/leaky", tf.nn.leaky_relu(linear, LEAKY_SLOPE))
            activations.append(image)
        return activations

    def backward(self, activations: list[tf.Tensor], gradient: tf.Tensor, tap: Tap, at: str) -> tf.Tensor:
        """Return d loss / d image from d loss / d f."""
        for down, activation in zip(reversed(self.downs), reversed(activations), strict=True):
            name = f"{at}/{down.name}"
            steep = positive(activation, f"{name}/leaky", tap, name)
            rest = tap.activation(f"{name}/steep", (1.0 - LEAKY_SLOPE) * steep, UNIT)
            slope = tap.activation(f"{name}/slope", rest + LEAKY_SLOPE, UNIT)
            gradient = tap.activation(f"{name}/masked", gradient * slope)
            gradient = tf.nn.depth_to_space(down.backward(gradient, tap, at), 2)
        return gradient


class UnrolledCorrector:
    """R of the learned search."""

    def __init__(self, corrector: keras.Model) -> None:
        """Take over the weights of ``keras_sranogan.anogan.corrector``."""
        trunk = corrector.get_layer("trunk")
        self.downs = [convolution_of(trunk, name) for name in _numbered(trunk, "down_")]
        self.matrix = corrector.get_layer("step").kernel.numpy()

    def look(self, image: tf.Tensor, tap: Tap, at: str) -> tf.Tensor:
        """Return t(image) ``(B, h, w, C)``."""
        for down in self.downs:
            linear = down.forward(tf.nn.space_to_depth(image, 2), tap)
            image = tap.activation(f"{at}/{down.name}", tf.nn.relu(linear))
        return image

    def step(self, t_x: tf.Tensor, t_generated: tf.Tensor, tap: Tap, at: str) -> tf.Tensor:
        """Return dz ``(B, latent_dim)`` from t(x) and t(G(z))."""
        apart = tap.activation(f"{at}/apart", t_x - t_generated)
        flat = tf.reshape(apart, (-1, self.matrix.shape[0]))
        step = tf.matmul(flat, tap.weights(self.matrix, per_channel=False))
        return tap.activation(f"{at}/dz", step)

    def forward(self, x: tf.Tensor, generated: tf.Tensor, tap: Tap, at: str) -> tf.Tensor:
        """Return dz ``(B, latent_dim)`` from x and G(z), both ``(B, S, S, 1)``."""
        return self.step(self.look(x, tap, f"{at}/target"), self.look(generated, tap, at), tap, at)
