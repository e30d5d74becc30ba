"""What a frame is given is checked: an array that is no image is an error with its cure, not a score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.errors import ImageError, PixelsError
from sranogan_edge.image.frame import Frame, Photometric, Window
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess

GREY, RGB = Photometric.MONOCHROME2, Photometric.RGB
SPEC = PreprocessSpec(size=32)


def film(rows: int = 40, columns: int = 36) -> NDArray[np.uint8]:
    """Grey values from 0 to 255 that vary over the picture."""
    y, x = np.mgrid[0:rows, 0:columns]
    return np.rint(127.5 + 127.5 * np.sin(y / 7) * np.cos(x / 5)).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixels", "depth", "kind", "told"),
    [
        (film().astype(np.float32) / 255, 8, GREY, r"received float32\. Frame\.of"),
        (film().astype(np.uint16) * 257, 8, GREY, "values go up to 65535, and 8 bits end at 255"),
        (film().astype(np.uint16), 7, GREY, "values go up to 255, and 7 bits end at 127.*8 or more"),
        (film(), 7, GREY, "values go up to 255, and 7 bits"),
        (film(), 12, GREY, "from 1 to 8, the bits of uint8; received 12"),
        (film(), 0, GREY, "from 1 to 8.*received 0"),
        (film(), 8.0, GREY, r"whole number .* received 8\.0"),
        (film(), True, GREY, "whole number .* received True"),
        (film().astype(np.uint16), 17, GREY, "from 1 to 16.*received 17"),
        (film()[..., None], 8, GREY, r"shape \(H, W\); received \(40, 36, 1\)\. Frame\.of"),
        (film(), 8, RGB, r"shape \(H, W, 3\); received \(40, 36\)"),
        (np.zeros((20, 20, 3), np.uint8), 8, GREY, r"received \(20, 20, 3\)"),
        (film().astype(np.int64), 8, GREY, "received int64"),
        (film().astype(np.int16), 8, GREY, "received int16"),
        (film().astype(">u2"), 16, GREY, r"received >u2\. Frame\.of"),
        (film() > 100, 8, GREY, "received bool"),
        (np.zeros((0, 20), np.uint8), 8, GREY, r"empty array of shape \(0, 20\)"),
        (film().tolist(), 8, GREY, "NumPy array; received list"),
        (film(), 8, "MONOCHROME2", "write Photometric.MONOCHROME2"),
        (film(), 8, "YBR_FULL", "one of MONOCHROME1, MONOCHROME2, RGB; received 'YBR_FULL'"),
    ],
)
def test_what_is_no_frame_is_refused(pixels: Any, depth: Any, kind: Any, told: str) -> None:
    """Type, shape, depth against values, and kind: each is refused by name, with what was received."""
    with pytest.raises(PixelsError, match=rf"^chest\.png: .*{told}"):
        Frame(pixels, depth, kind, source="chest.png")


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (film().astype(np.int64), r"received int64\. Its values go from 0 to 255: array.astype\(np.uint8\)"),
        (film().astype(np.int32) * 16, r"from 0 to 4080: array.astype\(np.uint16\), with the bit_depth"),
        (film().astype(np.int16) - 9, "from -9 to 246: bring black to 0 and white to 1"),
        (film().astype(np.uint32) * 2**20, "bring black to 0"),
        (film().astype(np.float16) / 255, r"received float16\. Convert it: array.astype\(np.float32\)"),
        (film().astype(complex), "received complex128"),
        (film().astype(object), "received object"),
        (film().astype(np.float32), "received 0 to 255. Divide by the full scale"),
        (film().astype(np.float64) / 255 - 0.5, "received -0.5 to 0.5. Divide"),
        (np.where(film() == 7, np.nan, 0.5), "have to be finite; received NaN or infinity"),
        (np.where(film() < 99, np.inf, 0.5).astype(np.float32), "have to be finite"),
        (np.zeros((0, 0), np.uint8), r"an empty array of shape \(0, 0\)"),
        (np.zeros((20, 20, 0)), "an empty array"),
        (np.zeros((20, 20, 4), np.uint8), r"received \(20, 20, 4\)\. Leave the alpha channel out: .*:3\]"),
        (np.zeros((20, 20, 2), np.uint8), r"alpha channel out: .*:1\]"),
        (np.zeros((20, 20, 5), np.uint8), r"received \(20, 20, 5\)\. Give grey as"),
        (np.zeros((3, 20, 20), np.uint8), r"received \(3, 20, 20\)\. Put the channels last"),
        (np.zeros((1, 20, 20), np.float32), "Put the channels last"),
        (np.zeros((8, 20, 20, 1), np.uint8), "one image at a time: Detector.score_many"),
        (np.zeros(20, np.uint8), r"received \(20,\)"),
        (np.uint8(3), "NumPy array; received uint8"),
        (film().tolist(), "NumPy array; received list"),
        (None, "NumPy array; received NoneType"),
        (np.ma.masked_equal(film(), 0), "received a masked array"),
    ],
)
def test_what_is_no_image_is_refused(array: Any, told: str) -> None:
    """Arrays of other types, ranges and shapes are refused with what was received and what to do."""
    with pytest.raises(ImageError, match=rf"^x: .*{told}"):
        Frame.of(array, source="x")


@pytest.mark.parametrize(
    ("array", "dtype", "depth"),
    [
        (film(), np.uint8, 8),
        (film()[..., None], np.uint8, 8),
        (film()[:, ::-1].T[::-1], np.uint8, 8),
        (film().astype(np.uint16) * 257, np.uint16, 16),
        (film().astype(">u2") * 257, np.uint16, 16),
        (film().astype(np.float32) / 255, np.uint16, 16),
        (film()[..., None] / 255, np.uint16, 16),
        (np.repeat(film()[..., None], 3, axis=2), np.uint8, 8),
        (np.repeat(film()[..., None], 3, axis=2).astype(np.float32) / 255, np.uint16, 16),
    ],
)
def test_every_way_to_write_an_image_shows_the_same(array: NDArray[Any], dtype: type, depth: int) -> None:
    """Whole numbers, fractions, byte orders, layouts and channels give one picture, to a step of 8 bits."""
    frame = Frame.of(array)
    assert (frame.pixels.dtype.name, frame.bit_depth, frame.source) == (np.dtype(dtype).name, depth, "array")
    assert frame.photometric is (RGB if frame.pixels.ndim == 3 else GREY)
    turned = film()[:, ::-1].T[::-1] if array.shape[:2] == (36, 40) else film()
    expected = preprocess(Frame(turned, 8, GREY), SPEC)
    np.testing.assert_allclose(preprocess(frame, SPEC), expected, atol=1 / 255)


@pytest.mark.parametrize(
    "array",
    [
        film().astype(np.uint16),
        film() // 128,
        film().astype(np.float32) / 255**2,
        film().astype(np.float64) / 65535,
    ],
)
def test_values_of_another_full_scale_are_no_black_picture(array: NDArray[Any]) -> None:
    """8 bits in uint16, zeros and ones in uint8, and what was divided twice, are refused with the cure."""
    with pytest.raises(PixelsError, match=r"and white is .*: nearly all of it is black. Bring white to full"):
        Frame.of(array)
    if array.dtype.kind == "u":
        assert Frame.of(array, bit_depth=8 * array.dtype.itemsize).pixels.max() == array.max()


def test_twelve_bits_without_their_depth_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """They are taken for dark, as a 16-bit file's are, and the log says which option is meant."""
    stored = film().astype(np.uint16) * 16
    assert Frame.of(stored).bit_depth == 16
    assert "array: uint16 values go up to 4080, and white is 65535; name their bit_depth" in caplog.text
    caplog.clear()
    for frame in (Frame.of(stored, bit_depth=12), Frame.of(stored * 16), Frame.of(np.zeros_like(stored))):
        assert frame.pixels.dtype == np.uint16
    assert not caplog.text


