"""DICOM objects of every supported kind decode to the stored values; every other is refused with its cure."""

from __future__ import annotations

import io
import resource
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_windowing

from sranogan_edge.errors import OversizedImageError, UnreadableImageError
from sranogan_edge.image.decode import decode_bytes, decode_file, decode_file_frames
from sranogan_edge.image.dicom_object import identity_of, read_object
from sranogan_edge.image.dicom_pixels import CR, DX, DicomOptions, decode_dicom, read_bounded
from sranogan_edge.image.formats import IMAGE_SUFFIXES
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess

RNG = np.random.default_rng(5)
GREY_8 = RNG.integers(0, 256, (40, 60), np.uint8)
GREY_12 = RNG.integers(0, 4096, (40, 60), np.uint16)
GREY_16 = RNG.integers(0, 65536, (40, 60), np.uint16)
SIGNED_16 = RNG.integers(-32768, 32768, (40, 60)).astype(np.int16)
COLOUR = RNG.integers(0, 256, (40, 60, 3), np.uint8)

Make = Callable[..., bytes]


def one(data: bytes, **options: Any) -> Frame:
    """The only frame of an object."""
    (frame,) = decode_dicom(data, source="x", options=DicomOptions(**options))
    return frame


def brightness(frame: Frame) -> NDArray[np.float32]:
    """What the networks would see of the 40 x 60 frame's corner, 0 to 1, before any resize blurs it."""
    corner = Frame(frame.pixels[:32, :32], frame.bit_depth, frame.photometric, frame.window)
    return preprocess(corner, PreprocessSpec(size=32))[..., 0]


