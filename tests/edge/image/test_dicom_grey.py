"""Rescale, windows and tables show the right values, wherever an object has them and however written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.errors import UnreadableImageError
from sranogan_edge.image.dicom_pixels import decode_dicom
from sranogan_edge.image.frame import Photometric, Window
from tests.support.dicom_objects import GREY_8, GREY_12, RNG, SIGNED, case, changed, one, table, written

Make = Callable[..., bytes]


def window_item(center: float, width: float) -> pydicom.Sequence:
    """A frame VOI LUT sequence."""
    item = pydicom.Dataset()
    item.WindowCenter, item.WindowWidth = center, width
    return pydicom.Sequence([item])


def rescale_item(slope: float, intercept: float) -> pydicom.Sequence:
    """A pixel value transformation sequence."""
    item = pydicom.Dataset()
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = slope, intercept, "US"
    return pydicom.Sequence([item])


def grouped(data: bytes, shared: dict[str, Any], per_frame: list[dict[str, Any]]) -> bytes:
    """An object with functional groups."""

    def put(dataset: pydicom.Dataset) -> None:
        items = []
        for attributes in (shared, *per_frame):
            items.append(pydicom.Dataset())
            for keyword, value in attributes.items():
                setattr(items[-1], keyword, value)
        dataset.SharedFunctionalGroupsSequence = pydicom.Sequence(items[:1])
        dataset.PerFrameFunctionalGroupsSequence = pydicom.Sequence(items[1:])

    return changed(data, put)


def test_a_frames_own_groups_come_before_shared_ones_and_the_object(make_dicom: Make) -> None:
    """Each frame has the window and rescale of its own groups, else the shared ones, else the object's."""
    stack = np.stack([GREY_12] * 3)
    plain = make_dicom(
        stack, BitsStored=12, WindowCenter=10, WindowWidth=20, RescaleSlope=1, RescaleIntercept=0
    )
    own = {
        "FrameVOILUTSequence": window_item(1000, 500),
        "PixelValueTransformationSequence": rescale_item(2, 8),
    }
    shared = {"FrameVOILUTSequence": window_item(300, 100)}
    first, second, third = decode_dicom(grouped(plain, shared, [own, {}, {}]), source="x")
    # 2 * stored + 8 in 750..1249 is black to white: stored 371..620.5
    assert first.window == Window(center=496.25, width=250.5)
    assert second.window == third.window == Window(300, 100)
    without = decode_dicom(grouped(plain, {}, [{}, own, {}]), source="x")
    assert [frame.window for frame in without] == [Window(10, 20), first.window, Window(10, 20)]


def test_a_frames_own_voi_table(make_dicom: Make) -> None:
    """A VOI table in a frame's groups is applied to this frame alone."""
    item = pydicom.Dataset()
    item.VOILUTSequence = table(0, list(range(255, -1, -1)), 8)
    own = {"FrameVOILUTSequence": pydicom.Sequence([item])}
    turned, plain = decode_dicom(grouped(make_dicom(np.stack([GREY_8] * 2)), {}, [own, {}]), source="x")
    np.testing.assert_array_equal(turned.pixels, 255 - GREY_8)
    np.testing.assert_array_equal(plain.pixels, GREY_8)


@pytest.mark.parametrize("name", ["h_enh_flat", "h_enh_shared", "h_enh_perframe"])
def test_one_window_in_three_places_is_one_picture(name: str) -> None:
    """The same window on top, in shared and in per-frame groups says the same of every frame."""
    frames = decode_dicom(case(f"functional-groups/{name}"), source="x")
    assert [frame.window for frame in frames] == [Window(1512, 1024)] * 2


