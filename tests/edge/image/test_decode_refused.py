"""Files that are refused before or while they decode: too large, cut off, of other kinds, damaged anyhow."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sranogan_edge.errors import ImageError, OversizedImageError, UnreadableImageError
from sranogan_edge.image.decode import decode_bytes, decode_file
from tests.support.encoded_images import COLOUR, COLOUR_16, GREY, RNG, by_opencv, chunk, encoded, smooth
from tests.support.fuzz import examples


def huge_png(side: int) -> bytes:
    """A tiny file whose header declares side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def test_pixel_budget_is_checked_from_the_header() -> None:
    """A 40,000 x 40,000 header is refused at once, with the size, the budget and the cure."""
    with pytest.raises(OversizedImageError, match=r"big\.png.*40000 x 40000.*64,000,000.*max_pixels"):
        decode_bytes(huge_png(40_000), source="big.png")


def test_pixel_budget_can_be_lowered_and_raised() -> None:
    """The budget is ours alone: Pillow's own limit neither adds to it nor changes."""
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(OversizedImageError, match="2,399"):
        decode_bytes(encoded(Image.fromarray(GREY), "PNG"), source="x", max_pixels=2399)
    decode_bytes(encoded(Image.fromarray(GREY), "PNG"), source="x", max_pixels=2400)
    with pytest.raises(UnreadableImageError, match="truncated"):  # within the budget, then lacks its data
        decode_bytes(huge_png(14_000), source="x", max_pixels=200_000_000)
    assert before == Image.MAX_IMAGE_PIXELS


def test_what_the_system_refuses_is_an_image_error(tmp_path: Path) -> None:
    """A path that is too long, a pipe and a link to nowhere end no feed."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("nowhere.png")
    for path, reason in (
        (tmp_path / ("x" * 300 + ".png"), "File name too long"),
        (tmp_path / "pipe.png", "not a regular file"),
        (tmp_path / "link.png", "no such file"),
    ):
        with pytest.raises(UnreadableImageError, match=reason):
            decode_file(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000"])
def test_truncated_files_are_refused(fmt: str, share: float) -> None:
    """A file cut anywhere in its pixels is refused, never filled in."""
    data = encoded(Image.fromarray(RNG.integers(0, 256, (200, 200), np.uint8)), fmt)
    with pytest.raises(UnreadableImageError, match=r"cut\.img.*(truncated|corrupt)"):
        decode_bytes(data[: int(len(data) * share)], source="cut.img")


def test_truncated_16_bit_colour_is_refused() -> None:
    """The OpenCV path never sees a truncated file."""
    for suffix in (".png", ".tiff"):
        data = by_opencv(suffix, COLOUR_16)
        with pytest.raises(UnreadableImageError):
            decode_bytes(data[: len(data) // 2], source="x")


def test_not_an_image(tmp_path: Path) -> None:
    """Text named .png, an empty file, a folder and a missing file each say what was wrong."""
    text = tmp_path / "notes.png"
    text.write_text("patient was moved to ward 3")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    for path, reason in (
        (text, r"not a JPEG, PNG, TIFF, BMP.*begins with b'patient.*Export"),
        (empty, r"empty \(0 bytes\)"),
        (tmp_path, "is a folder"),
        (tmp_path / "gone.png", "no such file"),
    ):
        with pytest.raises(UnreadableImageError, match=reason) as caught:
            decode_file(path)
        assert str(path) in str(caught.value)


def test_bad_files_print_nothing(tmp_path: Path) -> None:
    """Neither Pillow, libtiff, libpng nor OpenCV writes to the terminal about a bad file."""
    samples = {
        "a.tif": encoded(Image.fromarray(COLOUR), "TIFF", compression="tiff_lzw")[:-300],
        "b.tif": encoded(Image.fromarray(COLOUR), "TIFF", compression="jpeg")[:400],
        "c.jpg": encoded(Image.fromarray(COLOUR), "JPEG")[:-200],
        "d.png": by_opencv(".png", COLOUR_16)[:-500],
        "e.tif": by_opencv(".tiff", COLOUR_16)[:-500],
        "f.jpg": encoded(Image.fromarray(COLOUR), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"),
    }
    for name, data in samples.items():
        (tmp_path / name).write_bytes(data)
    script = (
        "import sys, pathlib\n"
        "from sranogan_edge.image.decode import decode_file\n"
        "from sranogan_edge.errors import ImageError\n"
        "for p in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: decode_file(p)\n"
        "    except ImageError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


SEEDS = [
    encoded(Image.fromarray(smooth(24, 24)), "JPEG"),
    encoded(Image.fromarray(COLOUR[:24, :24]), "JPEG", progressive=True),
    encoded(Image.fromarray(smooth(24, 24)), "PNG"),
    by_opencv(".png", COLOUR_16[:12, :12]),
    encoded(Image.fromarray(smooth(24, 24)), "TIFF"),
    by_opencv(".tiff", COLOUR_16[:12, :12]),
    encoded(Image.fromarray(smooth(24, 24)), "GIF"),
    encoded(Image.fromarray(smooth(24, 24)), "WEBP"),
    encoded(Image.fromarray(smooth(24, 24)), "JPEG2000"),
]


@settings(max_examples=examples(400), deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    keep=st.floats(0, 1),
)
def test_mutated_bytes_raise_only_image_errors(
    seed: bytes, changes: list[tuple[float, int]], keep: float
) -> None:
    """Whatever happens to the bytes, they decode or raise an ImageError."""
    data = bytearray(seed)
    for where, value in changes:
        data[int(where * len(data))] = value
    try:
        frame = decode_bytes(bytes(data[: round(keep * len(data) * 1.5)]), source="m", max_pixels=10**6)
    except ImageError:
        return
    assert frame.pixels.dtype in (np.uint8, np.uint16)
    assert frame.pixels.ndim in (2, 3)
