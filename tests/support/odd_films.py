"""Films with elements that no library would write: each value is put there byte by byte."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag, Tag

Odd = Mapping[str | tuple[int, int], bytes | tuple[str, bytes]]

PRIVATE_OF_ANOTHER_KIND: Odd = {  # the dictionary says FD (8 bytes); the maker wrote text
    (0x01F1, 0x0010): ("LO", b"ELSCINT1"),
    (0x01F1, 0x1026): ("FD", b"1.273 "),
}
ODD_LENGTH: Odd = {(0x0028, 0x0106): ("US", b"\x01\x02\x03")}
UNKNOWN_KIND: Odd = {(0x0009, 0x0010): ("LO", b"MAKER"), (0x0009, 0x1001): ("XX", b"abcd")}


def with_bytes(film: bytes, odd: Odd, *, implicit: bool = False) -> bytes:
    """Return ``film`` with the bytes of ``odd`` in it, by keyword or tag, with a value representation or not.

    ``implicit`` writes no value representations.
    """
    dataset = pydicom.dcmread(io.BytesIO(film))
    syntax = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    parts = {int(each.tag): _encoded(each, implicit) for each in dataset}
    for name, value in odd.items():
        tag = _tag(name)
        kind, raw = value if isinstance(value, tuple) else (dictionary_VR(tag), value)
        size = struct.pack("<L", len(raw)) if implicit else struct.pack("<2sH", kind.encode(), len(raw))
        parts[int(tag)] = struct.pack("<HH", tag.group, tag.element) + size + raw
    empty = pydicom.Dataset()
    empty.file_meta = dataset.file_meta
    buffer = io.BytesIO()
    empty.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue() + b"".join(parts[tag] for tag in sorted(parts))


def _encoded(element: pydicom.DataElement, implicit: bool) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_data_element(buffer, element)
    return buffer.getvalue()


def _tag(name: str | tuple[int, int]) -> BaseTag:
    found = tag_for_keyword(name) if isinstance(name, str) else name
    assert found is not None
    return Tag(found)
