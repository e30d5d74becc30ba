"""Frames to network input: brightness, size, contrast, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.errors import DegenerateImageError, SettingsError
from sranogan_edge.image.decode import decode_file
from sranogan_edge.image.frame import Frame, Photometric, Window
from sranogan_edge.image.preprocess import PreprocessSpec, downscale, enhance, low_pass, preprocess

ORIGINALS = Path(__file__).resolve().parents[4] / "shared" / "data" / "chest_xray_originals"
PLAIN = PreprocessSpec(size=32, contrast="none")
RNG = np.random.default_rng(3)


def grey(pixels: NDArray[Any], bits: int = 8, **options: Any) -> Frame:
    """A frame named t."""
    return Frame(pixels, bits, options.pop("photometric", Photometric.MONOCHROME2), source="t", **options)


def noise(height: int, width: int, *channels: int) -> NDArray[Any]:
    """Pixels of every brightness."""
    return RNG.integers(0, 256, (height, width, *channels), np.uint8)


@pytest.mark.parametrize("shape", [(16, 16), (17, 300), (300, 17), (128, 128), (223, 501, 3), (16, 16, 3)])
@pytest.mark.parametrize("contrast", ["none", "clahe"])
@pytest.mark.parametrize("fit", ["stretch", "pad", "letterbox", "crop", "tile"])
def test_output_contract(shape: tuple[int, ...], contrast: Any, fit: Any) -> None:
    """Any frame gives (S, S, 1) float32 in [0, 1], contiguous, before its contrast is enhanced and after."""
    photometric = Photometric.RGB if len(shape) == 3 else Photometric.MONOCHROME2
    spec = PreprocessSpec(contrast=contrast, fit=fit)
    plain = preprocess(grey(noise(*shape), photometric=photometric), spec)
    for x in (plain, enhance(plain, spec)):
        assert x.shape == (128, 128, 1)
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        assert 0 <= x.min() < x.max() <= 1


def test_full_scale_follows_the_bit_depth() -> None:
    """The same picture stored in 8, 12 and 16 bits gives the same input."""
    unit = np.linspace(0, 1, 32 * 32).reshape(32, 32)
    results = [
        preprocess(grey(np.rint(unit * (2**bits - 1)).astype(kind), bits), PLAIN)
        for bits, kind in ((8, np.uint8), (12, np.uint16), (16, np.uint16))
    ]
    np.testing.assert_allclose(results[0], results[2], atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(results[1], results[2], atol=0.5 / 4095 + 1e-6)


@pytest.mark.parametrize("contrast", ["none", "clahe"])
def test_16_bits_are_not_cut_to_8(contrast: Any) -> None:
    """A shallow 16-bit ramp keeps its levels, whatever contrast the stages will see."""
    ramp = np.arange(20_000, 21_024, dtype=np.uint16).reshape(32, 32)
    x = preprocess(grey(ramp, 16), PreprocessSpec(size=32, contrast=contrast))
    assert np.unique(x).size == 1024


def test_monochrome1_is_inverted() -> None:
    """Low values of MONOCHROME1 are bright."""
    pixels = noise(32, 32)
    normal = preprocess(grey(pixels), PLAIN)
    inverted = preprocess(grey(pixels, photometric=Photometric.MONOCHROME1), PLAIN)
    np.testing.assert_allclose(normal + inverted, 1, atol=1e-6)


def test_window_follows_dicom() -> None:
    """Center 2048, width 4096 maps 0..4095 to 0..1 (DICOM PS3.3 C.11.2.1.2.1), and clips outside."""
    values = np.linspace(0, 4095, 1024).astype(np.uint16).reshape(32, 32)
    np.testing.assert_allclose(
        preprocess(grey(values, 12, window=Window(2048, 4096)), PLAIN)[..., 0], values / 4095, atol=1e-6
    )
    narrow = preprocess(grey(values, 12, window=Window(2000, 101)), PLAIN)[..., 0]
    assert (narrow[values < 1949] == 0).all()
    assert (narrow[values > 2050] == 1).all()


@pytest.mark.parametrize("width", [1.0, 0.0, -5.0, float("nan")])
def test_window_that_shows_nothing_is_refused(width: float) -> None:
    """A window without width names its values and the cure."""
    with pytest.raises(DegenerateImageError, match=r"t: a window of center 5.*remove the window"):
        preprocess(grey(noise(32, 32), window=Window(5, width)), PLAIN)


def test_colour_becomes_bt601_luminance() -> None:
    """0.299 R + 0.587 G + 0.114 B."""
    pixels = noise(32, 32, 3)
    x = preprocess(grey(pixels, photometric=Photometric.RGB), PLAIN)[..., 0]
    np.testing.assert_allclose(x, pixels @ np.array([0.299, 0.587, 0.114]) / 255, atol=0.6 / 255)


def test_grey_as_colour_gives_the_same_input() -> None:
    """R = G = B and the same grey file are one image."""
    pixels = noise(90, 70)
    as_colour = grey(np.repeat(pixels[..., None], 3, 2), photometric=Photometric.RGB)
    np.testing.assert_array_equal(
        preprocess(grey(pixels), PreprocessSpec()), preprocess(as_colour, PreprocessSpec())
    )


def test_shrinking_averages_even_when_the_other_axis_grows() -> None:
    """Stripes finer than the output average out, also on an image that is enlarged on one axis."""
    stripes = np.tile(np.array([[0, 255]], np.uint8), (16, 320))
    stripes[:, 320:] = 0
    x = preprocess(grey(stripes), PLAIN)[..., 0]
    np.testing.assert_allclose(x[:, 2:14], 0.5, atol=0.01)


def test_preprocess_leaves_the_contrast_alone() -> None:
    """The image comes out as it was, shrunk by area: enhancing is the three stages' own affair."""
    pixels = noise(256, 256)
    small = cv2.resize(pixels, (128, 128), interpolation=cv2.INTER_AREA) / np.float32(255)
    for spec in (PreprocessSpec(), PreprocessSpec(contrast="none")):
        np.testing.assert_array_equal(preprocess(grey(pixels), spec)[..., 0], small)


