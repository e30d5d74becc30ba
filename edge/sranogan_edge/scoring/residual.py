"""The detector's measurements: image and reconstruction to residual features.

NumPy and OpenCV only. Training fits its densities on the features made here and the device scores
with the same functions, so the two cannot drift.

Raw sum|x - x_hat| does not separate normal from abnormal radiographs (it measures exposure and
texture; it is what the abstract reports for AnoGAN). Everything here is therefore measured on
standardised images, band by band, and judged against the density of held-out normals.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


CONTRAST_FLOOR = 0.03  # standard deviation, in units of full scale, below which contrast is not amplified
BAND_SIGMAS_SHARE = (
    1 / 128,
    2 / 128,
    4 / 128,
    8 / 128,
)  # blurs between the frequency bands, shares of the side
BAND_GRID = 4  # band energies are pooled on this many cells a side
DIFFERENCE_GRID = 8  # cells a side that the difference itself is averaged over
BAND_FLOOR = 1e-5  # energy below which a band counts as empty, in units of the image's variance
FEATURE_FLOOR = 1e-6
HEAT_GRID = 32


@dataclass(frozen=True, eq=False)
class Residual:
    """What differs between an image and its reconstruction.

    Attributes:
        features: ``(FEATURES_WITH_IMAGE,)`` float32; a density is of all, or of the first ``FEATURES``.
        difference: ``(HEAT_GRID, HEAT_GRID)`` float32, mean absolute difference of the standardised images.
    """

    features: NDArray[np.float32]
    difference: NDArray[np.float32]


def pool(image: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Mean over a grid of ``cells`` x ``cells``; ``(S, S)`` or ``(S, S, C)`` to ``(cells, cells[, C])``."""
    side, channels = image.shape[0] // cells, image.shape[2:]
    rows = image.reshape(cells, side, image.shape[1], *channels).sum(
        axis=1
    )  # long rows first: NumPy's fast case
    return np.asarray(rows.reshape(cells, cells, side, *channels).sum(axis=2) / side**2, dtype=np.float32)


def gradient_magnitude(image: Image) -> Image:
    """Return ``(S, S)`` Sobel gradient magnitude, in full scales per pixel times eight."""
    across, down = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    # Not cv2.magnitude: its last bit depends on where the arrays lie in memory, so that scores would vary.
    return np.asarray(np.sqrt(across * across + down * down), dtype=np.float32)


def standardise(image: Image) -> Image:
    """Return ``image`` ``(S, S)`` with mean 0 and standard deviation 1: exposure and contrast are gone."""
    return np.asarray((image - image.mean()) / (image.std() + np.float32(CONTRAST_FLOOR)), dtype=np.float32)


def frequency_bands(image: Image) -> NDArray[np.float32]:
    """Split ``(S, S)`` into differences of Gaussians, finest first, ``(4, S, S)``; linear in the image."""
    bands, sharper = [], image
    for share in BAND_SIGMAS_SHARE:
        blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), share * image.shape[0]), dtype=np.float32)
        bands.append(sharper - blurred)
        sharper = blurred
    return np.stack(bands)


def log_energy(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log(1 + mean square / floor) per band and cell of 4 x 4; ``(4, S, S)`` to ``(4, 4, 4)``."""
    energy = pool((bands * bands).transpose(1, 2, 0), BAND_GRID)
    return np.asarray(np.log1p(energy / np.float32(BAND_FLOOR)).transpose(2, 0, 1), dtype=np.float32)


FIRST_FEATURES = 2 * len(BAND_SIGMAS_SHARE) * BAND_GRID**2 + 1  # of earlier versions' bundles: (a) to (c)
FEATURES = FIRST_FEATURES + 2 * DIFFERENCE_GRID**2  # (a) to (e), of the residual alone
FEATURES_WITH_IMAGE = FEATURES + len(BAND_SIGMAS_SHARE) * BAND_GRID**2 + 2 * DIFFERENCE_GRID**2


def residual(
    x: Image, reconstruction: Image, f_x: NDArray[np.float32], f_reconstruction: NDArray[np.float32]
) -> Residual:
    """Compare an image with its super-resolved reconstruction.

    Both are standardised and split into frequency bands. The features are, for each band and each of
    4x4 cells, (a) by how much the image has more energy than its reconstruction: detail that a normal
    image of this kind would have, and has not, or the other way round; (b) the energy of their
    difference: structure in other places; then (c) the energy of the difference of discriminator
    features. These are logarithms, so that they are near Gaussian. In each of 8x8 cells, (d) the mean
    difference, signed: brighter or darker than a normal is there, and (e) the mean absolute one. At last
    what the image itself is, whatever its reconstruction: (f) the energy of its bands, (g) its mean in each
    of 8x8 cells, and (h) its mean distance from its own mean there. Densities of tiles are of these, too.

    Args:
        x: ``(S, S, 1)`` float32 in [0, 1].
        reconstruction: the same shape and range.
        f_x: discriminator features of ``x``, ``(h, w, C)`` float32.
        f_reconstruction: discriminator features of the reconstruction, the same shape.
    """
    plain_x, plain_r = x[..., 0], reconstruction[..., 0]
    standard_x, standard_r = standardise(plain_x), standardise(plain_r)
    bands_x, bands_r = frequency_bands(standard_x), frequency_bands(standard_r)
    apart, difference = np.square(f_x - f_reconstruction), standard_x - standard_r
    absolute, energy_x = np.abs(difference), log_energy(bands_x)
    features = [
        energy_x - log_energy(bands_r),
        log_energy(bands_x - bands_r),
        np.log1p(apart.mean() / FEATURE_FLOOR),
        pool(difference, DIFFERENCE_GRID),
        pool(absolute, DIFFERENCE_GRID),
        energy_x,
        pool(standard_x, DIFFERENCE_GRID),
        pool(np.abs(standard_x), DIFFERENCE_GRID),
    ]
    vector = np.concatenate([np.ravel(part) for part in features]).astype(np.float32)
    return Residual(vector, on_grid(absolute))


def on_grid(image: Image) -> NDArray[np.float32]:
    """Return the mean of ``(S, S)`` in each cell of the heat map."""
    grid = cv2.resize(image, (HEAT_GRID, HEAT_GRID), interpolation=cv2.INTER_AREA)
    return np.asarray(grid, dtype=np.float32)


def raw_distance(x: Image, generated: Image) -> float:
    """Plain AnoGAN's sum|x - G(z)| (0-255 scale, as the abstract prints it), nothing normalised."""
    return float(np.abs(x - generated).sum() * 255.0)
