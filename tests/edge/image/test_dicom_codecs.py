"""Compressed objects decode by what is installed, and only that is offered."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit

from sranogan_edge.errors import UnreadableImageError
from sranogan_edge.image.dicom_codestream import mended, syntax_of
from sranogan_edge.image.dicom_decoders import decodable
from sranogan_edge.image.dicom_pixels import decode_dicom
from sranogan_edge.image.dicom_samples import SAMPLED, sample
from tests.support.dicom_objects import GREY_8, GREY_12, SIGNED, case, one, saved, without_meta

Make = Callable[..., bytes]


def test_each_sample_is_what_its_decoder_says() -> None:
    """Every transfer syntax that has a decoder here decodes its sample, so it is offered."""
    pytest.importorskip("libjpeg", reason="the extra dicom-jpeg is not installed")
    pytest.importorskip("openjpeg", reason="no JPEG 2000 decoder is installed")
    assert set(SAMPLED) <= set(decodable())


def test_a_syntax_that_no_decoder_here_really_decodes_is_not_offered() -> None:
    """Pillow takes "JPEG Extended" and knows 8 bits of it only: alone, it is not offered."""
    decoder = get_decoder(JPEGExtended12Bit)
    removed = {name: decoder._available[name] for name in decoder.available_plugins if name != "pillow"}
    if "pillow" not in decoder.available_plugins:
        pytest.skip("Pillow was built without JPEG")
    decodable.cache_clear()
    try:
        for name in removed:
            del decoder._available[name]
        assert decoder.is_available
        assert JPEGExtended12Bit not in decodable()
        assert JPEGBaseline8Bit in decodable()
    finally:
        decoder._available.update(removed)
        decodable.cache_clear()


def test_the_error_keeps_what_each_decoder_said() -> None:
    """Where all decoders fail, the message has the cause of each by name."""
    pytest.importorskip("libjpeg", reason="the extra dicom-jpeg is not installed")
    dataset, _ = sample(JPEGExtended12Bit)
    frame = bytearray(SAMPLED[JPEGExtended12Bit][0])
    frame[frame.index(b"\xff\xc4") + 5] = 200  # a Huffman table that cannot be
    dataset.PixelData = encapsulate([bytes(frame)])
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    with pytest.raises(UnreadableImageError) as raised:
        one(saved(dataset))
    message = str(raised.value)
    assert "compressed as JPEG Extended (Process 2 and 4), cannot be decoded" in message
    assert "pillow: Pillow does not support 'JPEG Extended' for samples with 12-bit" in message
    assert "pylibjpeg: libjpeg error code" in message


@pytest.mark.parametrize("syntax", [JPEGExtended12Bit, JPEGBaseline8Bit])
def test_a_scan_that_says_0_for_the_end_of_its_spectrum(syntax: pydicom.uid.UID) -> None:
    """Sequential JPEG whose scan header says Se = 0 decodes as if it said 63."""
    frame, bits, value = SAMPLED[syntax]
    at = frame.index(b"\xff\xda") + 8
    assert frame[at] == 63
    zero = frame[:at] + b"\0" + frame[at + 1 :]
    for wrong in (zero, frame[:at] + b"\x01\x01" + frame[at + 2 :]):
        assert mended(wrong, syntax) == frame
    for cut in range(len(zero)):
        assert len(mended(zero[:cut], syntax)) == cut
    assert mended(frame, syntax) is frame
    if bits == 12:
        pytest.importorskip("libjpeg", reason="the extra dicom-jpeg is not installed")
    dataset, _ = sample(syntax)
    dataset.PixelData = encapsulate([zero])
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    np.testing.assert_array_equal(one(saved(dataset)).pixels, np.full((8, 8), value))


def test_a_real_12_bit_film_with_such_a_scan() -> None:
    """A 12-bit film of a scanner that writes Se = 0 has its 440 x 440 values and window."""
    pytest.importorskip("libjpeg", reason="the extra dicom-jpeg is not installed")
    frame = one(case("one-film-each/cr_jpeg12_sos_se0.dcm"))
    assert (frame.pixels.shape, frame.bit_depth, int(frame.pixels.max())) == ((440, 440), 12, 4093)
    assert frame.window is not None
    assert (frame.window.center, frame.window.width) == pytest.approx((2201.61, 2401.76))


def boxed(codestream: bytes) -> bytes:
    """A JP2 file around a codestream."""
    signature = b"\0\0\0\x0cjP  \r\n\x87\n"
    kind = b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 "
    return signature + kind + (8 + len(codestream)).to_bytes(4, "big") + b"jp2c" + codestream


def test_jpeg_2000_in_boxes(make_dicom: Make) -> None:
    """The boxes of a JP2 file around a codestream are taken off."""
    pytest.importorskip("openjpeg", reason="no JPEG 2000 decoder is installed")
    dataset = pydicom.dcmread(io.BytesIO(make_dicom(GREY_8)))
    dataset.compress(JPEG2000Lossless)
    (stream,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([boxed(stream)])
    np.testing.assert_array_equal(one(saved(dataset)).pixels, GREY_8)


@pytest.mark.parametrize("syntax", [uid for uid in SAMPLED if uid.keyword != "RLELossless"])
def test_bare_compressed_data_sets_say_what_they_are(syntax: pydicom.uid.UID) -> None:
    """Without meta information, the codestream tells how the pixels are compressed."""
    if syntax not in decodable():
        pytest.skip("no decoder for it is installed")
    dataset, value = sample(syntax)
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    assert syntax_of(SAMPLED[syntax][0]) is not None
    bare = without_meta(saved(dataset))
    np.testing.assert_array_equal(one(bare).pixels, np.full((8, 8), value))


@pytest.mark.parametrize("pixels", [GREY_12, SIGNED], ids=["unsigned", "signed"])
def test_the_codestream_tells_bits_and_sign(make_dicom: Make, pixels: NDArray[Any]) -> None:
    """JPEG 2000 without BitsStored, HighBit and PixelRepresentation has those of its codestream."""
    pytest.importorskip("openjpeg", reason="no JPEG 2000 decoder is installed")
    dataset = pydicom.dcmread(io.BytesIO(make_dicom(pixels, BitsStored=12)))
    dataset.compress(JPEG2000Lossless)
    del dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    lift = 2048 if pixels is SIGNED else 0
    frame = one(saved(dataset))
    np.testing.assert_array_equal(frame.pixels, pixels.astype(int) + lift)
    assert frame.bit_depth == 12


@pytest.mark.parametrize("number", ["0", None])
def test_compressed_frames_are_counted_by_their_offsets(make_dicom: Make, number: str | None) -> None:
    """Without a number of frames, a basic offset table tells it; without a table there is one frame."""
    pytest.importorskip("openjpeg", reason="no JPEG 2000 decoder is installed")
    dataset = pydicom.dcmread(io.BytesIO(make_dicom(np.stack([GREY_8, GREY_8[::-1]]))))
    dataset.compress(JPEG2000Lossless)
    parts = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=2))
    dataset.NumberOfFrames = number
    for many in (2, 1):
        dataset.PixelData = encapsulate(parts[:many], has_bot=many == 2)
        frames = decode_dicom(saved(dataset), source="x")
        assert len(frames) == many
        np.testing.assert_array_equal(frames[-1].pixels, GREY_8[:: 1 if many == 1 else -1])