def test_clahe_is_opencv_at_output_size() -> None:
    """The default contrast equals OpenCV's CLAHE (clip 2, 8 x 8 tiles) on the resized 8-bit image."""
    pixels = noise(256, 256)
    small = cv2.resize(pixels, (128, 128), interpolation=cv2.INTER_AREA)
    expected = cv2.createCLAHE(2.0, (8, 8)).apply(small) / np.float32(255)
    x = preprocess(grey(pixels), PreprocessSpec())
    before = x.copy()
    np.testing.assert_array_equal(enhance(x, PreprocessSpec())[..., 0], expected)
    np.testing.assert_array_equal(x, before)


def test_no_enhancement_is_the_image_itself() -> None:
    """Where contrast is "none" the stages see the image to the bit, with its 16-bit levels."""
    x = RNG.random((32, 32, 1), np.float32)
    np.testing.assert_array_equal(enhance(x, PLAIN), x)


@pytest.mark.parametrize("shape", [(30, 90), (90, 30), (64, 64, 3), (17, 200)])
def test_letterbox_is_what_pad_was(shape: tuple[int, ...]) -> None:
    """Bundles of earlier versions say pad; their images come out as ever."""
    frame = Frame.of(noise(*shape))
    pad, letterbox = (preprocess(frame, PreprocessSpec(size=64, fit=fit)) for fit in ("pad", "letterbox"))
    assert np.array_equal(pad, letterbox)


@pytest.mark.parametrize("shape", [(40, 81), (81, 40), (64, 64), (40, 90, 3)])
def test_crop_is_the_square_in_the_middle(shape: tuple[int, ...]) -> None:
    """What lies beside it changes nothing; what is inside keeps its shape."""
    pixels = noise(*shape)
    side = min(shape[:2])
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    middle = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    cropped = preprocess(Frame.of(pixels), PreprocessSpec(size=32, fit="crop"))
    assert np.array_equal(cropped, preprocess(Frame.of(middle), PreprocessSpec(size=32)))


def test_pad_keeps_the_aspect_ratio_and_leaves_black() -> None:
    """A 2:1 image fills half of the square, centred, with exact zeros outside."""
    pixels = noise(64, 128) // 2 + 100
    x = preprocess(grey(pixels), PreprocessSpec(size=128, fit="pad"))[..., 0]
    assert not x[:32].any()
    assert not x[96:].any()
    assert (x[32:96] > 0).mean() > 0.9


def test_too_small_is_refused() -> None:
    """The message gives the size, the limit and the cure."""
    with pytest.raises(DegenerateImageError, match=r"t: 40 x 15 pixels.*at least 16.*min_side_px"):
        preprocess(grey(noise(15, 40)), PLAIN)
    preprocess(grey(noise(15, 40)), PreprocessSpec(min_side_px=8))


@pytest.mark.parametrize("value", [0, 77, 255])
def test_constant_is_refused(value: int) -> None:
    """An image of one value carries nothing to judge."""
    with pytest.raises(DegenerateImageError, match="constant brightness"):
        preprocess(grey(np.full((50, 50), value, np.uint8)), PreprocessSpec())


def test_one_grey_step_is_not_constant() -> None:
    """Two neighbouring 8-bit values are already an image."""
    pixels = np.full((32, 32), 77, np.uint8)
    pixels[5, 5] = 78
    assert preprocess(grey(pixels), PLAIN).any()


