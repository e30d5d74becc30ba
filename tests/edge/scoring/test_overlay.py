"""The picture of a result: how much is tinted, where it lies on the image, and in whose colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.placing import Placed
from sranogan_edge.image.preprocess import seen_at
from sranogan_edge.scoring.measurement import Reconstruction, Tiles
from sranogan_edge.scoring.overlay import overlay, overlay_of, overlay_on
from sranogan_edge.scoring.rule import Verdict

Array = NDArray[np.float32]
LIMIT = 2.0
FULL = cv2.applyColorMap(np.full((1, 1), 255, np.uint8), cv2.COLORMAP_INFERNO)[0, 0]


def verdict(heat: Array, picture: Array | None = None) -> Verdict:
    """One of this heat, of an image in tiles where there is a ``picture`` of all of it."""
    flat = np.full((*heat.shape, 1), 0.5, np.float32)
    tiles = None if picture is None else Tiles(1, 0, [0, 0, 8, 8], 1.0, picture, flat, {})
    made = Reconstruction(flat, flat, flat, flat, {}, flat, 0.0, {})
    return Verdict(1.0, {}, 0.5, False, 2.0, heat, made, {}, tiles=tiles)


def tinted(grey: float) -> NDArray[np.float64]:
    """A grey of 0 to 255 with a full tint, B, G, R: seven tenths of the colour."""
    return np.asarray(0.3 * grey + 0.7 * FULL.astype(np.float64))


def test_overlay_tints_heat_and_nothing_else() -> None:
    """A quiet image stays grey as it is; heat above the normals' limit is coloured, where it is."""
    x = np.full((32, 32, 1), 0.5, np.float32)
    quiet = overlay(x, np.full((32, 32), 0.4, np.float32), heat_limit=1.0)
    assert quiet.shape == (384, 384, 3)
    assert (quiet == 127).all()
    heat = np.zeros((32, 32), np.float32)
    heat[:8, :8] = 2.0
    hot = overlay(x, heat, heat_limit=1.0)
    assert (np.ptp(hot[:72, :72].astype(int), axis=-1) > 50).all()
    assert (hot[150:] == 127).all()


@pytest.mark.parametrize(
    ("heat", "level"),
    [(0.0, 0.0), (1.2, 0.0), (2.1, 0.5), (3.0, 1.0), (9.0, 1.0)],
)
def test_how_much_is_tinted(heat: float, level: float) -> None:
    """Of a limit of 2: nothing up to 1.2, all from 3 on; half way the colour of the middle, at 35 %."""
    x = np.full((8, 8, 1), 0.5, np.float32)
    colour = cv2.applyColorMap(np.full((1, 1), int(90 + 165 * level), np.uint8), cv2.COLORMAP_INFERNO)[0, 0]
    expected = 127.5 * (1 - 0.7 * level) + colour * 0.7 * level
    found = overlay(x, np.full((8, 8), heat, np.float32), LIMIT)
    assert found.shape == (384, 384, 3)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found[100, 100], expected, atol=2)


def test_white_and_black_stay_so_beside_an_edge() -> None:
    """Enlarged along a curve that swings beyond both, a picture has no dark spot in white."""
    x = np.zeros((8, 8, 1), np.float32)
    x[:, 4:] = 1.0
    found = overlay(x, np.zeros((8, 8), np.float32), LIMIT)
    assert found[:, :160].max() == 0
    assert found[:, 224:].min() >= 254
    hot = overlay(x, np.full((8, 8), 9, np.float32), LIMIT)
    np.testing.assert_allclose(hot[:, 224:], np.broadcast_to(tinted(255), (384, 160, 3)), atol=1.1)


def test_a_picture_has_the_colours_of_what_was_judged() -> None:
    """Luminance and opponents of red are shown as red, in the order B, G, R."""
    red = Frame(np.full((16, 16, 3), [200, 40, 30], np.uint8), 8, Photometric.RGB)
    found = overlay(seen_at(red, 16, 16, colour=True), np.zeros((16, 16), np.float32), LIMIT)
    np.testing.assert_allclose(found[100, 100], [30, 40, 200], atol=2)


def test_image_and_heat_are_enlarged_along_a_bicubic_curve() -> None:
    """Smoothly: 8 cells on 384 pixels are no steps, and not as flat as between straight lines."""
    rng = np.random.default_rng(0)
    x, heat = rng.random((8, 8, 1), np.float32), (3 * rng.random((8, 8))).astype(np.float32)
    grey, level = (cv2.resize(one, (384, 384), interpolation=cv2.INTER_CUBIC) for one in (x[..., 0], heat))
    found = overlay(x, heat, LIMIT).astype(int)
    plain = level / LIMIT < 0.6
    np.testing.assert_allclose(found[plain], 255 * grey.clip(0, 1)[plain][:, None].repeat(3, axis=1), atol=1)
    np.testing.assert_array_equal((np.ptp(found, axis=-1) > 0)[level / LIMIT > 0.65], True)


