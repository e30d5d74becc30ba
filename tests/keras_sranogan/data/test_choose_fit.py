"""Which fit suits images, by their size, shape and detail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.choose_fit import MOST_TILES, chosen_fit, detail_lost
from sranogan_edge.errors import DataError, UnreadableImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.image.tiles import plan_tiles
from tests.support.drawn_boards import Boards

SPEC = PreprocessSpec()


def fine(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Tracks of a few pixels, all over."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 8 + 1, width // 8 + 1)) > 0.5
    return np.kron(coarse, np.ones((8, 8))).astype(np.uint8)[:height, :width] * 200


def smooth(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Clouds without detail."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (16, 16), np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


Draw = Callable[[int, int, int], NDArray[np.uint8]]


@pytest.mark.parametrize(
    ("draw", "height", "width", "fit", "why"),
    [
        (
            fine,
            512,
            512,
            "tile",
            r"fit tile: images of 512 x 512 pixels \(median of 5\) lose \d\d% of their ",
        ),
        (smooth, 512, 512, "stretch", r"fit stretch: images of 512 x 512 .* lose 0% .* 10% would be much"),
        (fine, 100, 130, "stretch", "fit stretch: .* the smallest of 100, are too small for tiles"),
        (smooth, 300, 900, "letterbox", "fit letterbox: images of 900 x 300 .* for it is long"),
        (fine, 900, 256, "tile", "fit tile: images of 256 x 900 "),
    ],
)
def test_the_fit_follows_size_shape_and_detail(
    draw: Draw, height: int, width: int, fit: str, why: str
) -> None:
    """Tiles for large images of fine detail, letterbox for long ones, else stretch; each with its reason."""
    spec, said = chosen_fit(Boards(5, lambda number: draw(height, width, number)), SPEC)
    assert spec.fit == fit
    assert spec.size == SPEC.size
    assert "\n" not in said
    assert re.match(why, said), said


@pytest.mark.parametrize(("height", "width", "fit"), [(512, 512, "stretch"), (900, 256, "letterbox")])
def test_images_that_are_aligned_are_not_tiled(height: int, width: int, fit: str) -> None:
    """However fine their detail is; the reason is that."""
    boards = Boards(5, lambda number: fine(height, width, number))
    spec, said = chosen_fit(boards, replace(SPEC, align=True))
    assert (spec.fit, spec.align) == (fit, True)
    assert re.search(r"lose \d\d% of their detail at 128 px, and tiles do not go with --align", said)


@pytest.mark.parametrize(("height", "width"), [(512, 512), (1500, 2000), (3000, 4000)])
def test_tiles_are_as_fine_as_their_number_allows(height: int, width: int) -> None:
    """Pixel by pixel where that takes few tiles; larger ones, no smaller than needed, in larger images."""
    spec, said = chosen_fit(Boards(2, lambda number: fine(height, width, number)), SPEC)
    count = len(plan_tiles(height, width, spec))
    assert 20 <= count <= MOST_TILES
    assert f"{count} tiles of {spec.tile_side_px} px each" in said


def test_tiles_fit_into_the_smallest_image() -> None:
    """Sizes may be mixed: a tile is no larger than the smallest image that was looked at."""
    spec, _ = chosen_fit(Boards(4, lambda number: fine(2000, 200 if number == 2 else 3000, number)), SPEC)
    assert spec.fit == "tile"
    assert spec.tile_side_px <= 200


def test_what_cannot_be_read_is_not_looked_at() -> None:
    """The others decide; where there are none, the last error is told."""

    def broken(number: int) -> NDArray[np.uint8]:
        if number % 2:
            raise UnreadableImageError("odd: cannot be read")
        return fine(512, 512)

    assert chosen_fit(Boards(6, broken), SPEC)[0].fit == "tile"

    def none(number: int) -> NDArray[np.uint8]:
        raise UnreadableImageError("all: cannot be read")

    with pytest.raises(
        DataError, match=r"boards: no image can be read to choose --fit by: all: cannot be read"
    ):
        chosen_fit(Boards(6, none), SPEC)


@pytest.mark.parametrize("size", [(512, 512), (300, 2000), (5000, 300)])
def test_detail_is_lost_by_fine_images_alone(size: tuple[int, int]) -> None:
    """Tracks lose much, clouds nothing; an image of one brightness has none to lose."""
    assert detail_lost(Frame.of(fine(*size)), 128) > 0.1
    assert detail_lost(Frame.of(smooth(*size)), 128) < 0.05
    assert detail_lost(Frame.of(np.full(size, 90, np.uint8)), 128) == 0
    assert detail_lost(Frame.of(fine(100, 100)), 128) == 0
