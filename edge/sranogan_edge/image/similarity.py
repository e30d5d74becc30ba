"""A similarity between two images: turned, scaled and shifted about the middle, and how a map goes back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.placing import placed
from sranogan_edge.image.preprocess import PreprocessSpec

__all__ = ["Similarity", "in_cells", "inverse", "laid_back", "nearest_similarity", "pulled"]

Shape = tuple[int, int]
Matrix = NDArray[np.float64]

# What a similarity is rounded to: two machines that differ in the last digits take the same one.
_ROTATION_DIGITS, _SCALE_DIGITS, _SHIFT_DIGITS = 2, 4, 4


@dataclass(frozen=True)
class Similarity:
    """How what an image shows lies, seen from how it lies in a reference.

    Attributes:
        rotation: degrees that it is turned by, counter-clockwise as people see it.
        scale: how many times as large it is.
        right: how far its middle is moved to the right, in longer sides of the image.
        down: the same, downwards.
    """

    rotation: float = 0.0
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0

    def matrix(self, reference: Shape, image: Shape) -> Matrix:
        """Return ``(2, 3)`` float64: a pixel of the reference (column, row, 1) to one of the image.

        Args:
            reference: height and width; its longer side counts as many pixels as that of ``image``.
            image: height and width.
        """
        size = self.scale * max(image) / max(reference)
        turn = math.radians(self.rotation)
        linear = size * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        moved = np.array([self.right, self.down]) * max(image)
        return np.column_stack([linear, _middle(image) + moved - linear @ _middle(reference)])

    def rounded(self) -> Similarity:
        """Return it to a hundredth of a degree, and to 1/10,000 of scale and of the longer side."""
        return Similarity(
            round(self.rotation, _ROTATION_DIGITS) + 0.0,
            round(self.scale, _SCALE_DIGITS),
            round(self.right, _SHIFT_DIGITS) + 0.0,
            round(self.down, _SHIFT_DIGITS) + 0.0,
        )


def nearest_similarity(matrix: NDArray[Any], reference: Shape, image: Shape) -> Similarity:
    """Return the similarity nearest to an affine ``matrix``, as :meth:`Similarity.matrix` gives it.

    The middle of the reference goes where the affine one takes it.
    """
    linear, moved = np.asarray(matrix[:, :2], np.float64), np.asarray(matrix[:, 2], np.float64)
    cosine, sine = (linear[0, 0] + linear[1, 1]) / 2, (linear[0, 1] - linear[1, 0]) / 2
    right, down = (linear @ _middle(reference) + moved - _middle(image)) / max(image)
    size = math.hypot(cosine, sine) * max(reference) / max(image)
    return Similarity(math.degrees(math.atan2(sine, cosine)), size, float(right), float(down))


def inverse(matrix: Matrix) -> Matrix:
    """Return the ``(2, 3)`` matrix that goes the other way."""
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64)


def pulled(pixels: NDArray[Any], matrix: Matrix, shape: Shape) -> NDArray[Any]:
    """Return ``pixels`` as they lie in the reference, of that ``shape``; ``matrix`` as of a similarity.

    Between pixels it is linear, so no value is exceeded; beyond the border the last pixel goes on.
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(pixels, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def laid_back(
    heat: NDArray[np.float32], found: Similarity, image: Shape, spec: PreprocessSpec
) -> NDArray[np.float32]:
    """Return a map of an aligned image as one of the image as it came; where nothing was judged it is 0.

    Args:
        heat: ``(S, S)``, of the image aligned by ``found`` and brought to the square by ``spec``.
        found: how the image lay.
        image: height and width.
        spec: how it came to the square.
    """
    cells = in_cells(found, image, heat.shape, spec)
    at = placed(*image, heat.shape, spec)
    rows, columns = slice(at.top, at.top + at.rows), slice(at.left, at.left + at.columns)
    shown = np.zeros_like(heat)
    shown[rows, columns] = heat[rows, columns]
    back = cv2.warpAffine(shown, cells, heat.shape[::-1], flags=cv2.INTER_LINEAR, borderValue=0)
    shown[:] = 0
    shown[rows, columns] = back[rows, columns]
    return shown


def in_cells(found: Similarity, image: Shape, shape: tuple[int, ...], spec: PreprocessSpec) -> Matrix:
    """Return ``(2, 3)``: a cell (column, row, 1) of a map of the aligned image to one of it as it came.

    Args:
        found: how the image lay.
        image: height and width.
        shape: of the map.
        spec: how the image comes to it.
    """
    at = placed(*image, shape, spec)
    across, along = at.width / at.columns, at.height / at.rows
    to_pixels = np.array(
        [
            [across, 0, (0.5 - at.left) * across + at.x - 0.5],
            [0, along, (0.5 - at.top) * along + at.y - 0.5],
            [0, 0, 1],
        ]
    )
    of_pixels = np.vstack([found.matrix(image, image), [0, 0, 1]])
    return np.asarray((np.linalg.inv(to_pixels) @ of_pixels @ to_pixels)[:2], np.float64)


def _middle(shape: Shape) -> Matrix:
    """Return column and row of the middle; a pixel's own place is its middle."""
    return np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