def test_a_picture_of_tiles_is_as_large_as_their_heat() -> None:
    """Row by row, of a picture of many rows too: each place has its own grey and its own tint."""
    grey = np.linspace(0, 1, 600, dtype=np.float32)[:, None, None].repeat(40, axis=1)
    heat = np.zeros((600, 40), np.float32)
    heat[300:, 20:] = 9.0
    found = overlay_of(verdict(heat, grey), LIMIT)
    assert found.shape == (600, 40, 3)
    assert found.dtype == np.uint8
    rows = 255 * np.arange(600)[:, None] / 599
    np.testing.assert_allclose(found[:, 0], rows.repeat(3, axis=1), atol=1)
    np.testing.assert_allclose(found[300:, 30], np.stack([tinted(one) for one in rows[300:, 0]]), atol=1.1)


def test_an_image_that_is_judged_as_a_whole_is_shown_at_384_pixels() -> None:
    """As it was judged."""
    heat = np.zeros((8, 8), np.float32)
    np.testing.assert_array_equal(
        overlay_of(verdict(heat), LIMIT), overlay(np.full((8, 8, 1), 0.5, np.float32), heat, LIMIT)
    )


def test_heat_lies_on_the_image_where_it_was_judged() -> None:
    """Of a map of 8 x 8, whose inner 4 x 6 cells show 40 x 60 pixels at 10, 20 of an image of 80 x 100."""
    heat = np.full((8, 8), 9.0, np.float32)  # beside the inner cells, too: black that was added
    heat[2:6, 1:7] = 0
    heat[2:6, 4:7] = 9.0  # the right half of them
    at = Placed(
        top=2, left=1, rows=4, columns=6, x=20, y=10, width=60, height=40, image_width=100, image_height=80
    )
    frame = Frame(np.full((80, 100), 100, np.uint8), 8, Photometric.MONOCHROME2)
    found = overlay_on(frame, verdict(heat), at, LIMIT).astype(np.float64)
    assert found.shape == (80, 100, 3)
    hot = np.zeros((80, 100), np.bool_)
    hot[10:50, 50:80] = True
    edge = np.zeros((80, 100), np.bool_)
    edge[10:50, 40:60] = True  # half a cell to each side, where one passes over into the other
    np.testing.assert_allclose(found[~hot & ~edge], 100, atol=1)
    np.testing.assert_allclose(found[hot & ~edge], np.broadcast_to(tinted(100), (40 * 20, 3)), atol=1.1)


@pytest.mark.parametrize(("width", "height"), [(16, 1), (1, 16)])
def test_heat_of_a_single_row_or_column_lies_on_it_alone(width: int, height: int) -> None:
    """The part that was judged may be as thin as that."""
    at = Placed(0, 0, 8, 8, 5 if width == 1 else 0, 5 if height == 1 else 0, width, height, 16, 16)
    frame = Frame(np.full((16, 16), 100, np.uint8), 8, Photometric.MONOCHROME2)
    found = overlay_on(frame, verdict(np.full((8, 8), 9, np.float32)), at, LIMIT).astype(int)
    rows, columns = np.nonzero(np.ptp(found, axis=-1) > 50)
    assert (len(rows), set((rows if height == 1 else columns).tolist())) == (16, {5})


def test_a_picture_on_the_image_has_its_colours() -> None:
    """Red stays red, in the order B, G, R; of a grey image all three are the same."""
    at = Placed(0, 0, 8, 8, 0, 0, 16, 16, 16, 16)
    cold = verdict(np.zeros((8, 8), np.float32))
    red = Frame(np.full((16, 16, 3), [200, 40, 30], np.uint8), 8, Photometric.RGB)
    np.testing.assert_allclose(overlay_on(red, cold, at, LIMIT)[8, 8], [30, 40, 200], atol=2)
    grey = Frame(np.full((16, 16), 90, np.uint8), 8, Photometric.MONOCHROME2)
    np.testing.assert_allclose(overlay_on(grey, cold, at, LIMIT)[8, 8], [90, 90, 90], atol=1)


def test_a_picture_on_a_large_image_has_4_million_pixels() -> None:
    """Of 1,600 x 10,000 pixels half of each side, and the heat at half of its place."""
    heat = np.zeros((8, 8), np.float32)
    heat[:, 4:] = 9.0
    at = Placed(0, 0, 8, 8, 8000, 400, 800, 800, 10_000, 1600)
    frame = Frame(np.full((1600, 10_000), 100, np.uint8), 8, Photometric.MONOCHROME2)
    found = overlay_on(frame, verdict(heat), at, LIMIT)
    assert found.shape == (800, 5000, 3)
    rows, columns = np.nonzero(np.ptp(found.astype(int), axis=-1) > 50)
    assert (rows.min(), rows.max() + 1) == (200, 600)
    assert columns.max() + 1 == 4400
    assert 4150 < columns.min() < 4200  # the middle of the square, less half a cell of transition