@pytest.mark.parametrize("syntax", ["ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "RLELossless"])
@pytest.mark.parametrize(
    ("pixels", "bits"),
    [(GREY_8, 8), (GREY_12, 12), (GREY_12 >> 2, 10), (GREY_16, 16)],
    ids=["8", "12", "10", "16"],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_grey_is_exact(
    make_dicom: Make, photometric: str, pixels: NDArray[Any], bits: int, syntax: str
) -> None:
    """Unsigned grey of 8 to 16 bits comes back as stored, with its depth and direction."""
    attributes = {"BitsStored": bits, "PhotometricInterpretation": photometric}
    data = make_dicom(pixels, **attributes)
    if syntax == "RLELossless":
        data = compressed(data, syntax)
    frame = one(data)
    assert (frame.bit_depth, frame.photometric, frame.window) == (bits, Photometric(photometric), None)
    np.testing.assert_array_equal(frame.pixels, pixels)


def compressed(data: bytes, syntax: str) -> bytes:
    """The same object, losslessly compressed by pydicom."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.compress(getattr(pydicom.uid, syntax))
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", ["JPEGLSLossless", "JPEG2000Lossless", "RLELossless"])
@pytest.mark.parametrize("pixels", [GREY_8, GREY_16, SIGNED_16, COLOUR], ids=["8", "16", "signed", "colour"])
def test_compressed_is_exact(make_dicom: Make, pixels: NDArray[Any], syntax: str) -> None:
    """Lossless compression changes nothing: the same frame as from the plain object."""
    plain = make_dicom(pixels)
    np.testing.assert_array_equal(one(compressed(plain, syntax)).pixels, one(plain).pixels)


def test_jpeg_baseline_and_lossy_2000_decode(make_dicom: Make) -> None:
    """Lossy JPEG and JPEG 2000 come back within a few grey values."""
    smooth = np.add.outer(np.arange(40) * 3, np.arange(60)).astype(np.uint8)
    for syntax, options in (("JPEGBaseline8Bit", {}), ("JPEG2000", {"irreversible": True})):
        encode = pytest.importorskip("PIL.Image").fromarray(smooth)
        buffer = io.BytesIO()
        encode.save(buffer, "JPEG" if "Base" in syntax else "JPEG2000", no_jp2=True, quality=95, **options)
        data = make_dicom(smooth, syntax, PixelData=encapsulate([buffer.getvalue()]))
        assert np.abs(one(data).pixels.astype(int) - smooth).max() <= 6, syntax


@pytest.mark.parametrize(
    ("name", "shape", "frames"),
    [
        ("MR_small_bigendian.dcm", (64, 64), 1),
        ("JPEG2000.dcm", (1024, 256), 1),
        ("SC_rgb_jpeg_dcmtk.dcm", (100, 100, 3), 1),
        ("SC_ybr_full_422_uncompressed.dcm", (100, 100, 3), 1),
        ("SC_rgb_rle_2frame.dcm", (100, 100, 3), 2),
        ("examples_ybr_color.dcm", (240, 320, 3), 30),
        ("image_dfl.dcm", (512, 512), 1),
    ],
)
def test_files_of_other_makers(name: str, shape: tuple[int, ...], frames: int) -> None:
    """Real objects of scanners, DCMTK and GDCM decode: big endian, deflated, YBR, many frames."""
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"this pydicom does not carry {name}")
    found = decode_file_frames(Path(str(path)))
    assert [frame.pixels.shape for frame in found] == [shape] * frames


def test_rgb_is_exact_and_in_order(make_dicom: Make) -> None:
    """Colour by pixel and colour by plane give the same R, G, B."""
    planes = make_dicom(COLOUR, PlanarConfiguration=1, PixelData=COLOUR.transpose(2, 0, 1).tobytes())
    for data in (make_dicom(COLOUR), planes):
        frame = one(data)
        assert frame.photometric is Photometric.RGB
        np.testing.assert_array_equal(frame.pixels, COLOUR)


def test_each_frame_of_several_has_its_name(make_dicom: Make) -> None:
    """A multi-frame object gives its frames in order, numbered from 1."""
    stack = np.stack([GREY_16, GREY_16[::-1], GREY_16[:, ::-1]])
    frames = decode_dicom(make_dicom(stack), source="x")
    assert [frame.source for frame in frames] == ["x#1", "x#2", "x#3"]
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in frames]), stack)


def test_signed_values_keep_their_order_and_window(make_dicom: Make) -> None:
    """Signed values are lifted to start at 0, and the window with them."""
    frame = one(make_dicom(SIGNED_16, WindowCenter=0, WindowWidth=20000))
    np.testing.assert_array_equal(frame.pixels, (SIGNED_16.astype(int) + 32768).astype(np.uint16))
    expected = (SIGNED_16.astype(float) - (-0.5 - 9999.5)) / 19999
    np.testing.assert_allclose(brightness(frame), expected.clip(0, 1)[:32, :32], atol=1e-5)


@pytest.mark.parametrize(("slope", "intercept"), [(2.0, -1000.0), (0.5, 0.0), (-1.0, 4095.0), (-2.5, 17.0)])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_rescale_and_window_agree_with_pydicom(
    make_dicom: Make, function: str, slope: float, intercept: float
) -> None:
    """Rescale (rising or falling) and window of each function show what pydicom shows."""
    center, width = 2000 * slope + intercept, abs(1500 * slope)
    attributes = {"WindowCenter": [center, 1], "WindowWidth": [width, 2], "VOILUTFunction": function}
    data = make_dicom(
        GREY_12, BitsStored=12, RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US", **attributes
    )
    dataset = pydicom.dcmread(io.BytesIO(data))
    shown = apply_windowing(GREY_12 * slope + intercept, dataset)
    dark, bright = intercept, slope * 4095 + intercept  # pydicom's output range: falling where the slope is
    expected = ((shown - dark) / (bright - dark)).clip(0, 1)[:32, :32]
    np.testing.assert_allclose(brightness(one(data)), expected, atol=2e-4)


def table(first: int, values: list[int], bits: int) -> pydicom.Sequence:
    """A LUT sequence of one table."""
    item = pydicom.Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(values), first, bits])
    item.add_new(0x00283006, "US", values)
    return pydicom.Sequence([item])


def test_look_up_tables_are_applied(make_dicom: Make) -> None:
    """A VOI table and a modality table each map the values; outside, their ends hold."""
    squares = [round((i / 99) ** 2 * 4095) for i in range(100)]
    voi = one(make_dicom(GREY_8, VOILUTSequence=table(50, squares, 12)))
    expected = np.array(squares)[(GREY_8.astype(int) - 50).clip(0, 99)]
    assert (voi.bit_depth, voi.window) == (12, None)
    np.testing.assert_array_equal(voi.pixels, expected)
    modality = one(
        make_dicom(GREY_8, ModalityLUTSequence=table(50, squares, 12), WindowCenter=2048, WindowWidth=4096)
    )
    assert modality.bit_depth == 12
    np.testing.assert_array_equal(modality.pixels, expected)


def test_only_the_kinds_that_are_asked_for(make_dicom: Make) -> None:
    """With CR and DX asked for, both are taken and a secondary capture is refused by name."""
    wanted = frozenset({CR, DX})
    for sop_class in wanted:
        one(make_dicom(GREY_8, SOPClassUID=sop_class), sop_classes=wanted)
    other = make_dicom(GREY_8, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    one(other)
    with pytest.raises(
        UnreadableImageError, match="Secondary Capture Image Storage, which is not taken here"
    ):
        one(other, sop_classes=wanted)


def test_files_decode_as_other_images_do(tmp_path: Path, make_dicom: Make) -> None:
    """decode_file and decode_bytes take DICOM whatever the name, by the magic; folders list .dcm."""
    path = tmp_path / "IM0001"
    path.write_bytes(make_dicom(GREY_12, BitsStored=12))
    for frame in (decode_file(path), decode_bytes(path.read_bytes(), source=str(path))):
        assert (frame.bit_depth, frame.source) == (12, str(path))
        np.testing.assert_array_equal(frame.pixels, GREY_12)
    assert ".dcm" in IMAGE_SUFFIXES
    path.write_bytes(make_dicom(np.stack([GREY_8, GREY_8])))
    with pytest.raises(OversizedImageError, match=r"2 x 60 x 40 .* allowed are 1 frames"):
        decode_file(path)


def test_without_pydicom_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, make_dicom: Make) -> None:
    """Where the extra is missing, a DICOM file is refused with the pip command."""
    for name in [name for name in sys.modules if name.startswith("sranogan_edge.image.dicom_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    monkeypatch.setitem(sys.modules, "pydicom.dataset", None)
    with pytest.raises(UnreadableImageError, match=r'pip install "\./edge\[dicom\]"'):
        decode_bytes(make_dicom(GREY_8), source="x")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no pixel data": ({"PixelData": None}, "holds no pixel data"),
    "truncated": ({"PixelData": GREY_16.tobytes()[:-2]}, "truncated: 4,798 of 4,800 bytes"),
    "zero bits": ({"BitsStored": 0, "HighBit": 0}, "stores 0 of 16 bits"),
    "zero allocated": ({"BitsAllocated": 0}, "of 0 bits"),
    "32 bits": ({"BitsAllocated": 32, "BitsStored": 32}, "stores 32 of 32 bits"),
    "high bit": ({"BitsStored": 12, "HighBit": 15}, "stores 12 of 16 bits up to bit 15"),
    "no rows": ({"Rows": None}, "has no usable Rows"),
    "zero rows": ({"Rows": 0}, "there is nothing in it"),
    "negative frames": ({"NumberOfFrames": -3}, "there is nothing in it"),
    "palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, "grey or RGB is needed"),
    "no photometric": (
        {"PhotometricInterpretation": None},
        "holds 1 x values of no kind a pixel; grey or RGB",
    ),
    "no bits": ({"BitsStored": None, "HighBit": None}, "neither BitsStored nor HighBit: of 16 bits"),
    "sign": ({"PixelRepresentation": 2}, "PixelRepresentation of 2; 0 or 1"),
    "samples": ({"SamplesPerPixel": 4}, "grey or RGB is needed"),
    "slope": ({"RescaleSlope": 0, "RescaleIntercept": 0}, "slope of 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_is_refused(make_dicom: Make, case: str) -> None:
    """Each malformed object is refused with what is wrong with it."""
    attributes, message = BAD[case]
    with pytest.raises(UnreadableImageError, match=message):
        one(make_dicom(GREY_16, **attributes))


def test_every_truncation_is_refused(make_dicom: Make) -> None:
    """A file cut anywhere is an error, never a picture."""
    data = make_dicom(GREY_8)
    for length in [*range(0, 400, 7), *range(400, len(data), 97), len(data) - 1]:
        with pytest.raises(UnreadableImageError):
            one(data[:length])


@pytest.mark.parametrize(
    "attributes", [{"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 2**31 - 1}, {"NumberOfFrames": 2000}]
)
@pytest.mark.parametrize("compress", [False, True])
def test_huge_declarations_are_refused_undecoded(
    make_dicom: Make, attributes: dict[str, int], compress: bool
) -> None:
    """Rows, columns and frames beyond the budget are refused before anything is allocated."""
    data = make_dicom(GREY_16)
    dataset = pydicom.dcmread(io.BytesIO(compressed(data, "JPEG2000Lossless") if compress else data))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    with pytest.raises(OversizedImageError, match="the header declares"):
        one(buffer.getvalue())


def test_a_codestream_that_contradicts_the_header_is_refused(make_dicom: Make) -> None:
    """A JPEG 2000 frame that declares more than the header is not given to a decoder."""
    dataset = pydicom.dcmread(io.BytesIO(compressed(make_dicom(GREY_16), "JPEG2000Lossless")))
    at = dataset.PixelData.index(b"\xff\x4f\xff\x51") + 8
    huge = bytearray(dataset.PixelData)
    struct.pack_into(">II", huge, at, 50000, 50000)
    dataset.PixelData = bytes(huge)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    with pytest.raises(
        UnreadableImageError, match=r"rows=50000, columns=50000.* the header \(40, 60, 1\)|tiles"
    ):
        one(buffer.getvalue())


def test_a_deflated_object_decodes_and_a_bomb_does_not(make_dicom: Make) -> None:
    """Deflated data sets are inflated up to the limit and no further."""
    data = make_dicom(np.zeros((512, 512), np.uint16) + GREY_16[0, 0])
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    deflated = buffer.getvalue()
    np.testing.assert_array_equal(one(deflated).pixels, one(data).pixels)
    start = len(deflated) - len(deflated.split(b"DICM", 1)[1])
    meta_end = start + 12 + struct.unpack("<I", deflated[start + 8 : start + 12])[0]
    squeeze = zlib.compressobj(1, zlib.DEFLATED, -15)
    zeros = [squeeze.compress(bytes(2**24)) for _ in range(8)]
    bomb = b"".join([deflated[:meta_end], *zeros, squeeze.flush()])
    assert len(bomb) < 2**21
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(OversizedImageError, match="inflated"):
        one(bomb, max_bytes=2**24)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB; it holds 128 MiB


def test_a_length_that_lies_costs_no_memory(make_dicom: Make) -> None:
    """An element that claims nearly 4 GiB is cut at the end of the file."""
    data = bytearray(make_dicom(GREY_8))
    at = data.rindex(b"\xe0\x7f\x10\x00OB")
    struct.pack_into("<I", data, at + 8, 0xFFFFFFF0)
    with pytest.raises(UnreadableImageError):
        one(bytes(data[:-100]))


def test_files_above_the_limit_are_not_read(make_dicom: Make) -> None:
    """A file larger than max_bytes is refused after that many bytes."""
    stream = io.BytesIO(make_dicom(GREY_16))
    with pytest.raises(OversizedImageError, match="larger than the 1,000 bytes"):
        read_bounded(stream, "large.dcm", DicomOptions(max_bytes=1000))
    assert stream.tell() == 1001


@pytest.mark.filterwarnings("ignore")  # pydicom warns of what is written here on purpose
def test_identity_is_text_of_bounded_length(make_dicom: Make) -> None:
    """The identity holds what the sender calls the object: printable, short, nothing where nothing is."""
    data = make_dicom(
        GREY_8, PatientID="a\x07b" + "c" * 99, AccessionNumber="../../etc/passwd", StationName=None
    )
    identity = identity_of(read_object(data, source="x", pixels=False))
    assert set(identity) >= {"study_uid", "series_uid", "instance_uid", "modality"}
    assert "station" not in identity
    assert identity["patient_id"].startswith("abc")
    assert len(identity["patient_id"]) == 64
