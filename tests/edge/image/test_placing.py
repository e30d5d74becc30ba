"""How the map of a square lies on the image that was judged."""

from __future__ import annotations

from typing import Literal

import pytest

from sranogan_edge.image.placing import placed
from sranogan_edge.image.preprocess import PreprocessSpec


@pytest.mark.parametrize(
    ("fit", "cell", "expected"),
    [
        ("stretch", (0, 0), (0, 0, 7, 4)),
        ("stretch", (63, 31), (393, 96, 7, 4)),
        ("letterbox", (0, 0), (0, 0, 7, 7)),
        ("crop", (0, 0), (100, 0, 4, 4)),
    ],
)
def test_a_cell_lies_where_its_pixels_are(
    fit: str, cell: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    """Of an image of 400 x 200 on a square of 64: stretched, on black, or its middle alone."""
    at = placed(200, 400, (64, 64), PreprocessSpec(size=64, fit=fit))  # type: ignore[arg-type]
    assert at.box(*cell, 1, 1) == expected


def test_the_black_of_a_letterbox_shows_nothing() -> None:
    """Of a long image, rows above and below are no part of it; of a high one, columns."""
    spec = PreprocessSpec(size=64, fit="letterbox")
    wide, high = placed(100, 400, (64, 64), spec), placed(400, 100, (64, 64), spec)
    assert (wide.top, wide.rows, wide.left, wide.columns) == (24, 16, 0, 64)
    assert (high.top, high.rows, high.left, high.columns) == (0, 64, 24, 16)
    assert wide.box(0, 0, 64, 16) == (0, 0, 400, 100)


@pytest.mark.parametrize("size", [(3000, 4000), (33, 17), (1000, 64)])
def test_all_cells_are_all_pixels(size: tuple[int, int]) -> None:
    """The box of the whole map is the whole image, and its area the image's, whatever the sizes."""
    fits: tuple[Literal["stretch", "letterbox"], ...] = ("stretch", "letterbox")
    for fit in fits:
        at = placed(*size, (64, 64), PreprocessSpec(size=64, fit=fit))
        assert at.box(0, 0, at.columns, at.rows) == (0, 0, size[1], size[0])
        assert at.pixels_a_cell * at.columns * at.rows == pytest.approx(size[0] * size[1])
