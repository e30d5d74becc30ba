"""The reference latent search, in Keras: exactly the paper's loss, batched, any number of steps.

Three kinds begin at z: ``gradient`` follows the loss's gradient, ``learned`` adds R(x, G(z)) each step, and
``encoder`` stays where E puts it.

The device runs the same arithmetic as one fixed graph (``sranogan_export.rebuild.search_graph``), which is
tested against this file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_sranogan.anogan.loss import search_loss
from keras_sranogan.backend.graph import compiled, inference, slope
from keras_sranogan.backend.random import Tensor
from keras_sranogan.settings import SearchSettings
from sranogan_edge.errors import RunError

ADAM_BETA_1 = 0.9
ADAM_BETA_2 = 0.999
ADAM_EPSILON = 1e-7
MOMENTUM = 0.9


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search of N images found.

    Attributes:
        z: ``(N, latent_dim)`` float32, where the search ended.
        generated: g(x) = G(z), ``(N, S, S, 1)`` float32 in [0, 1].
        loss: ``(N,)`` float32, the paper's loss at ``z``: plain AnoGAN's anomaly score.
        start_loss: ``(N,)`` float32, the same at the first z of the chosen restart.
    """

    z: NDArray[np.float32]
    generated: NDArray[np.float32]
    loss: NDArray[np.float32]
    start_loss: NDArray[np.float32]


class LatentSearch:
    """Searches z for images; build once, call for any number of images."""

    def __init__(
        self,
        generator: keras.Model,
        features: keras.Model,
        encoder: keras.Model,
        settings: SearchSettings,
        corrector: keras.Model | None = None,
    ) -> None:
        """Prepare a search; only the learned kind needs ``corrector`` (RunError without)."""
        self.generator, self.features, self.encoder, self.settings = generator, features, encoder, settings
        self.corrector = trained(corrector) if settings.kind == "learned" else None
        read = [one for one in (generator, features, encoder, self.corrector) if one is not None]
        self._run = compiled(self._search, *read)

    def __call__(self, x_low: NDArray[np.float32], *, batch: int = 64, seed: int = 0) -> SearchResult:
        """Search all images of ``x_low`` ``(N, S, S, 1)`` in [0, 1]; of several restarts the best is kept.

        A random start is a function of the image and the ``seed``: neither ``batch`` nor the images beside
        it change it.
        """
        found = [self._search_batch(x_low[i : i + batch], seed) for i in range(0, len(x_low), batch)]
        return SearchResult(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def _search_batch(self, x: NDArray[np.float32], seed: int) -> tuple[NDArray[np.float32], ...]:
        images = ops.convert_to_tensor(x)
        runs = [self._run(images, self._start(x, seed, r)) for r in range(self.settings.restarts)]
        stacked = [np.stack([np.asarray(run[k]) for run in runs]) for k in range(4)]
        z, generated, loss, start_loss = stacked
        best = loss.argmin(axis=0)
        rows = np.arange(len(x))
        return z[best, rows], generated[best, rows], loss[best, rows], start_loss[best, rows]

    def _start(self, x: NDArray[np.float32], seed: int, restart: int) -> Tensor:
        if self.settings.start == "encoder":
            return inference(self.encoder)(ops.convert_to_tensor(x))
        size = int(self.encoder.output_shape[-1])
        return ops.convert_to_tensor(np.stack([random_start(image, size, seed, restart) for image in x]))

    def _search(self, x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        f_x = self.features(x, training=False)
        start_loss = self._loss(x, f_x, z)[0]
        z = self._descend(x, f_x, z) if self.corrector is None else self._correct(x, z, self.corrector)
        loss, generated = self._loss(x, f_x, z)
        return z, generated, loss, start_loss

    def _correct(self, x: Tensor, z: Tensor, corrector: keras.Model) -> Tensor:
        def step(number: Tensor, z: Tensor) -> tuple[Tensor, ...]:
            return number + 1, z + corrector([x, self.generator(z, training=False)], training=False)

        return self._repeated(step, z)

    def _descend(self, x: Tensor, f_x: Tensor, z: Tensor) -> Tensor:
        settings = self.settings

        def step(number: Tensor, z: Tensor, mean: Tensor, square: Tensor) -> tuple[Tensor, ...]:
            gradient = slope(lambda z: ops.sum(self._loss(x, f_x, z)[0]), z)
            if settings.optimiser == "adam":
                moved = adam_step(z, mean, square, gradient, ops.cast(number, "float32"), settings)
                return number + 1, *moved
            return number + 1, *momentum_step(z, mean, gradient, settings), square

        return self._repeated(step, z, ops.zeros_like(z), ops.zeros_like(z))

    def _repeated(self, step: Callable[..., tuple[Tensor, ...]], *start: Tensor) -> Tensor:
        """Take the settings' number of steps, from 1 on; return what becomes of the first of ``start``."""
        steps = self.settings.steps
        return ops.while_loop(lambda number, *_: number <= steps, step, (ops.convert_to_tensor(1), *start))[1]

    def _loss(self, x: Tensor, f_x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        generated = self.generator(z, training=False)
        f_generated = self.features(generated, training=False)
        return search_loss(x, generated, f_x, f_generated, self.settings.feature_weight), generated


def random_start(image: NDArray[np.float32], size: int, seed: int, restart: int = 0) -> NDArray[np.float32]:
    """Return ``(size,)`` float32 ~ N(0, 1), drawn by (seed, restart, what the image shows in 8 bits)."""
    shown = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    words = np.frombuffer(hashlib.sha256(shown.tobytes()).digest(), np.uint32)
    return np.random.default_rng((seed, restart, *words)).standard_normal(size, np.float32)


def trained(corrector: keras.Model | None) -> keras.Model:
    """Return R; raises RunError where the run has none yet."""
    if corrector is None:
        raise RunError(
            "the run has no corrector, which the learned search needs. Train it by repeating the run's "
            "sranogan-train command with --resume, or search with --search gradient."
        )
    return corrector


def adam_step(
    z: Tensor,
    mean: Tensor,
    square: Tensor,
    gradient: Tensor,
    step: Tensor,
    settings: SearchSettings,
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of Adam (Kingma & Ba 2015, algorithm 1), all ``(B, latent_dim)``; ``step`` counts from 1."""
    mean = ADAM_BETA_1 * mean + (1.0 - ADAM_BETA_1) * gradient
    square = ADAM_BETA_2 * square + (1.0 - ADAM_BETA_2) * ops.square(gradient)
    mean_hat = mean / (1.0 - ADAM_BETA_1**step)
    square_hat = square / (1.0 - ADAM_BETA_2**step)
    return z - settings.learning_rate * mean_hat / (ops.sqrt(square_hat) + ADAM_EPSILON), mean, square


def momentum_step(
    z: Tensor, velocity: Tensor, gradient: Tensor, settings: SearchSettings
) -> tuple[Tensor, Tensor]:
    """One step of momentum on the gradient scaled to unit RMS per image. All shapes ``(B, latent_dim)``."""
    rms = ops.sqrt(ops.mean(ops.square(gradient), axis=1, keepdims=True))
    velocity = MOMENTUM * velocity - settings.learning_rate * gradient / (rms + ADAM_EPSILON)
    return z + velocity, velocity
