"""Stages 1 to 3 in Keras, batched: the float reference of what the device's graphs compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.run import Networks
from keras_sranogan.settings import SearchSettings
from sranogan_edge.preprocess import downscale
from sranogan_edge.score import Residual, residual

Images = NDArray[np.float32]
BATCH = 32


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """What the stages made of N images, all float32.

    Attributes:
        x: ``(N, S, S, 1)`` in [0, 1].
        generated: g(x), ``(N, S/2, S/2, 1)``.
        refined: c(g(x)), the same shape.
        resolved: SR(c(g(x))), ``(N, S, S, 1)``.
        search_loss: ``(N,)``, the paper's loss at the end of the search.
        start_loss: ``(N,)``, at its start.
        residuals: N of them.
    """

    x: Images
    generated: Images
    refined: Images
    resolved: Images
    search_loss: NDArray[np.float32]
    start_loss: NDArray[np.float32]
    residuals: tuple[Residual, ...]

    def first(self, count: int) -> Reconstructions:
        """Return the first ``count`` of them."""
        return Reconstructions(*(getattr(self, f.name)[:count] for f in fields(self)))

    @property
    def features(self) -> NDArray[np.float32]:
        """``(N, D)`` residual features."""
        return np.stack([r.features for r in self.residuals])

    @property
    def heat(self) -> NDArray[np.float32]:
        """``(N, *HEAT_SHAPE)`` uncalibrated heat."""
        return np.stack([r.heat for r in self.residuals])


def downscale_all(x: Images, size: int) -> Images:
    """Apply the device's :func:`downscale` to every image."""
    return np.stack([downscale(image, size) for image in x])


def predict(model: Callable[..., object], x: Images, batch: int = BATCH) -> Images:
    """Run a Keras model over ``x`` in batches, inference mode, without a progress bar."""
    return np.concatenate(
        [np.asarray(model(x[i : i + batch], training=False)) for i in range(0, len(x), batch)]
    )


class Reconstructor:
    """Runs the stages over images."""

    def __init__(self, networks: Networks, search: SearchSettings) -> None:
        """Prepare the search; ``search`` may differ from the run's (other steps, another start)."""
        self.networks = networks
        self.search = LatentSearch(networks.generator, networks.features, networks.encoder, search)
        self._size = networks.encoder.input_shape[1]

    def __call__(self, x: Images, *, on_progress: Callable[[int], None] | None = None) -> Reconstructions:
        """Reconstruct ``x`` ``(N, S, S, 1)`` float32 in [0, 1]; ``on_progress`` gets the number finished."""
        parts = []
        for i in range(0, len(x), BATCH):
            parts.append(self._batch(x[i : i + BATCH]))
            if on_progress:
                on_progress(min(i + BATCH, len(x)))
        return _joined(parts)

    def _batch(self, x: Images) -> Reconstructions:
        found = self.search(downscale_all(x, self._size), batch=BATCH)
        refined = predict(self.networks.refiner, found.generated)
        resolved = predict(self.networks.resolver, refined)
        f_x, f_r = predict(self.networks.judge, x), predict(self.networks.judge, resolved)
        residuals = tuple(residual(*pair) for pair in zip(x, resolved, f_x, f_r, strict=True))
        return Reconstructions(x, found.generated, refined, resolved, found.loss, found.start_loss, residuals)


def _joined(parts: list[Reconstructions]) -> Reconstructions:
    """One after the other."""
    return Reconstructions(
        x=np.concatenate([part.x for part in parts]),
        generated=np.concatenate([part.generated for part in parts]),
        refined=np.concatenate([part.refined for part in parts]),
        resolved=np.concatenate([part.resolved for part in parts]),
        search_loss=np.concatenate([part.search_loss for part in parts]),
        start_loss=np.concatenate([part.start_loss for part in parts]),
        residuals=tuple(one for part in parts for one in part.residuals),
    )


def bicubic(low: Images) -> Images:
    """Enlarge ``(N, S, S, 1)`` twofold by bicubic interpolation: what super-resolution must beat."""
    side = 2 * low.shape[1]
    enlarged = [cv2.resize(image[..., 0], (side, side), interpolation=cv2.INTER_CUBIC) for image in low]
    return np.clip(np.stack(enlarged)[..., None], 0, 1).astype(np.float32)
