"""Colour: the opponents beside the luminance, which images have any, and that no kind of file loses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from sranogan_edge.image.colour import NEUTRAL, as_rgb, colour_note, is_colourful, opponents
from sranogan_edge.image.decode import decode_bytes
from sranogan_edge.image.dicom_pixels import decode_dicom
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, enhance, preprocess

GREY = PreprocessSpec(size=32, contrast="none")
COLOUR = replace(GREY, colour=True)
RED, BLUE = (220, 40, 40), (40, 60, 210)
Encode = Callable[[np.ndarray], bytes]


def patched(colour: tuple[int, int, int] = RED, side: int = 64) -> np.ndarray:
    """Grey noise ``(side, side, 3)`` with R = G = B, its left upper quarter of one colour."""
    noise = np.random.default_rng(0).integers(60, 200, (side, side, 1), np.uint8)
    rgb = np.repeat(noise, 3, axis=2)
    rgb[: side // 2, : side // 2] = colour
    return rgb


def test_greys_are_neutral() -> None:
    """R = G = B gives exactly one half of each opponent, in 8 bits and in 16, from black to white."""
    for full, kind in ((255, np.uint8), (65535, np.uint16)):
        ramp = np.repeat(np.linspace(0, full, 32 * 32).astype(kind).reshape(32, 32, 1), 3, axis=2)
        x = preprocess(Frame.of(ramp), COLOUR)
        assert (x[..., 1:] == NEUTRAL).all()
        np.testing.assert_array_equal(x[..., :1], preprocess(Frame.of(ramp[..., 0]), GREY))
        np.testing.assert_array_equal(x, preprocess(Frame.of(ramp[..., 0]), COLOUR))


def test_the_luminance_is_that_of_a_grey_bundle() -> None:
    """With colour or without, to the bit, stretched or padded; what pads is black and neutral."""
    rgb = np.random.default_rng(1).integers(0, 256, (40, 70, 3), np.uint8)
    for fit in ("stretch", "pad"):
        grey, colour = (replace(spec, fit=fit) for spec in (GREY, COLOUR))
        x = preprocess(Frame.of(rgb), colour)
        assert x.shape == (32, 32, 3)
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x[..., :1], preprocess(Frame.of(rgb), grey))
        np.testing.assert_array_equal(enhance(x, colour), enhance(x[..., :1], grey))
    assert (x[0] == (0, NEUTRAL, NEUTRAL)).all()
    assert not (x[16, :, 1:] == NEUTRAL).any()


def test_opponents_say_which_colour() -> None:
    """Red is above and green below the middle of the first, yellow above and blue below it of the second."""
    named: dict[str, tuple[float, float, float]] = {
        "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1),
    }  # fmt: skip
    found = {name: opponents(np.array([[rgb]], np.float32))[0, 0].tolist() for name, rgb in named.items()}
    assert found["red"] == [1, 0.75]
    assert found["green"] == [0, 0.75]
    assert found["blue"] == [0.5, 0]
    assert found["yellow"] == [0.5, 1]
    assert found["white"] == [0.5, 0.5]


def test_colours_come_back() -> None:
    """Luminance and opponents hold all of R, G and B."""
    rgb = np.random.default_rng(2).random((8, 8, 3)).astype(np.float32)
    luminance = rgb @ np.array([[0.299], [0.587], [0.114]], np.float32)
    x = np.concatenate([luminance, opponents(rgb)], axis=-1)
    np.testing.assert_allclose(as_rgb(x), rgb, atol=1e-6)
    np.testing.assert_array_equal(as_rgb(luminance), np.repeat(luminance, 3, axis=-1))


def by_pillow(mode: str, fmt: str, **options: Any) -> Encode:
    """Encode R, G, B in one of Pillow's modes."""

    def encode(rgb: np.ndarray) -> bytes:
        stream = BytesIO()
        Image.fromarray(rgb).convert(mode).save(stream, fmt, **options)
        return stream.getvalue()

    return encode


def by_opencv(suffix: str, alpha: bool = False) -> Encode:
    """Encode R, G, B with 16 bits, opaque alpha too where asked for."""

    def encode(rgb: np.ndarray) -> bytes:
        deep = rgb[..., ::-1].astype(np.uint16) * 257
        if alpha:
            deep = np.concatenate([deep, np.full_like(deep[..., :1], 65535)], axis=2)
        return bytes(cv2.imencode(suffix, deep)[1].tobytes())

    return encode


