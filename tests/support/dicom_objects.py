"""DICOM objects for tests: changed, cut, written as no library would."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pydicom
import pytest

from sranogan_edge.image.dicom_pixels import decode_dicom
from sranogan_edge.image.frame import Frame
from tests.support import shared_cases

RNG = np.random.default_rng(7)
GREY_8 = RNG.integers(0, 256, (40, 60), np.uint8)
GREY_12 = RNG.integers(0, 4096, (40, 60), np.uint16)
SIGNED = RNG.integers(-2048, 2048, (40, 60)).astype(np.int16)
CASES = shared_cases.CASES / "dicom"


def one(data: bytes) -> Frame:
    """The only frame of an object."""
    (frame,) = decode_dicom(data, source="x")
    return frame


def saved(dataset: pydicom.Dataset) -> bytes:
    """The bytes of a data set's file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def changed(data: bytes, change: Callable[[pydicom.Dataset], None]) -> bytes:
    """An object with a change."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    change(dataset)
    return saved(dataset)


def written(dataset: pydicom.Dataset, keyword: str, text: str) -> None:
    """Put ``text`` into an element as it is, allowed or not."""
    vr = pydicom.datadict.dictionary_VR(keyword)
    tag = pydicom.tag.Tag(keyword)
    value = text.encode() + b" " * (len(text) % 2)
    dataset[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(value), value, 0, False, True)


def case(name: str) -> bytes:
    """A file of the shared examples."""
    path = CASES / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return path.read_bytes()


def without_preamble(data: bytes) -> bytes:
    """The file from its meta information on."""
    return data[132:]


def without_meta(data: bytes) -> bytes:
    """The bare data set: what is in the file behind its meta information."""
    length = int.from_bytes(data[140:144], "little")
    return data[144 + length :]


def table(
    first: int, values: list[int], bits: int, *, packed: bool = False, vr: str = "US"
) -> pydicom.Sequence:
    """A LUT sequence of one table; packed has two entries of 8 bits in a word."""
    item = pydicom.Dataset()
    item.add_new(0x00283002, vr, [len(values), first, bits])
    if packed:
        item.add_new(0x00283006, "OW", bytes(values) + bytes(len(values) % 2))
    else:
        item.add_new(0x00283006, "US", values)
    return pydicom.Sequence([item])
