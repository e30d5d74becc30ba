"""Text files that people write with any editor: what is certain is read, else the cure is told."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from sranogan_edge.errors import SettingsError

__all__ = ["decode_text", "is_escape_trouble", "meant"]

_ALIKE = 0.6  # from which of difflib's ratios on a word may have been meant

_MARKS = (  # the longer ones first: UTF-16's is how UTF-32's begins
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_LONE_CR = re.compile(r"\r(?!\n)")
_STRINGS = re.compile(r"'[^']*'|#.*|\"(?P<basic>(?:\\.|[^\"\\])*)(?:\"|\\?$)")


def decode_text(data: bytes, path: Path) -> str:
    """Return the text of a file in UTF-8, with or without a byte-order mark, its lines ended by LF or CRLF.

    Raises:
        SettingsError: it has another encoding, or lines that end with CR alone; the message shows none of
            the text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            raise _foreign(path, encoding, encoding)
    if b"\0" in data:
        low = data[1::2].count(0) >= data[0::2].count(0)
        raise _foreign(path, "UTF-16 without a byte-order mark", "UTF-16LE" if low else "UTF-16BE")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        encoding = f"not in UTF-8 (line {line}), but in Latin-1 or Windows-1252, perhaps"
        raise SettingsError(f"{path}: the text is {encoding}. {_cure('WINDOWS-1252', path)}") from error
    if found := _LONE_CR.search(text.rstrip("\r")):
        line = len(re.findall(r"\r\n|\r|\n", text[: found.start()])) + 1
        raise SettingsError(
            f"{path}: line {line} ends with a carriage return (CR) alone, as on old Macs. Save it in UTF-8 "
            f"with line breaks of Unix (LF) or Windows (CRLF): tr '\\r' '\\n' < {path.name} > NEW"
        )
    return text


def is_escape_trouble(line: str) -> bool:
    r"""Whether ``line`` of TOML has a backslash in double quotes, as in ``"C:\data"``."""
    return any("\\" in (found["basic"] or "") or found[0].endswith("\\") for found in _STRINGS.finditer(line))


def meant(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'standard'?)`` where one of ``known`` is near ``word``, else nothing."""
    folded = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=_ALIKE)
    return f" (did you mean {folded[near[0]]!r}?)" if near else ""


def _foreign(path: Path, encoding: str, name: str) -> SettingsError:
    return SettingsError(f"{path}: the text is in {encoding}, not in UTF-8. {_cure(name, path)}")


def _cure(encoding: str, path: Path) -> str:
    return f"Save it as UTF-8: iconv -f {encoding} -t UTF-8 {path.name} > NEW, or in the editor."
