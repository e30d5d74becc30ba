"""Headers that lack what the rest tells are read, files without preamble too; messages tell what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.image.decode import decode_bytes
from sranogan_edge.image.dicom_pixels import decode_dicom
from sranogan_edge.image.files import list_images
from sranogan_edge.image.frame import Photometric
from sranogan_edge.image.sniff import is_dicom
from tests.support.dicom_objects import (
    CASES,
    GREY_8,
    GREY_12,
    RNG,
    case,
    changed,
    one,
    without_meta,
    without_preamble,
)

Make = Callable[..., bytes]


SYNTAXES = ["ImplicitVRLittleEndian", "ExplicitVRLittleEndian", "ExplicitVRBigEndian"]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("cut", [without_preamble, without_meta, lambda data: data[128:]])
def test_files_without_preamble(
    make_dicom: Make, cut: Callable[[bytes], bytes], syntax: str, tmp_path: Path
) -> None:
    """A file without preamble, with meta information or not, is DICOM, decodes, and is found in folders."""
    pixels = GREY_12.byteswap() if syntax == "ExplicitVRBigEndian" else GREY_12
    data = cut(make_dicom(GREY_12, syntax, BitsStored=12, PixelData=pixels.tobytes()))
    assert is_dicom(data[:132])
    np.testing.assert_array_equal(one(data).pixels, GREY_12)
    np.testing.assert_array_equal(decode_bytes(data, source="x").pixels, GREY_12)
    (tmp_path / "IM0001").write_bytes(data)
    (tmp_path / "IM0002").write_bytes(b"\x08\x00 some other file " * 10)
    assert list(list_images([tmp_path]).taken) == [tmp_path / "IM0001"]


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"\x02\x00" + bytes(200),
        b"\x08\x00" + bytes(200),
        b"\x08\x00" * 100,
        b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + bytes(200),
        b"DICM" + bytes(200),
        b"%PDF-1.4" + bytes(200),
        b"\x89PNG\r\n\x1a\n" * 20,
    ],
)
def test_what_begins_a_little_alike_is_no_dicom(other: bytes) -> None:
    """Two elements have to follow each other: a first tag by chance is not enough."""
    assert not is_dicom(other[:132])


def test_meta_information_that_does_not_name_the_syntax(make_dicom: Make) -> None:
    """With the prefix, but no transfer syntax or no meta information: the data set tells the encoding."""
    for syntax in ("ImplicitVRLittleEndian", "ExplicitVRLittleEndian"):
        data = make_dicom(GREY_8, syntax)
        uid = getattr(pydicom.uid, syntax).encode()
        at = data.index(b"\x02\x00\x10\x00UI")
        cut = data[:at] + data[at + 8 + len(uid) + len(uid) % 2 :]
        for one_without in (cut, bytes(128) + b"DICM" + without_meta(data)):
            np.testing.assert_array_equal(one(one_without).pixels, GREY_8)


@pytest.mark.parametrize("cut", [without_preamble, lambda data: data])
def test_a_deflated_file_without_preamble(make_dicom: Make, cut: Callable[[bytes], bytes]) -> None:
    """It is inflated from where it begins."""

    def deflate(dataset: pydicom.Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian

    np.testing.assert_array_equal(one(cut(changed(make_dicom(GREY_8), deflate))).pixels, GREY_8)


@pytest.mark.parametrize("number", [0, "", None])
@pytest.mark.parametrize("many", [1, 3])
def test_no_number_of_frames_is_as_many_as_there_are(make_dicom: Make, number: Any, many: int) -> None:
    """NumberOfFrames 0, empty or absent: as many as the pixel data hold."""
    stack = np.stack([GREY_8] * many)
    frames = decode_dicom(make_dicom(stack, NumberOfFrames=number), source="x")
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in frames]), stack)


ABSENT: list[tuple[dict[str, Any], NDArray[Any], int]] = [
    ({"BitsStored": None, "HighBit": None}, GREY_8, 8),
    ({"BitsStored": None, "HighBit": 11}, GREY_12, 12),
    ({"BitsStored": 12, "HighBit": None}, GREY_12, 12),
    ({"BitsAllocated": None}, GREY_8, 8),
    ({"BitsAllocated": None, "BitsStored": 12}, GREY_12, 12),
    ({"PixelRepresentation": None}, GREY_8, 8),
    ({"SamplesPerPixel": None}, GREY_8, 8),
    ({"PhotometricInterpretation": "monochrome2"}, GREY_8, 8),
    ({"PhotometricInterpretation": " Monochrome2 "}, GREY_8, 8),
]


@pytest.mark.filterwarnings("ignore")  # pydicom warns of what is written here on purpose
@pytest.mark.parametrize(("attributes", "pixels", "bits"), ABSENT)
def test_what_the_rest_tells_need_not_be_written(
    make_dicom: Make, attributes: dict[str, Any], pixels: NDArray[Any], bits: int
) -> None:
    """Bits, sign and samples that follow from the rest may be absent; names may be in lower case."""
    frame = one(make_dicom(pixels, **attributes))
    assert (frame.bit_depth, frame.photometric) == (bits, Photometric.MONOCHROME2)
    np.testing.assert_array_equal(frame.pixels, pixels)


@pytest.mark.filterwarnings("ignore")  # the same
def test_colour_without_samples(make_dicom: Make) -> None:
    """RGB has three samples a pixel, said or not."""
    colour = RNG.integers(0, 256, (40, 60, 3), np.uint8)
    attributes = {"SamplesPerPixel": None, "PhotometricInterpretation": "rgb"}
    np.testing.assert_array_equal(one(make_dicom(colour, **attributes)).pixels, colour)


def test_messages_name_no_numbers_that_are_not_in_the_file(make_dicom: Make) -> None:
    """What a header leaves out is not told as if it said it."""
    for attributes, wrong in (
        ({"SamplesPerPixel": None, "PhotometricInterpretation": "PALETTE COLOR"}, "1 x"),
        ({"Rows": 0, "NumberOfFrames": None}, "1 frames"),
        ({"BitsStored": 0, "HighBit": None}, "bit -1"),
        ({"Rows": 65535, "Columns": 65535, "NumberOfFrames": None}, "1 x 65535"),
    ):
        with pytest.raises(Exception, match=r"^x: ") as raised:
            one(make_dicom(GREY_8, **attributes))
        assert wrong not in str(raised.value)


READABLE = sorted(path.name for path in (CASES / "refused-though-readable").glob("*"))


@pytest.mark.parametrize("name", READABLE)
def test_readable_files_are_read(name: str) -> None:
    """Every example of a readable file gives a frame with more than one brightness."""
    frame = one(case(f"refused-though-readable/{name}"))
    assert frame.pixels.min() < frame.pixels.max()
