"""Every kind of file that decodes, and every kind that is refused with its cure."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sranogan_edge.errors import UnreadableImageError
from sranogan_edge.image.decode import decode_bytes, decode_file
from sranogan_edge.image.formats import IMAGE_SUFFIXES
from sranogan_edge.image.frame import Photometric
from tests.support.encoded_images import COLOUR, COLOUR_16, GREY, GREY_16, by_opencv, chunk, encoded, smooth

ORIGINALS = Path(__file__).resolve().parents[4] / "shared" / "data" / "chest_xray_originals"


@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "BMP"])
def test_8_bit_grey_is_exact(tmp_path: Path, fmt: str) -> None:
    """Lossless grey formats give back the very values that were stored."""
    path = tmp_path / f"grey.{fmt.lower()}"
    Image.fromarray(GREY).save(path)
    frame = decode_file(path)
    assert path.suffix in IMAGE_SUFFIXES
    assert (frame.bit_depth, frame.photometric, frame.source) == (8, Photometric.MONOCHROME2, str(path))
    np.testing.assert_array_equal(frame.pixels, GREY)


@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "BMP"])
def test_8_bit_colour_is_exact_and_in_rgb_order(fmt: str) -> None:
    """Lossless colour formats give back R, G, B in this order."""
    frame = decode_bytes(encoded(Image.fromarray(COLOUR), fmt), source="x")
    assert (frame.bit_depth, frame.photometric) == (8, Photometric.RGB)
    assert frame.pixels.dtype == np.uint8
    np.testing.assert_array_equal(frame.pixels, COLOUR)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_kinds(mode: str, progressive: bool) -> None:
    """Baseline and progressive JPEG decode, in grey, colour and CMYK."""
    image = Image.fromarray(smooth(40, 60)).convert("RGB").convert(mode)
    frame = decode_bytes(encoded(image, "JPEG", quality=95, progressive=progressive), source="x")
    assert frame.photometric is (Photometric.MONOCHROME2 if mode == "L" else Photometric.RGB)
    grey = frame.pixels if mode == "L" else frame.pixels.mean(axis=2)
    assert np.abs(grey - smooth(40, 60)).mean() < 6


@pytest.mark.parametrize("fmt", [".png", ".tiff"])
def test_16_bit_grey_is_exact(fmt: str) -> None:
    """16-bit grey keeps all its bits."""
    frame = decode_bytes(by_opencv(fmt, GREY_16), source="x")
    assert (frame.bit_depth, frame.photometric) == (16, Photometric.MONOCHROME2)
    assert frame.pixels.dtype == np.uint16
    np.testing.assert_array_equal(frame.pixels, GREY_16)


@pytest.mark.parametrize("fmt", [".png", ".tiff"])
def test_16_bit_colour_is_exact(fmt: str) -> None:
    """16-bit colour keeps all its bits, in R, G, B order, although Pillow would cut it to 8."""
    frame = decode_bytes(by_opencv(fmt, COLOUR_16[..., ::-1]), source="x")
    assert (frame.bit_depth, frame.photometric) == (16, Photometric.RGB)
    assert frame.pixels.dtype == np.uint16
    np.testing.assert_array_equal(frame.pixels, COLOUR_16)


def test_16_bit_png_resolves_more_than_8_bits() -> None:
    """A ramp inside a single 8-bit step comes back with all its 16-bit levels."""
    ramp = np.arange(32_000, 32_200, dtype=np.uint16).reshape(10, 20)
    assert np.unique(decode_bytes(by_opencv(".png", ramp), source="x").pixels).size == 200


def test_big_endian_16_bit_tiff() -> None:
    """A Motorola-order TIFF (mode I;16B) gives native uint16 of the same values."""
    strip = GREY_16.astype(">u2").tobytes()
    frame = decode_bytes(grey_tiff(strip, bits=16, order=">"), source="x")
    assert frame.pixels.dtype == np.uint16
    assert frame.pixels.dtype.isnative
    np.testing.assert_array_equal(frame.pixels, GREY_16)


def test_white_is_zero_16_bit_tiff_is_monochrome1() -> None:
    """A 16-bit TIFF whose zero is white keeps its values and says so."""
    frame = decode_bytes(grey_tiff(GREY_16.tobytes(), bits=16, photometric=0), source="x")
    assert frame.photometric is Photometric.MONOCHROME1
    np.testing.assert_array_equal(frame.pixels, GREY_16)


def test_32_bit_integers_that_fit_are_taken_and_others_refused() -> None:
    """32-bit TIFF decodes where its values fit 16 bits; else the message gives the range."""
    fits = Image.fromarray(GREY_16.astype(np.int32))
    np.testing.assert_array_equal(decode_bytes(encoded(fits, "TIFF"), source="x").pixels, GREY_16)
    wide = Image.fromarray(GREY_16.astype(np.int32) * 3)
    with pytest.raises(UnreadableImageError, match=r"do not fit 0\.\.65535"):
        decode_bytes(encoded(wide, "TIFF"), source="x")


def test_float_tiff_is_refused_with_the_cure() -> None:
    """Float pixels have no full scale, so they are refused rather than guessed."""
    with pytest.raises(UnreadableImageError, match=r"f\.tif: 32-bit float.*Export"):
        decode_bytes(encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF"), source="f.tif")


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_opaque_alpha_changes_nothing_and_transparent_is_black(mode: str) -> None:
    """Alpha is composited over black: 255 keeps the value, 128 halves it, 0 gives 0."""
    bands = [Image.fromarray(GREY)] * (1 if mode == "LA" else 3)
    for alpha, factor in ((255, 1.0), (128, 128 / 255), (0, 0.0)):
        image = Image.merge(mode, [*bands, Image.new("L", bands[0].size, alpha)])
        pixels = decode_bytes(encoded(image, "PNG"), source="x").pixels
        assert pixels.shape == ((40, 60) if mode == "LA" else (40, 60, 3))
        first = pixels if mode == "LA" else pixels[..., 0]
        np.testing.assert_allclose(first, GREY * factor, atol=0.5)


def test_every_colour_under_every_alpha_is_rounded_to_the_nearest() -> None:
    """All 65,536 pairs of 8 bits; of 16 bits those near the ends and halves, by 64-bit division."""
    colour, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    pixels = decode_bytes(
        encoded(Image.merge("LA", [*map(Image.fromarray, (colour, alpha))]), "PNG"), source="x"
    )
    np.testing.assert_array_equal(pixels.pixels, np.rint(colour * (alpha / 255)))
    ends = np.array([0, 1, 2, 127, 128, 255, 256, 257, 21845, 32767, 32768, 43690, 65533, 65534, 65535])
    c, a = (plane.astype(np.uint64) for plane in np.meshgrid(ends, ends))
    deep = decode_bytes(by_opencv(".png", np.dstack([c, c, c, a]).astype(np.uint16)), source="x").pixels
    np.testing.assert_array_equal(deep[..., 0], (2 * c * a + 65535) // (2 * 65535))


def test_16_bit_alpha_keeps_16_bits() -> None:
    """16-bit RGBA is composited in 16 bits."""
    half = np.dstack([COLOUR_16, np.full((40, 60), 32768, np.uint16)])
    pixels = decode_bytes(by_opencv(".png", half[..., [2, 1, 0, 3]]), source="x").pixels
    np.testing.assert_allclose(pixels, COLOUR_16 * (32768 / 65535), atol=0.51)


def test_palette_and_one_bit() -> None:
    """Palette images become colour; 1-bit images become 0 and 255."""
    palette = Image.fromarray(COLOUR).quantize(16)
    frame = decode_bytes(encoded(palette, "PNG"), source="x")
    np.testing.assert_array_equal(frame.pixels, np.asarray(palette.convert("RGB")))
    for fmt in ("PNG", "TIFF", "BMP"):
        frame = decode_bytes(encoded(Image.fromarray(GREY > 128), fmt), source="x")
        pixels = frame.pixels if frame.pixels.ndim == 2 else frame.pixels[..., 0]
        np.testing.assert_array_equal(pixels, (GREY > 128) * np.uint8(255))


def test_transparent_palette_entry_is_black() -> None:
    """A palette PNG with a transparent entry is composited too."""
    palette = Image.fromarray(COLOUR).quantize(16)
    frame = decode_bytes(encoded(palette, "PNG", transparency=3), source="x")
    assert (frame.pixels[np.asarray(palette) == 3] == 0).all()


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, fmt: str) -> None:
    """All eight orientations come back upright, in every format that can carry one."""
    upright = np.repeat(np.repeat(np.array([[250, 180, 120], [60, 30, 5]], np.uint8), 16, 0), 16, 1)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    frame = decode_bytes(encoded(image, fmt, exif=exif), source="x")
    np.testing.assert_allclose(frame.pixels.astype(int), upright, atol=6)


@pytest.mark.parametrize("fmt", [".png", ".tiff"])
def test_exif_orientation_of_16_bit_colour(fmt: str) -> None:
    """16-bit colour, which takes the other decoder, is turned exactly once."""
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = by_opencv(fmt, np.rot90(COLOUR_16)[..., ::-1])
    if fmt == ".png":
        block = exif.tobytes().removeprefix(b"Exif\0\0")
        data = plain[:33] + chunk(b"eXIf", block) + plain[33:]
    else:
        data = with_tiff_orientation(plain, 6)
    np.testing.assert_array_equal(decode_bytes(data, source="x").pixels, COLOUR_16)


def test_multi_page_tiff_gives_the_first_page(tmp_path: Path) -> None:
    """Of several pages, the first counts."""
    path = tmp_path / "pages.tif"
    first = Image.fromarray(GREY)
    first.save(path, save_all=True, append_images=[Image.new("L", (9, 9)), Image.new("L", (5, 5))])
    np.testing.assert_array_equal(decode_file(path).pixels, GREY)


def test_one_pixel_and_all_black_decode() -> None:
    """Decoding does not judge: 1x1 and all-black files are frames."""
    assert decode_bytes(encoded(Image.new("L", (1, 1), 9), "PNG"), source="x").pixels.tolist() == [[9]]
    assert not decode_bytes(encoded(Image.new("RGB", (50, 50)), "JPEG"), source="x").pixels.any()


def grey_tiff(strip: bytes, *, bits: int, photometric: int = 1, order: str = "<") -> bytes:
    """A minimal one-strip TIFF of 60 x 40 pixels."""
    entries = [(256, 60), (257, 40), (258, bits), (259, 1), (262, photometric), (273, 0), (277, 1), (278, 40)]
    offset = 8 + 2 + 12 * (len(entries) + 1) + 4
    body = b"".join(
        struct.pack(order + "HHIHH", tag, 3, 1, offset if tag == 273 else value, 0) for tag, value in entries
    )
    body += struct.pack(order + "HHII", 279, 4, 1, len(strip))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "H", len(entries) + 1) + body + b"\0\0\0\0" + strip


def with_tiff_orientation(data: bytes, value: int) -> bytes:
    """Append a copy of the first directory that holds an orientation, and point the header at it."""
    (at,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[at : at + 2])
    entries = [data[at + 2 + 12 * i : at + 14 + 12 * i] for i in range(count)]
    entries = [e for e in entries if struct.unpack("<H", e[:2])[0] != 0x0112]
    entries.append(struct.pack("<HHIHH", 0x0112, 3, 1, value, 0))
    entries.sort(key=lambda e: struct.unpack("<H", e[:2])[0])
    pad = b"\0" * (len(data) % 2)
    new_at = struct.pack("<I", len(data) + len(pad))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    return data[:4] + new_at + data[8:] + pad + directory


@pytest.mark.parametrize(
    ("fmt", "suffix", "options"),
    [
        ("GIF", ".gif", {}),
        ("WEBP", ".webp", {"lossless": True}),
        ("JPEG2000", ".jp2", {}),
        ("JPEG2000", ".jp2", {"no_jp2": True}),
        ("PNG", ".jfif", {}),
        ("PNG", ".jpe", {}),
    ],
)
def test_formats_that_others_write(tmp_path: Path, fmt: str, suffix: str, options: dict[str, Any]) -> None:
    """GIF, WebP and JPEG 2000 give back what was stored, and the suffixes that go round are known."""
    path = tmp_path / f"film{suffix}"
    path.write_bytes(encoded(Image.fromarray(GREY), fmt, **options))
    frame = decode_file(path)
    assert suffix in IMAGE_SUFFIXES
    assert frame.bit_depth == 8
    grey = frame.pixels if frame.pixels.ndim == 2 else frame.pixels[..., 0]
    np.testing.assert_array_equal(grey, GREY)


def test_of_a_moving_picture_the_first() -> None:
    """A GIF or WebP of several pictures gives the first one."""
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    for fmt, options in (("GIF", {}), ("WEBP", {"lossless": True})):
        data = encoded(first, fmt, save_all=True, append_images=[second], **options)
        pixels = decode_bytes(data, source="x").pixels
        np.testing.assert_array_equal(pixels if pixels.ndim == 2 else pixels[..., 0], GREY)


def test_16_bit_jpeg_2000_keeps_its_bits() -> None:
    """Grey of 16 bits comes back as stored."""
    frame = decode_bytes(encoded(Image.fromarray(GREY_16), "JPEG2000"), source="x")
    assert frame.bit_depth == 16
    np.testing.assert_array_equal(frame.pixels, GREY_16)


def test_real_originals_decode() -> None:
    """Clinical files of many sizes, grey and colour, decode at full size."""
    if not ORIGINALS.is_dir():
        pytest.skip(f"the original radiographs are not at {ORIGINALS}")
    frames = [decode_file(path) for path in sorted(ORIGINALS.glob("*.jpeg"))]
    assert len(frames) == 14
    assert {frame.photometric for frame in frames} == {Photometric.MONOCHROME2, Photometric.RGB}
    assert {(1944, 1624), (140, 445)} <= {frame.pixels.shape[:2] for frame in frames}
