"""What is measured of images, part by part: features by place, residuals of a reconstruction, sharpness."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from keras_sranogan.detector.fit import fit_gaussian
from keras_sranogan.detector.normals import from_bytes
from keras_sranogan.settings import TrainSettings
from sranogan_edge.image.preprocess import downscale, enhance
from sranogan_edge.scoring.residual import DIFFERENCE_GRID as GRID
from sranogan_edge.scoring.residual import frequency_bands, log_energy, pool, standardise

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
MOST_ROWS = 100_000  # that a covariance of all places is fitted to
FARTHEST_SHARE = 0.05  # of the places
MOST_COMPONENTS = 16


class Places:
    """Distances of features at each place: a mean of its own, one covariance for all (after PaDiM).

    Where nothing says what lies where (tiles), one mean for all places is ``shared``.
    """

    def __init__(self, features: Array, shared: bool = False) -> None:
        """Fit to normals ``(N, h, w, C)``."""
        self.shared = shared
        self.center = features.mean(axis=(0, 1, 2) if shared else 0)
        rows = (features - self.center).reshape(-1, features.shape[-1])
        every = max(1, len(rows) // MOST_ROWS)
        self.gaussian = fit_gaussian(rows[::every])

    def __call__(self, features: Array) -> Array:
        """Return ``(N, h, w)``, about 1 for a normal."""
        white = (features - self.center - self.gaussian.center) @ self.gaussian.whitening
        return np.asarray(np.sqrt(np.square(white).mean(axis=-1)), np.float32)


def farthest(distances: Array) -> Array:
    """Return the mean of the largest of ``(N, h, w)``, ``(N, 1)``: the image's score of its places."""
    flat = np.sort(distances.reshape(len(distances), -1), axis=1)
    return flat[:, -max(1, round(FARTHEST_SHARE * flat.shape[1])) :].mean(axis=1, keepdims=True)


def laplacian(images: Bytes) -> Array:
    """Mean log Laplacian energy at 32 px, ``(N, 1)``: low in some sets' anomalies, high in others'."""
    small = [cv2.resize(one[..., 0], (32, 32), interpolation=cv2.INTER_AREA) for one in from_bytes(images)]
    energy = [np.log(np.square(cv2.Laplacian(one, cv2.CV_32F)) + 1e-6).mean() for one in small]
    return np.array(energy, np.float32)[:, None]


class PcaResidual:
    """What ``k`` principal components of normals leave of an image, at 64 px at most, contrast enhanced.

    It stands for the reconstruction, which takes an hour a set to train.
    """

    def __init__(self, fit: Bytes, settings: TrainSettings) -> None:
        """Fit to normals."""
        self.settings, self.side = settings, min(settings.search_size, fit.shape[1])
        most = min(MOST_COMPONENTS, len(fit) - 1)
        self.pca = PCA(most, svd_solver="randomized", random_state=0).fit(self.flat(fit))

    def flat(self, images: Bytes) -> Array:
        """Return what is reconstructed, ``(N, side * side)``."""
        spec = self.settings.preprocess
        small = [downscale(enhance(one, spec), self.side)[..., 0] for one in from_bytes(images)]
        return np.stack([standardise(one).ravel() for one in small])

    def __call__(self, flat: Array, k: int) -> tuple[Array, Array]:
        """Return what :func:`of_residual` does of what ``k`` components leave."""
        used = self.pca.components_[:k]
        centred = flat - self.pca.mean_
        left = centred - centred @ used.T @ used
        return of_residual(left.reshape(-1, self.side, self.side).astype(np.float32))


def of_residual(left: Array) -> tuple[Array, Array]:
    """Return log energies by band and cell ``(N, 64)`` of residuals; and these with their means by cell."""
    bands = np.stack([log_energy(frequency_bands(one)).ravel() for one in left])
    means = [(pool(one, GRID).ravel(), pool(np.abs(one), GRID).ravel()) for one in left]
    return bands, np.hstack([np.stack([np.concatenate(pair) for pair in means]), bands])