def test_downscale_is_the_block_mean() -> None:
    """A factor of two is the mean of 2 x 2 blocks."""
    x = RNG.random((128, 128, 1), np.float32)
    small = downscale(x, 64)
    assert small.shape == (64, 64, 1)
    assert small.dtype == np.float32
    np.testing.assert_allclose(small[..., 0], x.reshape(64, 2, 64, 2).mean((1, 3)), atol=1e-6)
    np.testing.assert_array_equal(downscale(x, 128), x)


@pytest.mark.parametrize("size", [0, 129, 2.0])
def test_downscale_refuses_other_sizes(size: Any) -> None:
    """It only shrinks."""
    with pytest.raises(SettingsError, match=f"from 1 to 128. Received: {size}"):
        downscale(np.zeros((128, 128, 1), np.float32), size)


@pytest.mark.parametrize("shape", [(300, 400), (300, 40), (30, 20), (200, 300, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_low_pass_keeps_shape_dtype_and_mean(shape: tuple[int, ...], dtype: Any) -> None:
    """Only the fine detail goes: shape, dtype, photometric and mean brightness stay."""
    pixels = noise(*shape).astype(dtype)
    photometric = Photometric.RGB if len(shape) == 3 else Photometric.MONOCHROME2
    before = grey(pixels, photometric=photometric)
    after = low_pass(before)
    assert after.pixels.shape == shape
    assert after.pixels.dtype == dtype
    assert (after.photometric, after.source, after.bit_depth) == (photometric, "t", 8)
    assert abs(after.pixels.mean() - pixels.mean()) < 2
    if min(shape[:2]) > 64:
        assert after.pixels.std() < 0.6 * pixels.std()


def test_low_pass_of_tiles_is_that_of_a_tile() -> None:
    """Of an image in tiles each tile is shrunk to 64 pixels, not the image: as the tile alone would be."""
    grid = noise(512, 384).astype(np.uint8)
    found = low_pass(grey(grid), tile_px=128).pixels
    alone = np.vstack(
        [np.hstack([low_pass(grey(grid[y : y + 128, x : x + 128])).pixels for x in (0, 128, 256)])
         for y in (0, 128, 256, 384)]
    )  # fmt: skip
    inside = np.ones(grid.shape, bool)
    for edge in (127, 128, 255, 256, 383, 384):  # there a tile alone has no neighbour to go over to
        inside[edge - 1 : edge + 2] = False
        inside[:, edge - 1 : edge + 2] = False
    assert np.array_equal(found[inside], alone[inside])
    assert found.std() > 2 * low_pass(grey(grid)).pixels.std()
    with pytest.raises(SettingsError, match="tile_px"):
        low_pass(grey(grid), tile_px=0)


def test_spec_survives_json() -> None:
    """to_dict and from_dict are inverse, through JSON."""
    spec = PreprocessSpec(size=64, contrast="none", fit="pad", clahe_clip=3.5, clahe_tiles=4, min_side_px=20)
    for one in (spec, replace(spec, colour=True)):
        assert PreprocessSpec.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert PreprocessSpec.from_dict({}) == PreprocessSpec()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 8), ("size", 4096), ("size", True), ("size", 128.0), ("size", "128"),
        ("contrast", "hist"), ("clahe_clip", 0), ("clahe_clip", float("nan")), ("clahe_tiles", 0),
        ("clahe_tiles", 129), ("fit", "zoom"), ("max_pixels", 0), ("min_side_px", 0),
        ("colour", 1), ("colour", "on"),
    ],
)  # fmt: skip
def test_spec_names_the_bad_field(field: str, value: Any) -> None:
    """Every bad value is refused with the field, what was received, and what is allowed."""
    with pytest.raises(SettingsError, match=rf"{field} must be .*Received: {value!r}"):
        PreprocessSpec.from_dict({field: value})


def test_spec_refuses_unknown_fields() -> None:
    """A spec from another version is not half understood."""
    with pytest.raises(SettingsError, match=r"unknown field 'gamma', 'zoom'\. Allowed: size, contrast"):
        PreprocessSpec.from_dict({"zoom": 1, "gamma": 2})


def test_real_originals_preprocess() -> None:
    """Clinical files from 445x140 to 2090x1858 all become network input with contrast."""
    if not ORIGINALS.is_dir():
        pytest.skip(f"the original radiographs are not at {ORIGINALS}")
    for path in sorted(ORIGINALS.glob("*.jpeg")):
        x = preprocess(decode_file(path), PreprocessSpec())
        assert x.shape == (128, 128, 1)
        assert x.std() > 0.1