KINDS: dict[str, Encode] = {
    "PNG": by_pillow("RGB", "PNG"),
    "PNG with alpha": by_pillow("RGBA", "PNG"),
    "PNG with a palette": by_pillow("P", "PNG"),
    "GIF": by_pillow("RGB", "GIF"),
    "JPEG": by_pillow("RGB", "JPEG", quality=95),
    "JPEG with half the colour samples": by_pillow("RGB", "JPEG", quality=95, subsampling=2),
    "JPEG in CMYK": by_pillow("CMYK", "JPEG", quality=95),
    "TIFF in CMYK": by_pillow("CMYK", "TIFF"),
    "WebP": by_pillow("RGB", "WEBP", quality=95),
    "JPEG 2000": by_pillow("RGB", "JPEG2000"),
    "BMP": by_pillow("RGB", "BMP"),
    "PNG of 16 bits": by_opencv(".png"),
    "PNG of 16 bits with alpha": by_opencv(".png", alpha=True),
    "TIFF of 16 bits": by_opencv(".tiff"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_keeps_its_colours(kind: str) -> None:
    """A red patch is red and a blue one blue, whatever they were stored in; grey around them is neutral."""
    for colour in (RED, BLUE):
        rgb = patched(colour)
        x = preprocess(decode_bytes(KINDS[kind](rgb), source=kind), COLOUR)
        expected = opponents((np.array([[colour]]) / 255).astype(np.float32))[0, 0]
        np.testing.assert_allclose(x[4:12, 4:12, 1:].mean(axis=(0, 1)), expected, atol=0.03)
        np.testing.assert_allclose(x[20:28, 20:28, 1:].mean(axis=(0, 1)), NEUTRAL, atol=0.03)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_grey_files_are_neutral(mode: str) -> None:
    """Grey of any kind has one half of each opponent."""
    values = patched()[..., 0].astype(np.uint16 if mode == "I;16" else np.uint8)
    stream = BytesIO()
    image = Image.fromarray(values) if mode == "I;16" else Image.fromarray(values).convert(mode)
    image.save(stream, "PNG")
    frame = decode_bytes(stream.getvalue(), source=mode)
    if mode == "I;16":
        frame = replace(frame, bit_depth=8)
    assert (preprocess(frame, COLOUR)[..., 1:] == NEUTRAL).all()
    assert not is_colourful(frame)


@pytest.mark.parametrize("stored_as", ["RGB", "YBR_FULL"])
def test_dicom_objects_keep_their_colours(make_dicom: Callable[..., bytes], stored_as: str) -> None:
    """R, G, B, or luminance with blue and red differences: a red patch is red."""
    rgb = patched()
    stored = rgb if stored_as == "RGB" else cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    (frame,) = decode_dicom(make_dicom(stored, PhotometricInterpretation=stored_as), source="x")
    x = preprocess(frame, COLOUR)
    expected = opponents((np.array([[RED]]) / 255).astype(np.float32))[0, 0]
    np.testing.assert_allclose(x[4:12, 4:12, 1:].mean(axis=(0, 1)), expected, atol=0.03)
    np.testing.assert_allclose(x[20:28, 20:28, 1:].mean(axis=(0, 1)), NEUTRAL, atol=0.03)


def noisy(sd: float) -> np.ndarray:
    """Grey, as a camera's three noisy channels have it."""
    rng = np.random.default_rng(3)
    return (patched((90, 90, 90)) + rng.normal(0, sd, (64, 64, 3))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (patched(), True),
        (patched()[..., 0], False),
        (patched((90, 90, 90)), False),
        (noisy(4), False),
        (np.pad(patched(side=16), ((0, 48), (0, 48), (0, 0)), mode="constant"), True),
        (patched(side=1200), True),
        (patched().astype(np.uint16) * 257, True),
    ],
    ids=["red patch", "grey", "three equal channels", "noise", "small patch", "large", "16 bits"],
)
def test_which_frames_have_colour(pixels: np.ndarray, expected: bool) -> None:
    """Three channels alone are no colour, and neither is noise; a patch of a hundredth is one."""
    assert is_colourful(Frame.of(pixels)) is expected


def test_few_bits_in_many_are_looked_at_by_their_own_full_scale() -> None:
    """12 bits in 16: the same picture has colour or has none, however it is stored."""
    deep = patched((110, 100, 100)).astype(np.uint16) * 16
    assert not is_colourful(Frame.of(deep, bit_depth=12))
    assert is_colourful(Frame.of(patched().astype(np.uint16) * 16, bit_depth=12))


def test_what_a_bundle_does_not_take_is_said() -> None:
    """Colour into a grey bundle and grey into a colour one, in words; nothing where they agree."""
    colour, grey = Frame.of(patched()), Frame.of(patched()[..., 0])
    stored_as_colour = Frame.of(patched((90, 90, 90)))
    assert colour_note(colour, takes_colour=True) == ""
    assert colour_note(grey, takes_colour=False) == ""
    assert colour_note(stored_as_colour, takes_colour=False) == ""
    assert colour_note(colour, takes_colour=False).startswith("a colour image, judged by a bundle of grey")
    for frame in (grey, stored_as_colour):
        assert colour_note(frame, takes_colour=True).startswith("a grey image, judged by a bundle of colour")
