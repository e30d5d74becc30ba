"""Where in the image the places of the square lie that was judged, and of the map of all tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sranogan_edge.image.preprocess import PreprocessSpec, fitted

__all__ = ["Placed", "placed"]


@dataclass(frozen=True)
class Placed:
    """The cells of a map that show the image, and the part of the image that they show.

    Attributes:
        top, left, rows, columns: of these cells.
        x, y, width, height: of the part, in pixels of the image.
        image_width, image_height: of all of the image, in pixels.
    """

    top: int
    left: int
    rows: int
    columns: int
    x: int
    y: int
    width: int
    height: int
    image_width: int
    image_height: int

    @property
    def pixels_a_cell(self) -> float:
        """Pixels of the image, by area."""
        return self.width / self.columns * (self.height / self.rows)

    def box(self, left: int, top: int, columns: int, rows: int) -> tuple[int, int, int, int]:
        """Return left, top, width and height in pixels, of cells that are counted from :attr:`left`, `top`.

        Pixels that a cell covers in part are inside.
        """
        x, right = self._pixels(left, columns, self.columns, self.width)
        y, bottom = self._pixels(top, rows, self.rows, self.height)
        return self.x + x, self.y + y, right - x, bottom - y

    @staticmethod
    def _pixels(first: int, count: int, cells: int, pixels: int) -> tuple[int, int]:
        """Return from and to which pixel so many of the ``cells`` reach, of so many ``pixels`` in all."""
        return math.floor(first * pixels / cells), math.ceil((first + count) * pixels / cells)


def placed(height: int, width: int, shape: tuple[int, ...], spec: PreprocessSpec) -> Placed:
    """Say how a map lies on an image of ``height`` x ``width`` pixels.

    Args:
        height: of the image.
        width: of the image.
        shape: rows and columns of the map: of the square that was judged, or of all tiles.
        spec: how the image came to the square.
    """
    rows, columns = shape[:2]
    x = y = top = left = 0
    shown_width, shown_height = width, height
    if spec.fit == "crop":
        shown_width = shown_height = min(height, width)
        x, y = (width - shown_width) // 2, (height - shown_height) // 2
    elif spec.fit in ("pad", "letterbox"):
        content = fitted(height, width, spec)
        top, left = (spec.size - content[0]) // 2, (spec.size - content[1]) // 2
        rows, columns = content
    return Placed(top, left, rows, columns, x, y, shown_width, shown_height, width, height)
