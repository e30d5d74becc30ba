"""Each control changes what it is named for, leaves the rest, and draws nothing from the class."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from keras_sranogan.audit.controls import (
    COMMON_SIDE_PX,
    SHIFTED_NORMALS,
    Control,
    all_controls,
    equalise,
    expose,
    mask,
    move,
)
from keras_sranogan.data.item import Item
from sranogan_edge.image.frame import Frame, Photometric, Window
from sranogan_edge.image.preprocess import PreprocessSpec, low_pass, preprocess

NORMAL = Item("test/NORMAL/1", "NORMAL", True, "a")
ABNORMAL = replace(NORMAL, label="LESION", is_normal=False)


def frame(height: int = 90, width: int = 120, bits: int = 8, colour: bool = False) -> Frame:
    """A random smooth frame of some depth."""
    rng = np.random.default_rng(height + bits)
    shape = (height, width, 3) if colour else (height, width)
    smooth = cv2.GaussianBlur(rng.random(shape), (0, 0), 3)
    top = 2**bits - 1
    pixels = np.rint((smooth - smooth.min()) / np.ptp(smooth) * top)
    kind = Photometric.RGB if colour else Photometric.MONOCHROME2
    return Frame(pixels.astype(np.uint8 if bits == 8 else np.uint16), bits, kind, source="drawn")


def controls() -> dict[str, Control]:
    """All controls, by name."""
    return {control.name: control for control in all_controls(PreprocessSpec(size=128))}


@pytest.mark.parametrize("name", controls())
@pytest.mark.parametrize(("bits", "colour"), [(8, False), (8, True), (12, False), (16, False)])
def test_every_control_gives_a_readable_frame_and_leaves_its_input(
    name: str, bits: int, colour: bool
) -> None:
    """Grey and colour of any depth come back inside their range, and the frame given is untouched."""
    before = frame(bits=bits, colour=colour)
    kept = before.pixels.copy()
    after = controls()[name].apply(before, NORMAL, seed=0).frame
    assert np.array_equal(before.pixels, kept)
    assert after.pixels.max() <= 2**after.bit_depth - 1
    assert float(np.ptp(after.pixels)) > 0


@pytest.mark.parametrize("name", [name for name in controls() if name != SHIFTED_NORMALS])
def test_both_classes_are_changed_alike_and_the_same_every_time(name: str) -> None:
    """What is drawn comes from seed and image, so a label alone changes nothing."""
    control, given = controls()[name], frame()
    first, second = (control.apply(given, item, seed=3).frame.pixels for item in (NORMAL, ABNORMAL))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ["exposure_shifted", "pose_jittered", SHIFTED_NORMALS])
def test_other_images_and_seeds_draw_differently(name: str) -> None:
    """Two images, or two seeds, get two exposures, poses and shifts."""
    control, given = controls()[name], frame()
    other = replace(NORMAL, key="test/NORMAL/2")
    drawn = [
        control.apply(given, item, seed).frame.pixels for item, seed in [(NORMAL, 0), (other, 0), (NORMAL, 1)]
    ]
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_shifted_normals_leave_the_abnormals() -> None:
    """Only normals are taken by another machine."""
    control, given = controls()[SHIFTED_NORMALS], frame()
    assert control.apply(given, ABNORMAL, 0).frame is given
    assert control.apply(given, NORMAL, 0).frame is not given


def test_equalised_images_share_resolution_and_encoding() -> None:
    """Any size, depth and colour ends as 8-bit grey of one side, and its encoded size is known."""
    for given in (frame(90, 120), frame(500, 300, 16), frame(80, 80, colour=True)):
        after, file_bytes = equalise(given, COMMON_SIDE_PX)
        assert after.pixels.shape == (COMMON_SIDE_PX, COMMON_SIDE_PX)
        assert after.pixels.dtype == np.uint8
        assert after.bit_depth == 8
        assert file_bytes is not None
        assert file_bytes > 500


def test_equalised_images_keep_brightness_and_window() -> None:
    """Low values that mean bright come out bright."""
    inverted = replace(frame(), photometric=Photometric.MONOCHROME1)
    plain, turned = (equalise(one, COMMON_SIDE_PX).frame.pixels.astype(int) for one in (frame(), inverted))
    assert np.abs(plain + turned - 255).mean() < 3


def test_tiles_keep_their_pixels() -> None:
    """Of images in tiles, equal JPEGs are as large as the image, and low-pass is of each tile."""
    of_tiles = PreprocessSpec(size=64, fit="tile", tile_px=256)
    by_name = {control.name: control for control in all_controls(of_tiles)}
    given = frame(600, 400)
    equal = by_name["jpeg_equalised"].apply(given, NORMAL, seed=0).frame
    assert equal.pixels.shape == (600, 400)
    assert 0 < np.abs(equal.pixels.astype(int) - given.pixels).mean() < 2
    assert "224" not in by_name["jpeg_equalised"].meaning
    low = by_name["low_pass"].apply(given, NORMAL, seed=0).frame
    assert np.array_equal(low.pixels, low_pass(given, tile_px=256).pixels)
    assert not np.array_equal(low.pixels, low_pass(given).pixels)
    assert "256" in by_name["low_pass"].meaning


def test_equal_jpegs_of_a_colour_model_keep_their_colours() -> None:
    """What a model sees in colour it sees in colour there, in the order of red, green and blue."""
    in_colour = {control.name: control for control in all_controls(PreprocessSpec(colour=True))}
    given = frame(300, 300, colour=True)
    given.pixels[..., 0] //= 4
    after = in_colour["jpeg_equalised"].apply(given, NORMAL, seed=0).frame
    assert after.pixels.shape == (COMMON_SIDE_PX, COMMON_SIDE_PX, 3)
    assert after.photometric is Photometric.RGB
    assert after.pixels.mean(axis=(0, 1)) == pytest.approx(given.pixels.mean(axis=(0, 1)), abs=2)
    assert controls()["jpeg_equalised"].apply(given, NORMAL, seed=0).frame.pixels.ndim == 2


def test_masks_complement_each_other_and_betray_nothing() -> None:
    """What one mask shows the other hides, and its colour depends on what is shown alone."""
    given = frame()
    hidden = {centre: mask(given, centre=centre).pixels for centre in (True, False)}
    changed = {centre: pixels != given.pixels for centre, pixels in hidden.items()}
    assert not (changed[True] & changed[False]).any()
    assert (changed[True] | changed[False]).mean() > 0.95
    assert changed[True].mean() == pytest.approx(0.76**2, abs=0.03)
    bright = given.pixels.copy()
    bright[40:50, 50:60] = 255  # in the centre
    assert np.array_equal(mask(replace(given, pixels=bright), centre=True).pixels, hidden[True])


def test_exposure_keeps_order_of_brightness() -> None:
    """Gamma and gain are monotone: no pixel passes another."""
    given = frame(bits=16)
    after = expose(given, np.random.default_rng(1)).pixels
    order = np.argsort(given.pixels, axis=None, kind="stable")
    assert (np.diff(after.ravel()[order].astype(int)) >= 0).all()


def test_pose_moves_and_keeps_the_brightness() -> None:
    """The frame is turned a little: same size, nearly the same mean, other pixels."""
    given = frame(200, 160)
    after = move(given, np.random.default_rng(2)).pixels
    assert after.shape == given.pixels.shape
    assert float(after.mean()) == pytest.approx(float(given.pixels.mean()), rel=0.1)
    assert not np.array_equal(after, given.pixels)


@pytest.mark.parametrize("name", list(controls()))
def test_controls_change_what_is_displayed(name: str) -> None:
    """A film stored as 8 bit, in a window far from its range, and inverted ends in the same picture."""
    shown = frame(bits=8)
    beyond = shown.pixels.astype(np.uint16) * 4 + 2000
    if name not in ("plain", "jpeg_equalised"):  # these go straight to preprocessing, which shrinks first
        beyond[shown.pixels == 255] = 60000
        beyond[shown.pixels == 0] = 0
    low, high = 2000.0, 2000.0 + 4 * 255
    window = Window((low + high) / 2 + 0.5, high - low + 1)
    stored = Frame(beyond, 16, Photometric.MONOCHROME2, window, source="drawn")
    turned = Frame((65535 - beyond).astype(np.uint16), 16, Photometric.MONOCHROME1, source="drawn")
    window = Window(65535 - (low + high) / 2 + 0.5, high - low + 1)
    spec = PreprocessSpec(size=64, contrast="none")
    expected, *others = (
        preprocess(controls()[name].apply(one, NORMAL, seed=5).frame, spec)
        for one in (shown, stored, replace(turned, window=window))
    )
    for other in others:
        np.testing.assert_allclose(other, expected, atol=4 / 255)
        assert abs(float(other.mean() - expected.mean())) < 0.5 / 255