def test_fractions_are_exact_to_sixteen_bits() -> None:
    """Values of 8 bits divided by 255, as float32 or float64, become exactly the same shares of 16 bits."""
    for kind in (np.float32, np.float64):
        found = Frame.of(np.divide(film(), 255, dtype=kind)).pixels
        np.testing.assert_array_equal(found, film().astype(np.uint16) * 257)


def test_bool_is_black_and_white() -> None:
    """True is white and False black, as in a 1-bit image file."""
    frame = Frame.of(film() > 100)
    np.testing.assert_array_equal(frame.pixels, np.where(film() > 100, 255, 0))
    assert (frame.pixels.dtype.name, frame.bit_depth) == ("uint8", 8)


def test_depth_window_and_kind_are_taken() -> None:
    """Twelve bits in uint16, a window, and inverted grey by name, reach the frame as they are."""
    window = Window(2048, 4096)
    stored = film().astype(np.uint16) * 16
    frame = Frame.of(stored, bit_depth=12, photometric="MONOCHROME1", window=window, source="a")
    assert (frame.bit_depth, frame.photometric, frame.window) == (12, Photometric.MONOCHROME1, window)
    with pytest.raises(PixelsError, match="values go up to 4080, and 10 bits end at 1023"):
        Frame.of(stored, bit_depth=10)
    options: tuple[Any, ...] = ({"bit_depth": 8}, {"window": window})
    for option in options:
        with pytest.raises(PixelsError, match="bit_depth and window are for whole numbers; received float64"):
            Frame.of(film() / 255, **option)
    with pytest.raises(PixelsError, match="received 'grey'"):
        Frame.of(film(), photometric="grey")
