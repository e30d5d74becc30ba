"""Tiles to learn from: drawn and covering ones, read image by image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.item import Item
from keras_sranogan.data.load import load_images
from keras_sranogan.data.tiles import TileReader
from sranogan_edge.errors import DataError, DegenerateImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.image.tiles import judged_tiles, plan_tiles
from tests.support.boards import board
from tests.support.drawn_boards import Boards
from tests.support.plates import plate

SPEC = PreprocessSpec(size=32, contrast="none", fit="tile", tile_px=64)


def reader(source: Boards, spec: PreprocessSpec = SPEC) -> TileReader:
    """Read tiles of it."""
    return TileReader(source, spec, max_bad_share=0.3)


def test_drawn_tiles_are_bounded_and_shared_out() -> None:
    """About as many as asked for, as many of each image, each image read once; and at least one of each."""
    source = Boards(10)
    items = source.items("train")
    drawn = reader(source).draw(items, 57, seed=3)
    assert drawn.x.shape == (50, 32, 32, 1)
    assert drawn.image is not None
    assert np.bincount(drawn.image).tolist() == [5] * 10
    assert [item.key for item in drawn.items[::5]] == source.read == [item.key for item in drawn.images]
    assert len(reader(source).draw(items, 3, seed=3).x) == 10


def test_tiles_have_the_channels_of_the_spec() -> None:
    """In colour drawn and covering tiles have luminance and two opponents."""
    source, spec = Boards(4), replace(SPEC, colour=True)
    assert reader(source, spec).draw(source.items("train"), 8, seed=0).x.shape == (8, 32, 32, 3)
    assert reader(source, spec).cover(source.items("train"), 60, 2, seed=0).x.shape == (60, 32, 32, 3)


def test_the_seed_decides_which_tiles_are_drawn() -> None:
    """Equal seeds give equal tiles, in whatever order threads finish; another seed gives others."""
    source = Boards(6)
    one, again, other = (reader(source).draw(source.items("train"), 24, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.x, again.x)
    assert not np.array_equal(one.x, other.x)


def test_no_image_gives_more_than_it_has() -> None:
    """Of a board of 15 tiles at most 60 are drawn, however many are asked for."""
    source = Boards(2)
    assert len(plan_tiles(160, 230, SPEC)) == 15
    assert len(reader(source).draw(source.items("train"), 100_000, seed=0).x) == 2 * 60


def test_held_out_images_are_covered_as_in_scoring() -> None:
    """Each has exactly the tiles that it is judged by; the seed decides which images are taken."""
    source = Boards(10)
    covered = reader(source).cover(source.items("train"), most=100, fewest=2, seed=0)
    assert covered.image is not None
    assert np.bincount(covered.image).tolist() == [15] * 6
    for number, item in enumerate(covered.images):
        tiles = [x for _, x in judged_tiles(source.frame(item), SPEC) if x is not None]
        assert np.array_equal(covered.x[covered.image == number], np.stack(tiles))
    other = reader(source).cover(source.items("train"), most=100, fewest=2, seed=1)
    assert other.images != covered.images


def test_too_few_covered_images_are_told_with_the_cure() -> None:
    """Where the tiles of a few images are all that is allowed, no threshold could come of it."""
    source = Boards(40)
    with pytest.raises(
        DataError, match=r"100 tiles of 64 px cover 6 of 40 held-out images.* needs 19.*--tile-px"
    ):
        reader(source).cover(source.items("train"), most=100, fewest=19, seed=0)


def test_images_are_read_one_after_the_other() -> None:
    """No more images are read ahead than a few a core, however many there are."""
    source = Boards(400)
    reader(source).cover(source.items("train"), most=60, fewest=1, seed=0)
    assert 4 <= len(source.read) < 100


def mixed(number: int) -> NDArray[np.uint8]:
    """Boards of all sizes; of ten, one is smaller than a tile and one is blank."""
    if number == 3:
        return board(number, 60, 400)
    if number == 7:
        return np.full((200, 200), 9, np.uint8)
    return board(number, 100 + 20 * number, 300 - 10 * number)


def test_mixed_sizes_and_images_that_no_tile_fits_into() -> None:
    """Sizes may differ; what is smaller than a tile or blank is skipped, each with its reason."""
    source = Boards(10, mixed)
    items = source.items("train")
    for loaded in (
        reader(source).draw(items, 40, seed=0),
        reader(source).cover(items, most=1000, fewest=5, seed=0),
    ):
        assert len(loaded.images) == 8
        reasons = sorted(one.reason for one in loaded.skipped)
        assert "train/3: 400 x 60 pixels are less than one tile of 64 x 64" in reasons[0]
        assert "train/7: one constant brightness" in reasons[1]
    whole = load_images(source, items, SPEC, max_bad_share=0.3)
    assert [one.key for one in whole.skipped] == ["train/3", "train/7"]
    with pytest.raises(DataError, match=r"2 of 10 images .* cannot be used"):
        TileReader(source, SPEC, max_bad_share=0.1).draw(items, 40, seed=0)


def test_background_is_drawn_again() -> None:
    """Of an image that is blank but for a corner, tiles with something in them are drawn."""

    def corner(number: int) -> NDArray[np.uint8]:
        pixels = np.zeros((800, 800), np.uint8)
        pixels[700:780, 700:780] = board(number, 80, 80)
        return pixels

    source = Boards(3, corner)
    drawn = reader(source).draw(source.items("train"), 12, seed=0)
    assert len(drawn.images) == 3
    assert (drawn.x.max(axis=(1, 2, 3)) > drawn.x.min(axis=(1, 2, 3))).all()


def test_a_change_sees_the_tile_with_what_is_around_it() -> None:
    """What turns or blurs works at the scale of a tile, and what it moves in comes from the image."""
    source, shapes = Boards(4), []

    def brighter(frame: Frame, item: Item) -> Frame:
        shapes.append(frame.pixels.shape)
        return replace(frame, pixels=frame.pixels // 2)

    items = source.items("train")
    plain = reader(source).draw(items, 40, seed=5)
    changed = reader(source).draw(items, 40, seed=5, transform=brighter)
    np.testing.assert_allclose(changed.x, plain.x / 2, atol=1 / 255)
    assert max(shapes) == (96, 96)
    assert min(min(shape) for shape in shapes) >= 64


def test_a_change_that_fails_costs_its_image() -> None:
    """An image that cannot be changed is skipped like one that cannot be read."""

    def fails(frame: Frame, item: Item) -> Frame:
        if item.key == "train/1":
            raise DegenerateImageError("train/1: shows nothing")
        return frame

    source = Boards(5)
    drawn = reader(source).draw(source.items("train"), 10, seed=0, transform=fails)
    assert [one.key for one in drawn.skipped] == ["train/1"]


def test_a_frame_is_read_again_as_it_was_changed() -> None:
    """What is scored in tiles later is the image that the small copy shows, the skipped ones left out."""
    source = Boards(10, mixed)
    loaded = load_images(source, source.items("train"), SPEC, max_bad_share=0.3)
    assert loaded.frame is not None
    for number, item in enumerate(loaded.items):
        assert np.array_equal(loaded.frame(number).pixels, mixed(int(item.key.split("/")[1])))


class Plates(Boards):
    """Orange plates."""

    def frame(self, item: Item) -> Frame:
        """Draw it."""
        return plate(int(item.key.split("/")[1]))


def test_tiles_of_images_in_colour_are_in_colour() -> None:
    """Drawn and covering, they have luminance and both opponents; covering ones know where they lie."""
    source, spec = Plates(4), replace(SPEC, colour=True)
    items = source.items("train")
    drawn = reader(source, spec).draw(items, 20, seed=0)
    assert drawn.x.shape == (20, 32, 32, 3)
    assert drawn.x[..., 1].mean() > 0.55  # red-green of orange
    assert drawn.place is None
    covered = reader(source, spec).cover(items[:1], most=50, fewest=1, seed=0)
    boxes = [box for box, _ in judged_tiles(source.frame(items[0]), spec)]
    assert covered.place is not None
    assert covered.place.tolist() == [[one.left, one.top, 64, 160, 160] for one in boxes]
    np.testing.assert_array_equal(covered.x[0], next(judged_tiles(source.frame(items[0]), spec))[1])
