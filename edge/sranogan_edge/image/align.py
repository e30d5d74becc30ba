"""Alignment: an image turned, scaled and shifted to how the mean normal lies, before it is judged.

The steps are the same for every image. A small view of it is held against the reference in all turns and
scales of a coarse grid, at all shifts (normalised cross-correlation). The best few are refined by the
enhanced correlation coefficient (Evangelidis and Psarakis 2008; OpenCV's ``findTransformECC``), an affine
transform, of which the nearest similarity is taken. It counts where it is within bounds and the image,
aligned, is as like the reference as ``least`` says; else the image is judged as it came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess, seen_at
from sranogan_edge.image.similarity import (
    Similarity,
    in_cells,
    inverse,
    laid_back,
    nearest_similarity,
    pulled,
)

__all__ = ["GOLDEN", "SIDE_PX", "Aligner", "Alignment", "view_of"]

Image = NDArray[np.float32]
Shape = tuple[int, int]

GOLDEN = Similarity(7.0, 1.06, 0.03, -0.02)
SIDE_PX = 128  # longer side of the reference
MOST_ROTATION = 20.0  # degrees
MOST_SCALE = 1.25  # and 1 / 1.25
MOST_SHIFT = 0.2  # of the longer side
_SHORTEST_PX = 16  # shorter side of the reference: of less there is nothing to be seen
_COARSE_PX = 32  # longer side of what is tried at first
_ROTATIONS = tuple(range(-20, 21, 5))
_SCALES = tuple(MOST_SCALE ** (step / 2) for step in (-2, -1, 0, 1, 2))
_REFINED = 3  # of the coarse places
_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-5)
_BLUR_PX = 5
_WARPED_PX = 32_767  # cv2.warpAffine takes no longer side
_FULL_16 = 65535
_FLAT = 1e-6  # standard deviation of a view that shows nothing


@dataclass(frozen=True)
class Alignment:
    """What became of the alignment of one image.

    Attributes:
        height, width: of the image, in pixels.
        found: how it lies, seen from the reference; None where that could not be told, and it is judged as it
            came.
        likeness: correlation with the reference of the image, aligned by the best that there was.
        reason: why nothing was found; empty where it was.
    """

    height: int
    width: int
    found: Similarity | None
    likeness: float = 0.0
    reason: str = ""

    @property
    def scale(self) -> float:
        """How many times as large the image shows what the reference shows; 1 where nothing was found."""
        return self.found.scale if self.found else 1.0

    def applied(self, frame: Frame) -> Frame:
        """Return ``frame`` as it lies in the reference; itself where nothing was found."""
        if self.found is None:
            return frame
        shape = self.height, self.width
        return replace(frame, pixels=pulled(frame.pixels, self.found.matrix(shape, shape), shape))

    def laid_back(self, heat: Image, spec: PreprocessSpec) -> Image:
        """Return the ``(S, S)`` map of the aligned image as one of the image as it came."""
        if self.found is None:
            return heat
        return laid_back(heat, self.found, (self.height, self.width), spec)

    def as_judged(self, mask: NDArray[np.bool_], spec: PreprocessSpec) -> NDArray[np.bool_]:
        """Return an ``(S, S)`` mask of the image as it came as one of the aligned image."""
        if self.found is None:
            return mask
        cells = in_cells(self.found, (self.height, self.width), mask.shape, spec)
        return pulled(mask.astype(np.uint8) * 255, cells, mask.shape[:2]) > 127

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: turn in degrees, scale, shift in pixels to the right and down."""
        if self.found is None:
            return {"aligned": False, "reason": self.reason}
        longer = max(self.height, self.width)
        shift = [round(one * longer, 1) + 0.0 for one in (self.found.right, self.found.down)]
        return {"aligned": True, "rotation": self.found.rotation, "scale": self.found.scale, "shift": shift}