@pytest.mark.parametrize("voi", ["window", "VOILUTSequence", "SIGMOID"])
def test_a_rescale_beside_a_modality_table_is_passed_over(make_dicom: Make, voi: str) -> None:
    """The table says what stored values mean; what comes after it is in its values, rescaled by nothing."""
    means = [3000 - 10 * i for i in range(256)]
    ways: dict[str, dict[str, Any]] = {
        "window": {"WindowCenter": 1700, "WindowWidth": 2000},
        "VOILUTSequence": {"VOILUTSequence": table(450, list(range(2551)), 12)},
        "SIGMOID": {"WindowCenter": 1700, "WindowWidth": 2000, "VOILUTFunction": "SIGMOID"},
    }
    frame = one(
        make_dicom(
            GREY_8, ModalityLUTSequence=table(0, means, 12), RescaleSlope=3, RescaleIntercept=-40, **ways[voi]
        )
    )
    expected = 3000.0 - 10 * GREY_8.astype(int)
    if voi == "window":
        np.testing.assert_array_equal(frame.pixels, expected)
        assert frame.window == Window(1700, 2000)
    elif voi == "SIGMOID":
        curve = 65535 / (1 + np.exp(-4 * (expected - 1700) / 2000))
        np.testing.assert_allclose(frame.pixels, curve, atol=1)
    else:
        np.testing.assert_array_equal(frame.pixels, expected - 450)


@pytest.mark.parametrize("entries", [100, 101])
@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("syntax", ["ExplicitVRLittleEndian", "ImplicitVRLittleEndian"])
def test_tables_of_packed_bytes(make_dicom: Make, sequence: str, syntax: str, entries: int) -> None:
    """A table of 8-bit entries, two in a word, maps as one of a word each."""
    values = [(7 * i) % 256 for i in range(entries)]
    data = make_dicom(GREY_8, syntax, **{sequence: table(50, values, 8, packed=True)})
    frame = one(data)
    assert frame.bit_depth == 8
    expected = np.array(values)[(GREY_8.astype(int) - 50).clip(0, entries - 1)]
    np.testing.assert_array_equal(frame.pixels, expected)


@pytest.mark.parametrize(
    ("pixels", "attributes"),
    [(SIGNED, {"PixelRepresentation": 1}), (GREY_12, {"RescaleSlope": 1, "RescaleIntercept": -2048})],
    ids=["signed", "rescaled below 0"],
)
@pytest.mark.parametrize(("first", "vr"), [(65536 - 500, "US"), (-500, "SS")])
def test_a_table_that_begins_below_zero(
    make_dicom: Make, pixels: NDArray[Any], attributes: dict[str, int], first: int, vr: str
) -> None:
    """A VOI table whose first mapped value is negative is read as such, whatever its VR says."""
    values = [i * 4 for i in range(1000)]
    data = make_dicom(pixels, BitsStored=12, VOILUTSequence=table(first, values, 12, vr=vr), **attributes)
    expected = np.array(values)[
        (pixels.astype(int) + attributes.get("RescaleIntercept", 0) + 500).clip(0, 999)
    ]
    np.testing.assert_array_equal(one(data).pixels, expected)


def test_a_table_that_begins_high_stays_unsigned(make_dicom: Make) -> None:
    """A first mapped value above 32767 of unsigned 16-bit values is what it says."""
    deep = RNG.integers(0, 65536, (40, 60), np.uint16)
    values = list(range(0, 65536, 16))
    data = make_dicom(deep, VOILUTSequence=table(40000, values, 16))
    np.testing.assert_array_equal(
        one(data).pixels, np.array(values)[(deep.astype(int) - 40000).clip(0, 4095)]
    )


