"""The detector's arithmetic: image and reconstruction to residual features, score, p-value, heat map.

NumPy and OpenCV only. Training fits its densities on the features made here and the device scores
with the same functions, so the two cannot drift.

Raw sum|x - x_hat| does not separate normal from abnormal radiographs (it measures exposure and
texture; it is what the abstract reports for AnoGAN). Everything here is therefore measured on
standardised images, band by band, and judged against the density of held-out normals.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError

Image = NDArray[np.float32]

CONTRAST_FLOOR = 0.03  # standard deviation, in units of full scale, below which contrast is not amplified
BAND_SIGMAS_SHARE = (
    1 / 128,
    2 / 128,
    4 / 128,
    8 / 128,
)  # blurs between the frequency bands, shares of the side
BAND_GRID = 4  # band energies are pooled on this many cells a side
BAND_FLOOR = 1e-5  # energy below which a band counts as empty, in units of the image's variance
FEATURE_FLOOR = 1e-6
HEAT_GRID = 32
HEAT_SHAPE = (len(BAND_SIGMAS_SHARE), HEAT_GRID, HEAT_GRID)
HEAT_REACH_CELLS = 1.5  # energies are measured in a window of this standard deviation
HEAT_FLOOR = 1e-3  # as BAND_FLOOR; higher, because a small window has little to average
HEAT_BLUR_CELLS = 1.0
RANK_ROUNDING = 1e-9  # (n + 1) * (1 - rate) is a whole number for the usual n and rates, give or take this


@dataclass(frozen=True, eq=False)
class Residual:
    """What differs between an image and its reconstruction.

    Attributes:
        features: ``(D,)`` float32, the vector whose density is the score.
        heat: ``HEAT_SHAPE`` float32: per band and place, by how much the image has more energy there
            than its reconstruction (log ratio); not yet calibrated.
    """

    features: NDArray[np.float32]
    heat: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Density:
    """A Gaussian of the features of held-out normals, as one whitening matrix.

    Attributes:
        center: ``(D,)`` float32, the mean.
        whitening: ``(D, K)`` float32 with squared norm ``|(v - center) @ whitening|^2`` = Mahalanobis^2.
        heat_center: ``HEAT_SHAPE`` float32, mean heat of normals.
        heat_scale: ``HEAT_SHAPE`` float32, its standard deviation, positive.
        heat_limit: heat (in standard deviations) that one held-out normal in four exceeds somewhere;
            display is scaled by it.
    """

    center: NDArray[np.float32]
    whitening: NDArray[np.float32]
    heat_center: NDArray[np.float32]
    heat_scale: NDArray[np.float32]
    heat_limit: float

    def to_bytes(self) -> bytes:
        """Return the density as an ``.npz`` file."""
        return arrays_to_bytes({f.name: np.asarray(getattr(self, f.name)) for f in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Density:
        """Read :meth:`to_bytes`; raises ValueError when it is not that, or cannot be a density."""
        values = arrays_from_bytes(data, [f.name for f in fields(cls)])
        heat_limit = float(values.pop("heat_limit"))
        density = cls(heat_limit=heat_limit, **values)
        density._check()
        return density

    def _check(self) -> None:
        if self.center.ndim != 1 or self.whitening.ndim != 2 or len(self.whitening) != len(self.center):
            raise ValueError(f"a center {self.center.shape} with a whitening {self.whitening.shape}")
        if self.heat_center.shape != HEAT_SHAPE or self.heat_scale.shape != HEAT_SHAPE:
            raise ValueError(
                f"heat on {self.heat_center.shape} and {self.heat_scale.shape}, not on {HEAT_SHAPE}"
            )
        if not all(np.isfinite(getattr(self, f.name)).all() for f in fields(self)):
            raise ValueError("a density that is not finite")
        if self.heat_limit <= 0 or (self.heat_scale <= 0).any():
            raise ValueError("a heat scale that is not positive")


@dataclass(frozen=True)
class Calibration:
    """Scores of held-out normals, and the threshold that follows from them (split conformal).

    Attributes:
        scores: ascending scores of held-out normals, each scored by a density fitted without it.
        false_alarm_rate: the share of normals that the threshold may flag.

    Raises:
        SettingsError: no scores, not ascending or not finite, or a rate outside (0, 1).
    """

    scores: tuple[float, ...]
    false_alarm_rate: float

    def __post_init__(self) -> None:
        if not 0 < self.false_alarm_rate < 1:
            raise SettingsError(
                f"the false-alarm rate must be between 0 and 1; received {self.false_alarm_rate!r}"
            )
        scores = np.asarray(self.scores, dtype=np.float64)
        if not len(scores) or not np.isfinite(scores).all() or (np.diff(scores) < 0).any():
            raise SettingsError(
                "a calibration needs the scores of at least one held-out normal, finite and "
                f"ascending; received {len(scores)} that are not so"
            )

    @property
    def threshold(self) -> float:
        """Flag scores above this. Infinite when too few normals were held out for the rate."""
        share = (len(self.scores) + 1) * (1 - self.false_alarm_rate)
        rank = max(1, math.ceil(share - RANK_ROUNDING))
        return self.scores[rank - 1] if rank <= len(self.scores) else math.inf

    def p_value(self, score: float) -> float:
        """Share of normals at least as anomalous: (1 + #{held-out >= score}) / (n + 1), in (0, 1]."""
        above = len(self.scores) - int(np.searchsorted(self.scores, score, side="left"))
        return (1 + above) / (len(self.scores) + 1)


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


FEATURES = 2 * len(BAND_SIGMAS_SHARE) * BAND_GRID**2 + 1


def residual(
    x: Image, reconstruction: Image, f_x: NDArray[np.float32], f_reconstruction: NDArray[np.float32]
) -> Residual:
    """Compare an image with its super-resolved reconstruction.

    Both are standardised and split into frequency bands. The features are, for each band and each of
    4x4 cells, (a) by how much the image has more energy than its reconstruction: detail that a normal
    image of this kind would have, and has not, or the other way round; (b) the energy of their
    difference: structure in other places; and at last (c) the energy of the difference of
    discriminator features. All are logarithms, so that they are near Gaussian.

    Args:
        x: ``(S, S, 1)`` float32 in [0, 1].
        reconstruction: the same shape and range.
        f_x: discriminator features of ``x``, ``(h, w, C)`` float32.
        f_reconstruction: discriminator features of the reconstruction, the same shape.
    """
    plain_x, plain_r = x[..., 0], reconstruction[..., 0]
    bands_x, bands_r = frequency_bands(standardise(plain_x)), frequency_bands(standardise(plain_r))
    apart = np.square(f_x - f_reconstruction)
    features = [
        log_energy(bands_x) - log_energy(bands_r),
        log_energy(bands_x - bands_r),
        np.log1p(apart.mean() / FEATURE_FLOOR),
    ]
    vector = np.concatenate([np.ravel(part) for part in features]).astype(np.float32)
    return Residual(vector, _local_energy(bands_x) - _local_energy(bands_r))


def _local_energy(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log(1 + mean square / floor) around each heat cell; ``(4, S, S)`` to ``HEAT_SHAPE``."""
    squares = np.ascontiguousarray((bands * bands).transpose(1, 2, 0))
    coarse = cv2.resize(squares, (HEAT_GRID, HEAT_GRID), interpolation=cv2.INTER_AREA)
    energy = np.asarray(cv2.GaussianBlur(coarse, (0, 0), HEAT_REACH_CELLS), dtype=np.float32)
    return np.asarray(np.log1p(energy / np.float32(HEAT_FLOOR)).transpose(2, 0, 1), dtype=np.float32)


def standard_heat(
    heat: NDArray[np.float32], center: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return ``(HEAT_GRID, HEAT_GRID)``: by how many standard deviations each place is off, RMS over bands.

    All arguments have ``HEAT_SHAPE``. Normals are at about 1 throughout.
    """
    deviations = (heat - center) / scale
    rms = np.sqrt(np.mean(deviations * deviations, axis=0))
    return np.asarray(cv2.GaussianBlur(rms, (0, 0), HEAT_BLUR_CELLS), dtype=np.float32)


def anomaly_score(features: NDArray[np.float32], density: Density) -> float:
    """Mahalanobis distance of ``features`` ``(D,)`` from the normals, over sqrt(D): about 1 for a normal."""
    white = (features - density.center) @ density.whitening
    return float(np.sqrt(np.dot(white, white) / len(features)))


def heat_map(heat: NDArray[np.float32], density: Density, size: int) -> Image:
    """Return ``(size, size)`` float32, at least 0: standard deviations off the normals; about 1 is usual."""
    standard = standard_heat(heat, density.heat_center, density.heat_scale)
    enlarged = cv2.resize(standard, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.maximum(np.asarray(enlarged, dtype=np.float32), 0)


def raw_distance(x: Image, generated: Image) -> float:
    """Plain AnoGAN's sum|x - G(z)| (0-255 scale, as the abstract prints it), nothing normalised."""
    return float(np.abs(x - generated).sum() * 255.0)


def arrays_to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return named arrays as an ``.npz`` file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def arrays_from_bytes(data: bytes, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Read ``names`` from :func:`arrays_to_bytes`; raises ValueError for anything else.

    Compressed members are refused, so that no more memory is taken than ``data`` holds.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in names:
                if archive.getinfo(f"{name}.npy").compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"array {name!r} is compressed")
                member = io.BytesIO(archive.read(f"{name}.npy"))
                found[name] = np.lib.format.read_array(member, allow_pickle=False)
    except KeyError as error:
        raise ValueError(f"no array {error}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, MemoryError) as error:
        raise ValueError(f"damaged arrays: {error}") from error
    return found
