"""Text of a DICOM object, whatever its character set: decoded as well as can be, and never an error."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS, PersonName

__all__ = ["TextReader"]

_ASCII = ("", "ISO_IR 6", "ISO 2022 IR 6")
_ESCAPE, _ESCAPES = b"\x1b", re.compile("\x1b[\x20-\x2f]*[\x30-\x7e]")  # ECMA-35, 13.2: some are left over
_EXTENSIONS = [name for term, name in python_encoding.items() if term.startswith("ISO 2022 IR ")]
_UNESCAPED = {  # what is written without the escapes that these sets need
    "iso2022_jp": ("cp932", "euc_jp"),
    "iso2022_jp_2": ("cp932", "euc_jp"),
    "gb2312": ("gb18030",),
}
_LIKE = (  # what is written for a defined term, and meant
    (re.compile(r"ISO[ _-]?2022[ _-]?IR[ _-]?(\d+)"), r"ISO 2022 IR \1"),
    (re.compile(r"(?:ISO[ _-]?)?IR[ _-]?(\d+)"), r"ISO_IR \1"),
    (re.compile(r"UTF[ _-]?8|UNICODE"), "ISO_IR 192"),
)


class TextReader:
    """Reads the text of a data set, element by element: a damaged one says nothing about the others."""

    def __init__(self, dataset: Dataset) -> None:
        """Look up what character set ``dataset`` declares."""
        self._dataset = dataset
        self._encodings = tuple(_encodings(self.ascii("SpecificCharacterSet")))

    def ascii(self, keyword: str) -> list[str]:
        """The values of an element of plain ASCII (UIDs, codes, dates, numbers); empty without one."""
        raw = _raw(self._dataset, keyword)
        text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else raw
        values = [_printable(value) for value in text.split("\\")]
        return values if any(values) else []

    def text(self, keyword: str) -> str:
        """The element's text, with a backslash between its values; empty without one."""
        raw = _raw(self._dataset, keyword)
        return _printable(self._decoded(raw, TEXT_VR_DELIMS) if isinstance(raw, bytes) else raw)

    def name(self, keyword: str) -> str:
        """The first person's name that the element holds; empty without one."""
        raw = _raw(self._dataset, keyword)
        if isinstance(raw, bytes):
            raw = "=".join(self._decoded(group, PN_DELIMS) for group in raw.split(b"="))
        groups = [_printable(group) for group in raw.split("\\")[0].split("=")]
        return "=".join(groups).rstrip("=")

    def _decoded(self, value: bytes, delimiters: set[int]) -> str:
        if _ESCAPE in value:  # ISO 2022 names its character sets itself
            first = self._encodings[0] if self._encodings else "iso8859"
            with suppress(Exception):
                return decode_bytes(value, [first, *_EXTENSIONS], delimiters)
        meant = [other for encoding in self._encodings for other in _UNESCAPED.get(encoding, ())]
        for encoding in (*self._encodings, "utf-8", *meant):
            with suppress(UnicodeError, LookupError):
                return value.decode(encoding)
        kept = self._encodings[0] if self._encodings and not meant else "latin-1"
        return value.decode(kept, "replace")


def _raw(dataset: Dataset, keyword: str) -> bytes | str:
    """What stands in the element, as bytes where nobody has decoded it yet; empty where it is damaged."""
    tag = tag_for_keyword(keyword)
    try:
        value: Any = dataset.get_item(tag).value if tag is not None and tag in dataset else None
        if isinstance(value, PersonName) and isinstance(value.original_string, bytes):
            return bytes(value.original_string)
        if isinstance(value, bytes):
            return value
        several = isinstance(value, (MultiValue, list, tuple))
        return "\\".join(map(str, value)) if several else "" if value is None else str(value)
    except Exception:  # whatever pydicom raises of one element
        return ""


def _encodings(terms: Sequence[str]) -> Iterator[str]:
    """Python's names of the character sets that are declared; none for ASCII and what nobody knows."""
    for term in terms:
        if term.upper() not in _ASCII and (found := _encoding(term)):
            yield found


def _encoding(term: str) -> str:
    wanted = term.upper()
    for pattern, meant in _LIKE:
        if pattern.fullmatch(wanted):
            wanted = pattern.sub(meant, wanted)
            break
    with suppress(LookupError):
        return codecs.lookup(python_encoding.get(wanted) or term).name
    return ""


def _printable(text: str) -> str:
    text = _ESCAPES.sub("", text)
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs")).strip()