def step(limit: float) -> NDArray[np.uint8]:
    """GREY_8, white above the limit."""
    return np.where(limit < GREY_8, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_of_width_1_is_a_step(make_dicom: Make, photometric: str) -> None:
    """Width 1 is legal: up to center - 0.5 all is black, above it white (PS3.3, C.11.2.1.2.1)."""
    attributes = {"WindowCenter": 128, "WindowWidth": 1, "PhotometricInterpretation": photometric}
    frame = one(make_dicom(GREY_8, **attributes))
    np.testing.assert_array_equal(frame.pixels, step(127.5))
    assert (frame.bit_depth, frame.window, frame.photometric) == (8, None, Photometric(photometric))
    rescaled = one(make_dicom(GREY_8, RescaleSlope=-2, RescaleIntercept=100, **attributes))
    np.testing.assert_array_equal(rescaled.pixels, np.where(GREY_8 * -2.0 + 100 > 127.5, 255, 0))


def test_a_linear_window_below_1_means_the_values_between_its_ends(make_dicom: Make) -> None:
    """LINEAR with a width below 1 is not allowed; it is read as LINEAR_EXACT, as which it is."""
    small = {"BitsStored": 12, "RescaleSlope": 1 / 4096, "RescaleIntercept": 0}
    exact, linear = (
        one(make_dicom(GREY_12, WindowCenter=0.25, WindowWidth=0.5, VOILUTFunction=function, **small)).window
        for function in ("LINEAR_EXACT", "LINEAR")
    )
    assert exact == linear == Window(1024.5, 2049)  # stored 0 to 2048


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("center", "width"), [("128", "0"), ("128", "-4"), ("None", "None"), ("nan", "9"), ("9", "")]
)
def test_a_window_that_shows_nothing_is_left_out_and_told(
    make_dicom: Make, function: str, center: str, width: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A window without width, or that is no number, is no window: the log says so in its own words."""

    def put(dataset: pydicom.Dataset) -> None:
        written(dataset, "WindowCenter", center)
        written(dataset, "WindowWidth", width)
        dataset.VOILUTFunction = function

    with caplog.at_level(logging.WARNING, "sranogan_edge"):
        frame = one(changed(make_dicom(GREY_8), put))
    np.testing.assert_array_equal(frame.pixels, GREY_8)
    assert frame.window is None
    assert f"a window of center {center!r} and width {width!r} shows nothing" in caplog.text


def test_the_first_window_that_shows_something_counts(make_dicom: Make) -> None:
    """Of several windows, one of width 0 is passed over."""
    frame = one(make_dicom(GREY_8, WindowCenter=[5, 100], WindowWidth=[0, 50]))
    assert frame.window == Window(100, 50)


def test_a_window_that_the_rescale_puts_nowhere_is_refused(make_dicom: Make) -> None:
    """A slope so small that the window is beyond all numbers: the message has those of the file."""

    def put(dataset: pydicom.Dataset) -> None:
        written(dataset, "RescaleSlope", "1e-300")
        written(dataset, "WindowCenter", "5e9")
        written(dataset, "WindowWidth", "1e10")

    with pytest.raises(UnreadableImageError, match=r"center 5e\+09 and width 1e\+10 .* slope of 1e-300"):
        one(changed(make_dicom(GREY_8), put))


@pytest.mark.parametrize("text", ["550,5", "550.5", " 550,5", "5505e-1", "550,5\\1"])
def test_a_decimal_comma_is_a_decimal_point(make_dicom: Make, text: str) -> None:
    """Numbers with a decimal comma are what they were meant to be, in window and rescale."""

    def put(dataset: pydicom.Dataset) -> None:
        written(dataset, "WindowCenter", text)
        written(dataset, "WindowWidth", text)
        written(dataset, "RescaleIntercept", "-0,5")
        written(dataset, "RescaleSlope", "1")

    assert one(changed(make_dicom(GREY_12, BitsStored=12), put)).window == Window(551, 550.5)


def test_a_rescale_that_is_no_number_is_refused_in_its_own_words(make_dicom: Make) -> None:
    """Without the rescale a window has no place: the message has the text of the file."""
    data = changed(make_dicom(GREY_8), lambda dataset: written(dataset, "RescaleSlope", "1,2,3"))
    with pytest.raises(UnreadableImageError, match="RescaleSlope is '1,2,3', which is no number"):
        one(data)


@pytest.mark.parametrize("shape", ["IDENTITY", "INVERSE", "LIN OD"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_shape_of_the_presentation_table_says_nothing_more(
    make_dicom: Make, photometric: str, shape: str
) -> None:
    """INVERSE stands beside MONOCHROME1 and says the same again: a picture is turned round once."""
    frame = one(make_dicom(GREY_8, PhotometricInterpretation=photometric, PresentationLUTShape=shape))
    assert frame.photometric is Photometric(photometric)
    np.testing.assert_array_equal(frame.pixels, GREY_8)