@dataclass(frozen=True, eq=False)
class Aligner:
    """What finds how an image lies.

    Attributes:
        reference: ``(h, w)`` float32 in [0, 1], the longer side :data:`SIDE_PX`: the mean of normals.
        least: likeness, 0 to 1, that an aligned image needs.

    Raises:
        ValueError: the reference is no such image, or of one brightness; ``least`` is out of range.
    """

    reference: Image
    least: float

    def __post_init__(self) -> None:
        one = self.reference
        if one.dtype != np.float32 or one.ndim != 2 or max(one.shape) != SIDE_PX:
            raise ValueError(f"a reference is float32 with a side of {SIDE_PX}, not {one.dtype}{one.shape}")
        if min(one.shape) < _SHORTEST_PX:
            raise ValueError(f"a reference has sides of {_SHORTEST_PX} at least, not {one.shape}")
        if not (np.isfinite(one).all() and one.min() >= 0 and one.max() <= 1 and one.std() > _FLAT):
            raise ValueError("a reference goes from 0 to 1, and is not of one brightness")
        if not 0 <= self.least <= 1:
            raise ValueError(f"the least likeness is from 0 to 1, not {self.least}")

    def to_bytes(self) -> bytes:
        """Return it as an ``.npz`` file; equal ones give equal bytes."""
        return arrays_to_bytes({"reference": self.reference, "least": np.array(self.least, np.float64)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Aligner:
        """Read :meth:`to_bytes`; raises ValueError when it is not that."""
        arrays = arrays_from_bytes(data, ["reference", "least"])
        if arrays["least"].shape != () or arrays["least"].dtype != np.float64:
            raise ValueError(f"the least likeness is one float64, not {arrays['least'].dtype}")
        return cls(arrays["reference"], float(arrays["least"]))

    def align(self, frame: Frame) -> Alignment:
        """Find how ``frame`` lies.

        Raises:
            DegenerateImageError: its window shows nothing.
        """
        height, width = frame.pixels.shape[:2]
        if max(height, width) > _WARPED_PX:
            why = f"a side of more than {_WARPED_PX:,} pixels"
            return Alignment(height, width, None, reason=why)
        return Alignment(height, width, *self.find(view_of(frame)))

    def turned_reference(self) -> Frame:
        """Return the reference, turned, scaled and shifted by :data:`GOLDEN`, as a frame of 16 bits."""
        shape = self.reference.shape
        back = inverse(GOLDEN.matrix(shape, shape))
        stored = np.rint(pulled(self.reference, back, shape) * _FULL_16).astype(np.uint16)
        return Frame(stored, 16, Photometric.MONOCHROME2, source="the mean normal")

    def golden_x(self, spec: PreprocessSpec) -> Image:
        """Return ``(S, S, C)``, what is made of :meth:`turned_reference`: equal on every device, nearly."""
        turned = self.turned_reference()
        return preprocess(self.align(turned).applied(turned), replace(spec, min_side_px=1))

    def find(self, view: Image) -> tuple[Similarity | None, float, str]:
        """Return how a ``view`` lies, its likeness to the reference then, and why it cannot be told if so.

        Args:
            view: as :func:`view_of` gives it.
        """
        if min(view.shape) < 2 or view.std() < _FLAT:
            return None, 0.0, "nothing to be seen"
        tried = [refined for start in self._coarse(view) if (refined := self._refined(view, start))]
        if not tried:
            return None, 0.0, "no place fits"
        rated = [(not _beyond(one), self._likeness(view, one), one) for one in tried]
        within, likeness, best = max(rated, key=lambda each: each[:2])
        if not within:
            return None, likeness, _beyond(best)
        if likeness < self.least:
            needed = f"{self.least:.2f} is needed"
            return None, likeness, f"too little like the mean normal (correlation {likeness:.2f}, {needed})"
        return best, likeness, ""

    @cached_property
    def _turned(self) -> list[tuple[int, float, Image]]:
        """The reference, small, as it looks when it lies in each of the coarse turns and scales."""
        shape = _shrunk(self.reference.shape, _COARSE_PX)
        small = cv2.resize(self.reference, shape[::-1], interpolation=cv2.INTER_AREA)
        made = []
        for rotation in _ROTATIONS:
            for scale in _SCALES:
                back = inverse(Similarity(rotation, scale).matrix(shape, shape))
                made.append((rotation, scale, np.asarray(pulled(small, back, shape), np.float32)))
        return made

    def _coarse(self, view: Image) -> list[Similarity]:
        """Return the best few places of ``view`` among the coarse turns, scales and all shifts."""
        shape = _shrunk(self.reference.shape, _COARSE_PX)
        small = cv2.resize(view, _shrunk(view.shape, _COARSE_PX)[::-1], interpolation=cv2.INTER_AREA)
        reach = math.ceil(MOST_SHIFT * _COARSE_PX)
        high, wide = (max(0, one - other) for one, other in zip(shape, small.shape, strict=True))
        around = (reach + high // 2, reach + high - high // 2, reach + wide // 2, reach + wide - wide // 2)
        padded = cv2.copyMakeBorder(small, *around, cv2.BORDER_REPLICATE)
        found = []
        for rotation, scale, turned in self._turned:
            alike = cv2.matchTemplate(padded, turned, cv2.TM_CCOEFF_NORMED)
            _, highest, _, (column, row) = cv2.minMaxLoc(alike)
            right, down = (
                (at - (whole - part) / 2) / _COARSE_PX
                for at, whole, part in (
                    (column, padded.shape[1], shape[1]),
                    (row, padded.shape[0], shape[0]),
                )
            )
            found.append((highest, Similarity(rotation, scale, right, down)))
        return [one for _, one in sorted(found, key=lambda each: -each[0])[:_REFINED]]

    def _refined(self, view: Image, start: Similarity) -> Similarity | None:
        """Return the similarity nearest to the affine transform of the highest ECC near ``start``."""
        matrix = start.matrix(self.reference.shape, view.shape).astype(np.float32)
        everywhere = np.ones(view.shape, np.uint8)
        try:
            _, found = cv2.findTransformECC(
                self.reference, view, matrix, cv2.MOTION_AFFINE, _STEPS, everywhere, _BLUR_PX
            )
        except cv2.error:  # it does not converge: another place may
            return None
        if not np.isfinite(found).all():
            return None
        return nearest_similarity(found, self.reference.shape, view.shape).rounded()

    def _likeness(self, view: Image, found: Similarity) -> float:
        """Return the correlation of the reference with ``view``, aligned, where that shows the image."""
        shape = self.reference.shape
        matrix = found.matrix(shape, view.shape)
        inside = pulled_inside(view.shape, matrix, shape)
        if inside.sum() < inside.size / 4:
            return -1.0
        one, other = self.reference[inside], pulled(view, matrix, shape)[inside]
        one, other = one - one.mean(), other - other.mean()
        scale = math.sqrt(float((one * one).sum()) * float((other * other).sum()))
        return float((one * other).sum()) / scale if scale > _FLAT else -1.0


def view_of(frame: Frame) -> Image:
    """Return the luminance that ``frame`` is aligned by: ``(h, w)`` in [0, 1], a side of :data:`SIDE_PX`.

    Raises:
        DegenerateImageError: its window shows nothing.
    """
    return seen_at(frame, *_shrunk(frame.pixels.shape[:2], SIDE_PX))[..., 0]


def pulled_inside(image: Shape, matrix: NDArray[np.float64], shape: Shape) -> NDArray[np.bool_]:
    """Return which pixels of the reference, of that ``shape``, show the ``image`` and nothing beyond it."""
    ones = np.ones(image, np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(ones, matrix, shape[::-1], flags=flags)) > 0


def _shrunk(shape: tuple[int, ...], side: int) -> Shape:
    height, width = shape[:2]
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _beyond(found: Similarity) -> str:
    """Say what of ``found`` is more than is looked for; empty where nothing is."""
    if abs(found.rotation) > MOST_ROTATION:
        return f"turned by {abs(found.rotation):.0f} degrees, {MOST_ROTATION:.0f} at most are looked for"
    if not 1 / MOST_SCALE <= found.scale <= MOST_SCALE:
        return f"{found.scale:.2f} times as large, {1 / MOST_SCALE:.2f} to {MOST_SCALE:.2f} are looked for"
    if max(abs(found.right), abs(found.down)) > MOST_SHIFT:
        return f"moved by more than {MOST_SHIFT:.0%} of the longer side"
    return ""
